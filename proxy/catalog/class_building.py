"""Fills a database made from the bare template with a class's schema, or with a part of it.

Order (`Definition`): types by DDL; tables as rows of the catalogs; whatever else needs a statement;
what holds numbers of others inside a stored expression. After each DDL what it made gets its
lasting numbers (renumber.sql), and the next step has a session of its own, which has cached none.
This file must not know which databases there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from importlib import resources
from typing import Final, Protocol

import asyncpg

from proxy.catalog import written
from proxy.catalog.definition import Definition
from proxy.catalog.virtual import CatalogError
from proxy.catalog.written_rows import CATALOGS, Columns, has_not_nulls, inserts
from proxy.wire.type_oids import FIRST_OWN_OID

ROWS_PER_STATEMENT: Final = 20_000  # so many are encoded in some 20 ms, while sessions wait


class ClusterAddress(Protocol):
    """What is needed of a running cluster: a superuser connection to one of its databases."""

    async def connect(self, database: str = "postgres") -> asyncpg.Connection: ...


def script(name: str) -> str:
    """The text of one of the package's SQL files."""
    return resources.files("proxy.catalog").joinpath(name).read_text("utf-8")


async def build(
    cluster: ClusterAddress,
    database: str,
    steps: Definition,
    only: Collection[tuple[str, str]] | None = None,
) -> None:
    """Build a class in its empty database; `only` those tables. Raises CatalogError."""
    for statements in filter(None, (steps.types, steps.operators)):
        await _state(cluster, database, statements)
    connection = await cluster.connect(database)
    try:
        await write_tables(connection, steps, only)
    finally:
        await connection.close()
    for statements in filter(None, (steps.objects, steps.dependents)):
        await _state(cluster, database, statements)


async def _state(cluster: ClusterAddress, database: str, statements: Sequence[str]) -> None:
    connection = await cluster.connect(database)
    try:
        async with connection.transaction():
            await _execute_all(connection, statements)
            await _restrict_extensions(connection)
        await renumber(connection)
    finally:
        await connection.close()


async def _execute_all(connection: asyncpg.Connection, statements: Sequence[str]) -> None:
    texts = ["SET LOCAL search_path TO pg_catalog", *statements]
    try:
        await connection.execute(";\n".join(texts))
    except asyncpg.PostgresError as error:
        raise CatalogError(f"the catalog of a class cannot be built: {error}") from error


async def renumber(connection: asyncpg.Connection) -> None:
    """Give what DDL made in this database its lasting numbers."""
    async with connection.transaction():
        await connection.execute(script("renumber.sql"))


async def write_tables(
    connection: asyncpg.Connection,
    steps: Definition,
    only: Collection[tuple[str, str]] | None = None,
) -> None:
    """Write the tables of `steps`, or those `only`, into the catalogs. Raises CatalogError."""
    wanted = [one for one in steps.written if only is None or one.place in only]
    if not wanted:
        return
    columns = await _columns(connection)
    naming = written.Naming(await _taken_names(connection, steps), has_not_nulls(columns))
    tables, array_names = await asyncio.to_thread(_named, naming, steps.written)
    names = written.identifiers(tables)
    quoted = await connection.fetchval(
        "SELECT array_agg(quote_ident(n) ORDER BY place)"
        " FROM unnest($1::text[]) WITH ORDINALITY u(n, place)",
        names,
    )
    taken = {
        catalog: await connection.fetchval(
            f"SELECT coalesce(array_agg(oid), '{{}}') FROM {catalog} WHERE oid >= {FIRST_OWN_OID}"
        )
        for catalog in ("pg_class", "pg_type", "pg_constraint")
    }
    kinds = await _kinds(connection, wanted)
    places = {table.place for table in wanted}
    by_name = dict(zip(names, quoted, strict=True))

    def computed() -> written.Rows:
        numbers = written.numbered(tables, by_name, taken)
        chosen = [table for table in tables if table.place in places]
        return written.rows(chosen, array_names, numbers, kinds)

    await _insert(connection, columns, await asyncio.to_thread(computed))


def _named(
    naming: written.Naming, tables: Sequence[written.WrittenTable]
) -> tuple[list[written.WrittenTable], dict[tuple[str, str], str]]:
    named = [naming.named(table) for table in tables]
    return named, {table.place: naming.array_name(*table.place) for table in named}


async def _columns(connection: asyncpg.Connection) -> Columns:
    found = await connection.fetch(
        "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relname = ANY ($1) GROUP BY 1",
        list(CATALOGS),
    )
    return {row[0]: row[1] for row in found}


async def _insert(connection: asyncpg.Connection, columns: Columns, rows: written.Rows) -> None:
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL allow_system_table_mods = on")
            for insert in inserts(columns):
                arrays = rows.get(insert.group, ((),))
                for start in range(0, len(arrays[0]), ROWS_PER_STATEMENT):
                    part = [array[start : start + ROWS_PER_STATEMENT] for array in arrays]
                    await connection.execute(insert.sql, *part)
    except asyncpg.PostgresError as error:
        raise CatalogError(f"the catalog of a class cannot be written: {error}") from error


async def _taken_names(connection: asyncpg.Connection, steps: Definition) -> dict[str, set[str]]:
    """Names of types that exist, and of relations that will."""
    rows = await connection.fetch(
        "SELECT n.nspname, array_agg(t.typname::text) FROM pg_type t"
        " JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 16384 GROUP BY 1"
    )
    taken = {row[0]: set(row[1]) for row in rows}
    for schema, name in steps.relation_names:
        taken.setdefault(schema, set()).add(name)
    return taken


async def _kinds(
    connection: asyncpg.Connection, tables: Sequence[written.WrittenTable]
) -> dict[str, written.Kind]:
    names = sorted({column.type_name for table in tables for column in table.columns})
    rows = await connection.fetch(
        "SELECT u.name, t.oid::bigint, t.typlen, t.typstorage::text FROM unnest($1::text[]) u(name)"
        " LEFT JOIN pg_type t ON t.oid = to_regtype(u.name)",
        names,
    )
    for row in rows:
        if row[1] is None:
            raise CatalogError(f"the catalog of a class cannot be built: no type {row[0]}")
    return {row[0]: written.Kind(*tuple(row)[1:]) for row in rows}


async def _restrict_extensions(connection: asyncpg.Connection) -> None:
    """Volatile functions that an extension brought are as unwelcome as Postgres' own."""
    await connection.execute(
        """
        DO $$
        DECLARE function regprocedure;
        BEGIN
            FOR function IN
                SELECT p.oid FROM pg_proc p
                WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace,
                                             'information_schema'::regnamespace)
                  AND p.provolatile = 'v' AND p.prokind <> 'p'
            LOOP
                EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
            END LOOP;
        END $$
        """
    )
