"""Makes and drops the databases of the shadow: the locked-down template, and one per class.

Each class database is built from the bare template with visible columns only. Copying a fuller one
and dropping columns would leave rows in pg_attribute that tell how many there were.

This file must not know client statements: everything here runs as superuser over DDL of our own.
Theory. A database gets its final name only when it is complete, so whoever finds one may use it:
the gate's other processes, or the next run over the same directory. An advisory lock keeps two
processes from building the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import Final, Protocol

import asyncpg

from proxy.catalog.definition import definition, quote_identifier
from proxy.catalog.virtual import CatalogError, ClassCatalog
from proxy.wire.type_oids import FIRST_OWN_OID

TEXT_OID: Final = 25
CLASS_PREFIX: Final = "c_"
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


class ClusterAddress(Protocol):
    """What is needed of a running cluster: a superuser connection to one of its databases."""

    async def connect(self, database: str = "postgres") -> asyncpg.Connection: ...


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


async def prepare_template(cluster: ClusterAddress, database_name: str) -> str:
    """The locked-down template whose clients see `database_name`; made unless it is there.

    Returns its name. Templates and classes of another lock-down script are dropped.
    """
    script = _script("lockdown.sql")
    digest = hashlib.sha256(
        f"{script}\0{_script('renumber.sql')}\0{database_name}".encode()
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
        await connection.execute(_script("lockdown.sql"))
    finally:
        await connection.close()


async def _prepare_numbers(cluster: ClusterAddress, database: str) -> None:
    connection = await cluster.connect(database)
    try:
        await _renumber(connection)
    finally:
        await connection.close()


async def _drop_all(admin: asyncpg.Connection) -> None:
    """Forget what an older script made; what another process still uses is left to it."""
    rows = await admin.fetch("SELECT datname FROM pg_database WHERE datname ~ '^(new_|bare_|c_)'")
    for row in rows:
        await drop_class(admin, row["datname"])


async def drop_class(admin: asyncpg.Connection, name: str) -> None:
    """Drop a class's database and role, unless another process is connected to it."""
    with suppress(asyncpg.ObjectInUseError, asyncpg.DependentObjectsStillExistError):
        await admin.execute(f"DROP DATABASE IF EXISTS {quote_identifier(name)}")
        await admin.execute(f"DROP ROLE IF EXISTS {quote_identifier(name)}")


async def ensure_class(cluster: ClusterAddress, catalog: ClassCatalog, template: str) -> Oids:
    """Make the class's database unless it is there, and read its OIDs.

    Raises CatalogError with Postgres' reason when its schema cannot be built.
    """
    name = class_name(catalog, template)
    admin = await cluster.connect()
    try:
        await admin.execute("SELECT pg_advisory_lock(hashtext($1))", name)
        if not await database_exists(admin, name):
            await _build(cluster, admin, catalog, template)
    finally:
        await admin.close()
    connection = await cluster.connect(name)
    try:
        return await _read_oids(connection, catalog)
    finally:
        await connection.close()


async def database_exists(admin: asyncpg.Connection, name: str) -> bool:
    """Whether the cluster has a database of that name."""
    return bool(
        await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name)
    )


async def _build(
    cluster: ClusterAddress, admin: asyncpg.Connection, catalog: ClassCatalog, template: str
) -> None:
    name = class_name(catalog, template)
    building = f"new_{name}"
    await admin.execute(f"DROP DATABASE IF EXISTS {building}")
    await make_role(admin, name, CONNECTIONS_PER_CLASS_MAX)
    for setting, value in _ROLE_SETTINGS.items():
        await admin.execute(f"ALTER ROLE {name} SET {setting} = '{value}'")
    await admin.execute(f"CREATE DATABASE {building} TEMPLATE {template}")
    await _define(cluster, building, catalog)
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


async def _define(cluster: ClusterAddress, database: str, catalog: ClassCatalog) -> None:
    """Build the class's schema; what depends on OIDs in a session of its own, which has cached
    none. Raises CatalogError."""
    connection = await cluster.connect(database)
    try:
        rows = await connection.fetch("SELECT name FROM pg_available_extensions()")
        steps = definition(catalog, {row["name"] for row in rows})
    finally:
        await connection.close()
    for step in filter(None, (steps.types, steps.objects, steps.dependents)):
        connection = await cluster.connect(database)
        try:
            async with connection.transaction():
                await _execute_all(connection, step)
                await _restrict_extensions(connection)
            await _renumber(connection)
        finally:
            await connection.close()


async def _execute_all(connection: asyncpg.Connection, statements: Sequence[str]) -> None:
    script = ["SET LOCAL search_path TO pg_catalog", *statements]
    try:
        await connection.execute(";\n".join(script))
    except asyncpg.PostgresError as error:
        raise CatalogError(f"the catalog of a class cannot be built: {error}") from error


async def _renumber(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute(_script("renumber.sql"))


def _script(name: str) -> str:
    return resources.files("proxy.catalog").joinpath(name).read_text("utf-8")


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


async def _read_oids(connection: asyncpg.Connection, catalog: ClassCatalog) -> Oids:
    relations = await connection.fetch(
        "SELECT n.nspname, c.relname, c.oid::bigint FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','v','m','f')"
    )
    types = await connection.fetch(
        "SELECT n.nspname, t.typname, t.oid::bigint, t.typarray::bigint, t.typtype::text,"
        " t.typbasetype::bigint FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE n.nspname <> 'pg_catalog' AND t.typcategory <> 'A'"
    )
    return Oids(
        relations={(r[0], r[1]): r[2] for r in relations if (r[0], r[1]) in catalog.relations},
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
