"""Fetch the parts of a statement over several sources and load them for the merge engine.

Each source is asked on the session's own connection to it, so the client's transaction holds there.
Sources work at the same time; parts of one source come one after the other, in one snapshot: of
the client's transaction, or of a transaction of ours around them.

This file must not know policies or SQL text. INVARIANT I1: a source gets fragments and nothing
else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from proxy.catalog.virtual import ClassCatalog
from proxy.decision import Load, Runnable
from proxy.faults import Fault, InternalFault, SourceFault, UnsupportedFault
from proxy.federation.staging import FileConnection, FileLoad, demand_types
from proxy.sources.base import (
    BINARY_FORMAT,
    TEXT_FORMAT,
    Arguments,
    SourceConnection,
)
from proxy.sources.postgres_loading import LoadingConnection
from proxy.sql.plan import Fragment
from proxy.workspace import Workspace


class Engine(Protocol):
    """What merges; see `engine.MergeEngine`."""

    async def open(
        self,
        catalog: ClassCatalog,
        sources: Collection[str],
        pins: Mapping[str, str],
        principal: Hashable = None,
        *,
        is_stage: bool = False,
    ) -> LoadingConnection:
        """A connection for one statement over `sources`, or one beside it for a part over files."""
        ...


@dataclass(frozen=True, slots=True)
class Merger:
    """`engine` None: this gate has one source. `table_bytes_max`: what one part may bring.
    `keys_max`: how many keys of one part may narrow another."""

    engine: Engine | None
    table_bytes_max: int = 0
    keys_max: int = 0

    async def load(
        self, workspace: Workspace, runnable: Runnable, arguments: Arguments
    ) -> LoadingConnection:
        """A connection to the merge engine that holds every part of `runnable`.

        Raises SourceFault (57P03 for an engine that is away), LimitFault, UnsupportedFault; nothing
        is held then.
        """
        if self.engine is None or runnable.catalog is None:
            raise UnsupportedFault("a statement over several sources is not supported")
        engine, catalog = self.engine, runnable.catalog
        by_source: dict[str, list[Load]] = {}
        for load in runnable.loads:
            by_source.setdefault(load.fragment.source, []).append(load)

        async def opened(*, is_stage: bool = False) -> LoadingConnection:
            return await engine.open(
                catalog,
                by_source.keys(),
                workspace.session.settings.pins(),
                workspace.upstream.principal,
                is_stage=is_stage,
            )

        target = await opened()
        try:
            work = _Work(workspace, target, arguments, self, partial(opened, is_stage=True))
            work.loaded = {load.table: asyncio.Event() for load in runnable.loads}
            async with asyncio.TaskGroup() as group:
                for source, loads in by_source.items():
                    group.create_task(work.run(source, loads))
        except* Fault as faults:
            first = _first(faults)
            if target.is_lost and isinstance(first, SourceFault):
                first = unavailable(first)
            await target.release()
            raise first from first.__cause__
        except* BaseException:
            await target.release()
            raise
        return target


def unavailable(lost: Exception) -> SourceFault:
    """What a client is told while the engine is away, or when it dies meanwhile; the rest is for
    auditors."""
    fault = SourceFault("statements over several sources cannot be run now", sqlstate="57P03")
    fault.__cause__ = lost
    return fault


def _first(faults: BaseExceptionGroup[Fault]) -> Fault:
    """The fault that ended the others."""
    found = faults.exceptions[0]
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, Fault):
        raise InternalFault("a group of faults holds something else")
    return found


@dataclass(slots=True)
class _Work:
    """One statement's loading. `loaded` tells of each table when it is there.

    Nobody waits for ever: a part waits for one that stands before it, in its own source's turn too.
    """

    workspace: Workspace
    target: LoadingConnection
    arguments: Arguments
    merger: Merger
    open_stage: Callable[[], Awaitable[LoadingConnection]]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    loaded: dict[str, asyncio.Event] = field(default_factory=dict)

    async def run(self, source: str, loads: list[Load]) -> None:
        """One source's share, part after part."""
        upstream = self.workspace.upstream
        connection = await upstream.take(source)
        with upstream.running(connection):
            # Two statements outside a transaction would see two states of the source.
            is_ours = len(loads) > 1 and connection.status == b"I"
            if is_ours:
                await connection.begin("REPEATABLE READ")
            for load in loads:
                await self._load(connection, load)
            if is_ours:
                await connection.commit()

    async def _load(self, connection: SourceConnection, load: Load) -> None:
        fragment, arguments = await self._question(load)
        if isinstance(connection, FileConnection):
            # One at a time is written to the engine; files are read as fast as that goes.
            async with self.turn:
                files = FileLoad(connection, self.open_stage, self.merger.table_bytes_max)
                await files.into(self.target, load, fragment, arguments)
            self.loaded[load.table].set()
            return
        stream = await connection.execute(fragment, arguments, (BINARY_FORMAT,))
        try:
            demand_types(load, stream)
            # The sources compute at the same time; one at a time is written to the engine.
            async with self.turn:
                await self.target.load(
                    load.table,
                    [(column.name, column.type_name) for column in load.columns],
                    stream,
                    bytes_max=self.merger.table_bytes_max,
                )
        finally:
            await stream.aclose()
        self.loaded[load.table].set()

    async def _question(self, load: Load) -> tuple[Fragment, Arguments]:
        """What to ask: for the rows with the keys of another part, if these are few."""
        if load.keys is None or load.narrowed is None:
            return load.fragment, self.arguments
        await self.loaded[load.keys.table].wait()
        async with self.turn:
            keys = await self.target.keys(load.keys.table, load.keys.column, self.merger.keys_max)
        if keys is None:
            return load.fragment, self.arguments
        formats = self.arguments.format_of_each()
        return load.narrowed, Arguments((*self.arguments.values, keys), (*formats, TEXT_FORMAT))
