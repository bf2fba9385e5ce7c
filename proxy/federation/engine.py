"""The merge engine: a locked-down Postgres of the gate's own that joins what sources have sent.

Each set of types has a database there, without any relation: tables are temporary, belong to one
connection, and end with it. Its role may read and may make temporary tables, in that database
alone. It holds visible rows and masked values only, for as long as a statement runs, and its
cluster is disposable: when it dies it is started again empty, and a database that is missing is
made once more by whoever needs it.

This file must not know statements, policies or where rows come from.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from proxy.catalog.shadow import RunningCluster
from proxy.catalog.virtual import ClassCatalog
from proxy.faults import SourceFault
from proxy.federation.merge import unavailable
from proxy.federation.merge_database import Design, design_of, drop, ensure
from proxy.runtime.embedded import DEFAULT_MAJOR, Cluster
from proxy.runtime.tasks import spawn
from proxy.sources.pool import Pool, PoolLimits
from proxy.sources.postgres_loading import LoadingConnection, LoadingSource
from proxy.sources.postgres_options import Address, PostgresOptions, TlsMode, TlsOptions
from proxy.sql.split import MERGE

SETTINGS: Final = {
    "superuser_reserved_connections": "5",
    "work_mem": "64MB",
    "temp_buffers": "32MB",
    "max_locks_per_transaction": "256",
}
ADMINISTRATION_CONNECTIONS_MAX: Final = 20
"""Beside those of statements: makers and droppers of databases, of all workers."""

AUTHENTICATION: Final = ("local samerole all trust",)
DATABASES_MAX: Final = 32
"""Sets of types kept, some 8 MB of disk each. Those in use are kept beyond it."""

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


def merge_cluster(
    directory: Path,
    spill_bytes_max: int,
    connections_max: int = 80,
    major: int | None = DEFAULT_MAJOR,
) -> Cluster:
    """The cluster that merge engines need, not yet started.

    `spill_bytes_max`: temporary files of one connection; beyond, its statement ends with 53400.
    `connections_max`: of all engines together. `major` is the shadow's: what that one has described
    must run here.
    """
    kilobytes = str(max(spill_bytes_max // 1024, 1))
    connections = str(connections_max + ADMINISTRATION_CONNECTIONS_MAX)
    return Cluster(
        directory,
        major=major,
        durable=False,
        settings=SETTINGS | {"temp_file_limit": kilobytes, "max_connections": connections},
        authentication=AUTHENTICATION,
    )


@dataclass(slots=True, eq=False)
class _Room:
    """A database and who is in it. `source` None: this process has not used it."""

    source: LoadingSource | None
    guests: int = 0


class _Place:
    """Leave to have one connection. Implements `pool.Poolable`."""

    is_usable = True

    def abort(self) -> None:
        """There is nothing to close."""


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
        databases_max: int = DATABASES_MAX,
    ) -> None:
        self._cluster = cluster
        self._database_name = database_name
        self._statement_ms_max = statement_ms_max
        self._databases_max = databases_max
        self._limits = PoolLimits(connections_max=connections_max)
        self._places = Pool(_new_place, self._limits, time.monotonic)
        self._stage_places = Pool(_new_place, self._limits, time.monotonic)
        self._rooms: OrderedDict[str, _Room] = OrderedDict()
        """By database, the least recently used first."""
        self._making = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<MergeEngine {len(self._rooms)} databases>"

    async def close(self) -> None:
        """End every connection."""
        self._places.close()
        self._stage_places.close()
        for room in self._rooms.values():
            if room.source is not None:
                await room.source.close()
        self._rooms.clear()

    async def open(
        self,
        catalog: ClassCatalog,
        sources: Collection[str],
        pins: Mapping[str, str],
        principal: Hashable = None,
        *,
        is_stage: bool = False,
    ) -> LoadingConnection:
        """A connection for one statement over `sources`, of `principal`, who sees `catalog`.

        `is_stage`: beside the one that the statement has. These have places of their own, as many,
        and a statement holds one of them at a time, so nobody waits for what a waiter holds.

        Raises UnsupportedFault when the sources' types cannot stand in one database, SourceFault
        57P03 while the cluster is away, LimitFault 53300.
        """
        design = design_of(catalog, sources)
        places = self._stage_places if is_stage else self._places
        place = await places.acquire(principal)
        try:
            try:
                return await self._entered(design, pins, lambda: places.put_back(place))
            except SourceFault:
                # Whoever died or dropped the database: it is made once more.
                return await self._entered(design, pins, lambda: places.put_back(place))
        except BaseException as error:
            places.put_back(place)
            if isinstance(error, (SourceFault, *_LOST)):
                raise unavailable(error) from error
            raise

    async def _entered(
        self, design: Design, pins: Mapping[str, str], give_back: Callable[[], None]
    ) -> LoadingConnection:
        room = await self._room(design)
        assert room.source is not None, "it was just made, or used before"
        room.guests += 1

        def leave() -> None:
            room.guests -= 1
            give_back()

        try:
            return await room.source.acquire(pins, then=leave)
        except BaseException as error:
            room.guests -= 1
            if isinstance(error, SourceFault) and self._rooms.get(design.name) is room:
                del self._rooms[design.name]
            raise

    async def _room(self, design: Design) -> _Room:
        name = design.name
        found = self._rooms.get(name)
        if found is None or found.source is None:
            async with self._making:
                found = self._rooms.get(name)
                if found is None or found.source is None:
                    names = await ensure(self._cluster, design, self._database_name)
                    found = self._rooms[name] = _Room(LoadingSource(self._options(name)))
                    self._make_room(names, found)
        self._rooms.move_to_end(name)
        return found

    def _make_room(self, names: Collection[str], wanted: _Room) -> None:
        """Drop what is too many of the databases `names`, those of others and of the past first."""
        for name in names:
            if name not in self._rooms:
                self._rooms[name] = _Room(None)
                self._rooms.move_to_end(name, last=False)
        for name, room in tuple(self._rooms.items()):
            if len(self._rooms) <= self._databases_max:
                break
            if room is not wanted and not room.guests:
                del self._rooms[name]
                # Nobody waits for it: with somebody of another process inside it takes seconds.
                spawn(self._drop(name), name=f"drop {name}")

    async def _drop(self, name: str) -> None:
        with suppress(*_LOST):  # tried again when another one is made
            await drop(self._cluster, name)

    def _options(self, name: str) -> PostgresOptions:
        path = self._cluster.socket_path
        return PostgresOptions(
            name=MERGE,
            # `.s.PGSQL.<port>` (PostgreSQL documentation, unix_socket_directories)
            addresses=(Address(str(path.parent), int(path.suffix[1:])),),
            database=name,
            user=name,
            tls=TlsOptions(TlsMode.DISABLE),
            pool=self._limits,
            statement_timeout_ms=self._statement_ms_max,
        )


async def _new_place() -> _Place:
    return _Place()
