"""Makes and drops the databases of the shadow: the locked-down template, and one per class; beside
it, until it is built, a *draft* that holds the relations which statements have named so far.

Each class database is built from the bare template with visible columns only. Copying a fuller one
and dropping columns would leave rows in pg_attribute that tell how many there were.

This file must not know client statements: everything here runs as superuser over DDL of our own.
Theory. A database gets its final name only when it is complete, so whoever finds one may use it:
the gate's other processes, or the next run over the same directory. An advisory lock keeps two
processes from building the same one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

import asyncpg

from proxy.catalog.class_building import ClusterAddress, build, renumber, script
from proxy.catalog.definition import Definition, definition, quote_identifier
from proxy.catalog.virtual import CatalogError, ClassCatalog
from proxy.wire.type_oids import FIRST_OWN_OID

TEXT_OID: Final = 25
CLASS_PREFIX: Final = "c_"
DRAFT_PREFIX: Final = "d_"
CLASS_DIGITS: Final = 24  # 96 bits of the class key: not to be guessed, nor met by chance
# The slowest of 443 clients' catalog statements takes 0.3 s, all columns of 2,000 tables some 5 s.
STATEMENT_TIMEOUT_MS: Final = 10_000
LOCK_TIMEOUT_MS: Final = 1_000
IDLE_TRANSACTION_TIMEOUT_MS: Final = 30_000
CONNECTIONS_PER_CLASS_MAX: Final = 128  # all processes of one gate together

_ROLE_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_TIMEOUT_MS),
}


@dataclass(frozen=True)
class Oids:
    """Which OID means what: a source's types and the shadow's, and the shadow's relations.

    `described` maps (source, type OID there) to the OID that the shadow describes a column of that
    type with; `sources` maps (source, type OID in the shadow) back. Built-in types are in neither.
    `row_arrays` maps the type of arrays of a relation's rows to that of the row; both are the
    shadow's.
    """

    relations: Mapping[tuple[str, str], int] = field(default_factory=dict)
    described: Mapping[tuple[str, int], int] = field(default_factory=dict)
    sources: Mapping[tuple[str, int], int] = field(default_factory=dict)
    row_arrays: Mapping[int, int] = field(default_factory=dict)

    def source_oid(self, source: str, oid: int) -> int:
        """A parameter's type as the source numbers it; 0 lets the source infer what it alone
        knows."""
        return oid if oid < FIRST_OWN_OID else self.sources.get((source, oid), 0)

    def result_oid(self, source: str, oid: int) -> int:
        """The type that the source must answer with, 0 where it may differ from the shadow's.

        Types that the shadow lacks stand in as text there, rows of a table are anonymous at the
        source.
        """
        return 0 if oid == TEXT_OID else self.source_oid(source, oid)


def class_name(catalog: ClassCatalog, template: str) -> str:
    """The name of a class's database and role: says nothing of the class, differs by template."""
    digest = hashlib.sha256(f"{template}:{catalog.key}".encode()).hexdigest()
    return CLASS_PREFIX + digest[:CLASS_DIGITS]


def draft_name(name: str) -> str:
    """The name of the draft of the class `name`."""
    return DRAFT_PREFIX + name.removeprefix(CLASS_PREFIX)


async def prepare_template(cluster: ClusterAddress, database_name: str) -> str:
    """The locked-down template whose clients see `database_name`; made unless it is there.

    Returns its name. Templates and classes of another lock-down script are dropped.
    """
    lockdown = script("lockdown.sql")
    digest = hashlib.sha256(
        f"{lockdown}\0{script('renumber.sql')}\0{database_name}".encode()
    ).hexdigest()
    name = f"bare_{digest[:CLASS_DIGITS]}"
    admin = await cluster.connect()
    try:
        await admin.execute("SELECT pg_advisory_lock(hashtext('template'))")
        if not await database_exists(admin, name):
            await _drop_all(admin)
            building = f"new_{name}"
            await admin.execute(f"DROP DATABASE IF EXISTS {building}")
            await admin.execute(f"CREATE DATABASE {building} TEMPLATE template0")
            await lock_down(cluster, building, database_name)
            await _prepare_numbers(cluster, building)
            await admin.execute(f"ALTER DATABASE {building} RENAME TO {name}")
    finally:
        await admin.close()
    return name


