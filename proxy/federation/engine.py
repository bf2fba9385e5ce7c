"""The merge engine: a locked-down Postgres of the gate's own that joins what sources have sent.

Each set of types has a database there, without any relation: tables are temporary, belong to one
connection, and end with it. Its role may read and may make temporary tables, in that database
alone. It holds visible rows and masked values only, for as long as a statement runs, and its
cluster is disposable.

This file must not know statements, policies or where rows come from.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from proxy.catalog.class_database import database_exists, lock_down
from proxy.catalog.definition import quote_identifier, quote_literal, type_definition
from proxy.catalog.shadow import RunningCluster
from proxy.catalog.virtual import CatalogError, ClassCatalog, TextRules
from proxy.faults import UnsupportedFault
from proxy.runtime.embedded import Cluster
from proxy.sources.pool import PoolLimits
from proxy.sources.postgres_loading import LoadingConnection, LoadingSource
from proxy.sources.postgres_options import Address, PostgresOptions, TlsMode, TlsOptions
from proxy.sql.exact import common_rules
from proxy.sql.split import MERGE

SETTINGS: Final = {
    "max_connections": "100",
    "superuser_reserved_connections": "5",
    "work_mem": "64MB",
    "temp_buffers": "32MB",
    "max_locks_per_transaction": "256",
}
AUTHENTICATION: Final = ("local samerole all trust",)
DATABASE_PREFIX: Final = "m_"
DATABASES_MAX: Final = 32  # sets of types in use at once; a reload makes a new one now and then


def merge_cluster(directory: Path, spill_bytes_max: int) -> Cluster:
    """The cluster that a merge engine needs, not yet started.

    `spill_bytes_max`: temporary files of one connection; beyond, its statement ends with 53400.
    """
    kilobytes = str(max(spill_bytes_max // 1024, 1))
    return Cluster(
        directory,
        durable=False,
        settings=SETTINGS | {"temp_file_limit": kilobytes},
        authentication=AUTHENTICATION,
    )


class MergeEngine:
    """Args: `cluster` from `merge_cluster`, running; `database_name` is what clients see as the
    current database; `statement_ms_max` and `connections_max` hold for this process.
    """

    def __init__(
        self,
        cluster: RunningCluster,
        database_name: str,
        *,
        statement_ms_max: int,
        connections_max: int,
    ) -> None:
        self._cluster = cluster
        self._database_name = database_name
        self._statement_ms_max = statement_ms_max
        self._connections_max = connections_max
        self._sources: dict[str, LoadingSource] = {}
        self._making = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<MergeEngine {len(self._sources)} databases>"

    async def close(self) -> None:
        """End every connection."""
        for source in self._sources.values():
            await source.close()
        self._sources.clear()

    async def open(
        self,
        catalog: ClassCatalog,
        sources: Collection[str],
        pins: Mapping[str, str],
        principal: Hashable = None,
    ) -> LoadingConnection:
        """A connection for one statement over `sources`, of `principal`, who sees `catalog`.

        Raises UnsupportedFault when the sources' types cannot stand in one database, SourceFault,
        LimitFault 53300.
        """
        design = _Design(
            tuple(_type_statements(catalog)),
            # Where they differ the statement does not depend on it (`proxy/sql/exact.py`).
            common_rules(catalog.text_rules[source] for source in sources) or TextRules(),
        )
        async with self._making:
            source = self._sources.get(design.name)
            if source is None:
                source = await self._made(design)
        return await source.acquire(pins, principal=principal)

    async def _made(self, design: _Design) -> LoadingSource:
        await self._ensure(design)
        name = design.name
        source = LoadingSource(self._options(name))
        await source.start()
        while len(self._sources) >= DATABASES_MAX:
            oldest = next(iter(self._sources))
            await self._sources.pop(oldest).close()
        self._sources[name] = source
        return source

    async def _ensure(self, design: _Design) -> None:
        """Make the database and its role unless another process of the gate has."""
        name = design.name
        admin = await self._cluster.connect()
        try:
            await admin.execute("SELECT pg_advisory_lock(hashtext($1))", name)
            if not await database_exists(admin, name):
                await self._build(admin, design)
        finally:
            await admin.close()

    async def _build(self, admin: asyncpg.Connection, design: _Design) -> None:
        name = design.name
        building = f"new_{name}"
        await admin.execute(f"DROP DATABASE IF EXISTS {building}")
        await admin.execute(f"DROP ROLE IF EXISTS {name}")
        await admin.execute(
            f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION"
            " NOBYPASSRLS"
        )
        locale = (
            f"LC_COLLATE {quote_literal(design.rules.collate)}"
            f" LC_CTYPE {quote_literal(design.rules.ctype)}"
        )
        try:
            await admin.execute(f"CREATE DATABASE {building} TEMPLATE template0 {locale}")
        except asyncpg.WrongObjectTypeError as error:
            raise UnsupportedFault(
                "the machine of this gate lacks the locale of the statement's sources",
                detail=f"Locale {design.rules.collate}.",
            ) from error
        await lock_down(self._cluster, building, self._database_name)
        connection = await self._cluster.connect(building)
        try:
            if design.statements:
                await connection.execute(";\n".join(design.statements))
        finally:
            await connection.close()
        await admin.execute(f"REVOKE ALL ON DATABASE {building} FROM PUBLIC")
        await admin.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {building} TO {name}")
        await admin.execute(f"ALTER DATABASE {building} RENAME TO {quote_identifier(name)}")

    def _options(self, name: str) -> PostgresOptions:
        path = self._cluster.socket_path
        return PostgresOptions(
            name=MERGE,
            # `.s.PGSQL.<port>` (PostgreSQL documentation, unix_socket_directories)
            addresses=(Address(str(path.parent), int(path.suffix[1:])),),
            database=name,
            user=name,
            tls=TlsOptions(TlsMode.DISABLE),
            pool=PoolLimits(connections_max=self._connections_max),
            statement_timeout_ms=self._statement_ms_max,
        )


@dataclass(frozen=True, slots=True)
class _Design:
    """What a database of the engine must have: types, and rules of texts."""

    statements: tuple[str, ...]
    rules: TextRules

    @property
    def name(self) -> str:
        text = "\0".join([repr(self.rules), *self.statements])
        return DATABASE_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:24]


def _type_statements(catalog: ClassCatalog) -> list[str]:
    try:
        return type_definition(catalog)
    except CatalogError as error:
        raise UnsupportedFault(
            "the sources of this statement define a type differently", detail=str(error)
        ) from error