async def server_version(cluster: ClusterAddress) -> str:
    """The version of the shadow's Postgres without what packagers add to it: 16.14."""
    admin = await cluster.connect()
    try:
        told: str = await admin.fetchval("SHOW server_version")
        return told.split()[0]
    finally:
        await admin.close()


async def lock_down(cluster: ClusterAddress, database: str, database_name: str) -> None:
    """Take from a new database what a role without rights might still do or learn there.

    `database_name` is what its clients see as the current database.
    """
    connection = await cluster.connect(database)
    try:
        await connection.execute(
            "SELECT set_config('sallyport.database_name', $1, false)", database_name
        )
        await connection.execute(script("lockdown.sql"))
    finally:
        await connection.close()


async def _prepare_numbers(cluster: ClusterAddress, database: str) -> None:
    connection = await cluster.connect(database)
    try:
        await renumber(connection)
    finally:
        await connection.close()


async def _drop_all(admin: asyncpg.Connection) -> None:
    """Forget what an older script made; what another process still uses is left to it."""
    rows = await admin.fetch(
        "SELECT datname FROM pg_database WHERE datname ~ '^(new_|bare_|[cd]_)'"
    )
    for row in rows:
        await drop_class(admin, row["datname"])


async def drop_class(admin: asyncpg.Connection, name: str) -> bool:
    """Drop a class's database and role, unless another process is connected to it; whether it is
    gone. What somebody else is building or dropping is left to them."""
    if not await admin.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", name):
        return False
    try:
        with suppress(asyncpg.ObjectInUseError, asyncpg.DependentObjectsStillExistError):
            await admin.execute(f"DROP DATABASE IF EXISTS {quote_identifier(name)}")
            await admin.execute(f"DROP ROLE IF EXISTS {quote_identifier(name)}")
            return True
        return False
    finally:
        await admin.execute("SELECT pg_advisory_unlock(hashtext($1))", name)


async def class_sizes(admin: asyncpg.Connection) -> dict[str, int]:
    """Bytes on disk of each database of a class, oldest first: all processes' together."""
    rows = await admin.fetch(
        "SELECT datname, coalesce(pg_database_size(oid), 0) FROM pg_database"
        " WHERE datname ~ '^[cd]_' ORDER BY oid"
    )
    return {row[0]: row[1] for row in rows}


async def ensure_class(cluster: ClusterAddress, catalog: ClassCatalog, template: str) -> Oids:
    """Make the class's database unless it is there, and read its OIDs.

    Raises CatalogError with Postgres' reason when its schema cannot be built.
    """
    name = class_name(catalog, template)
    admin = await cluster.connect()
    try:
        await admin.execute("SELECT pg_advisory_lock(hashtext($1))", name)
        if not await database_exists(admin, name):
            async with _made(admin, name, template) as building:
                steps = await _steps(admin, catalog)
                await build(cluster, building, steps)
    finally:
        await admin.close()
    return await _oids_in(cluster, name, catalog)


async def ensure_draft(
    cluster: ClusterAddress,
    catalog: ClassCatalog,
    template: str,
    relations: frozenset[tuple[str, str]],
) -> Oids:
    """Make a database with the class's types and at least these of its relations, numbered as in
    the whole; or add those that it lacks. What may be described there is answered nowhere.

    Raises CatalogError as `ensure_class` does.
    """
    name = draft_name(class_name(catalog, template))
    admin = await cluster.connect()
    try:
        await admin.execute("SELECT pg_advisory_lock(hashtext($1))", name)
        if await database_exists(admin, name):
            missing = relations - await _relations_in(cluster, name)
            if missing:
                steps = await _steps(admin, catalog, missing)
                await build(cluster, name, replace(steps, types=(), operators=()), missing)
        else:
            async with _made(admin, name, template) as building:
                steps = await _steps(admin, catalog, relations)
                await build(cluster, building, steps, relations)
    except CatalogError:
        await drop_class(admin, name)  # half of it may be there
        raise
    finally:
        await admin.close()
    return await _oids_in(cluster, name, catalog)


async def database_exists(admin: asyncpg.Connection, name: str) -> bool:
    """Whether the cluster has a database of that name."""
    return bool(
        await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name)
    )


@asynccontextmanager
async def _made(admin: asyncpg.Connection, name: str, template: str) -> AsyncIterator[str]:
    """Make a database and its role; while it is filled it has the name that is given, then its
    own."""
    building = f"new_{name}"
    await admin.execute(f"DROP DATABASE IF EXISTS {building}")
    await make_role(admin, name, CONNECTIONS_PER_CLASS_MAX)
    for setting, value in _ROLE_SETTINGS.items():
        await admin.execute(f"ALTER ROLE {name} SET {setting} = '{value}'")
    await admin.execute(f"CREATE DATABASE {building} TEMPLATE {template}")
    try:
        yield building
    except BaseException:
        await drop_class(admin, building)
        raise
    await admin.execute(f"REVOKE ALL ON DATABASE {building} FROM PUBLIC")
    await admin.execute(f"GRANT CONNECT ON DATABASE {building} TO {name}")
    await admin.execute(f"ALTER DATABASE {building} RENAME TO {name}")


async def make_role(
    admin: asyncpg.Connection, name: str, connections_max: int | None = None
) -> None:
    """Make the role under which clients' statements run in one database: it may log in, no more."""
    limit = "" if connections_max is None else f" CONNECTION LIMIT {connections_max}"
    await admin.execute(f"DROP ROLE IF EXISTS {name}")
    await admin.execute(
        f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION"
        f" NOBYPASSRLS{limit}"
    )


async def _steps(
    admin: asyncpg.Connection,
    catalog: ClassCatalog,
    only: frozenset[tuple[str, str]] | None = None,
) -> Definition:
    rows = await admin.fetch("SELECT name FROM pg_available_extensions()")
    return await asyncio.to_thread(definition, catalog, {row["name"] for row in rows}, only)


async def _relations_in(cluster: ClusterAddress, database: str) -> set[tuple[str, str]]:
    connection = await cluster.connect(database)
    try:
        await renumber(connection)  # whoever added some may have died before
        return set(await _read_relations(connection))
    finally:
        await connection.close()


async def _oids_in(cluster: ClusterAddress, database: str, catalog: ClassCatalog) -> Oids:
    connection = await cluster.connect(database)
    try:
        return await _read_oids(connection, catalog)
    finally:
        await connection.close()


async def _read_relations(connection: asyncpg.Connection) -> dict[tuple[str, str], int]:
    rows = await connection.fetch(
        "SELECT n.nspname, c.relname, c.oid::bigint FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r','p','v','m','f') AND c.oid >= 16384"
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def _read_oids(connection: asyncpg.Connection, catalog: ClassCatalog) -> Oids:
    relations = await _read_relations(connection)
    types = await connection.fetch(
        "SELECT n.nspname, t.typname, t.oid::bigint, t.typarray::bigint, t.typtype::text,"
        " t.typbasetype::bigint FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE n.nspname <> 'pg_catalog' AND t.typcategory <> 'A'"
    )
    return Oids(
        relations={place: oid for place, oid in relations.items() if place in catalog.relations},
        row_arrays={r[3]: r[2] for r in types if (r[0], r[1]) in catalog.relations},
        **_type_maps(catalog, {(r[0], r[1]): tuple(r)[2:] for r in types}),
    )


def _type_maps(
    catalog: ClassCatalog, found: Mapping[tuple[str, str], tuple[int, int, str, int]]
) -> dict[str, dict[tuple[str, int], int]]:
    """`described` and `sources` of Oids.

    Postgres describes a domain by the type under it, in source and shadow alike; only where the
    shadow's is a stand-in for a type that the source has in earnest do the two differ.
    """
    bases = {row[0]: row[3] for row in found.values() if row[2] == "d"}

    def flattened(oid: int) -> int:
        while oid in bases:
            oid = bases[oid]
        return oid

    described: dict[tuple[str, int], int] = {}
    sources: dict[tuple[str, int], int] = {}
    for source, definitions in catalog.types.items():
        for kind in definitions.values():
            row = found.get((kind.schema, kind.name))
            if kind.is_row_type or row is None:
                described[source, kind.oid] = TEXT_OID
                continue
            oid, array_oid = row[0], row[1]
            described[source, kind.oid] = flattened(oid)
            described[source, kind.array_oid] = array_oid
            sources[source, oid] = kind.oid
            sources[source, array_oid] = kind.array_oid
    return {"described": described, "sources": sources}
