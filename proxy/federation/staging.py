"""A part over files: read it, and load it for the merge engine.

Where DuckDB can run the whole part, its rows go to the merge engine at once. Where it cannot, what
it can leave out is left out, and the rest is loaded into a stage: a Postgres connection of its own,
for this part alone, where the guarded part runs before anything else of the statement sees a row.

This file must not know policies, formats or processes. INVARIANT I1: a source gets fragments.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from proxy.decision import Load
from proxy.faults import Fault, InternalFault, LimitFault, SourceFault
from proxy.sources.base import BINARY_FORMAT, Arguments, RowStream
from proxy.sources.postgres_loading import LoadingConnection
from proxy.sql.plan import FileQuery, Fragment, staged_fragment
from proxy.wire.batch import CsvBatch, RowBatch

EMPTY_ROW = b"D\x00\x00\x00\x06\x00\x00"
"""A DataRow frame without columns."""


class FileStream(Protocol):
    """Rows as CSV; see `proxy/sources/files.py`."""

    def __aiter__(self) -> AsyncIterator[CsvBatch]: ...
    async def aclose(self) -> None: ...


@runtime_checkable
class FileConnection(Protocol):
    """A connection that is asked for files."""

    def values(
        self, query: FileQuery, fragment: Fragment, arguments: Arguments
    ) -> list[tuple[str, object]] | None:
        """What binds the query, None where DuckDB might read a value otherwise."""
        ...

    async def read(self, query: FileQuery, values: list[tuple[str, object]]) -> FileStream:
        """Run the query. Raises SourceFault, LimitFault, now or while it is read."""
        ...


@dataclass(frozen=True, slots=True)
class FileLoad:
    """One part of a statement over files. `open_stage` gives a connection of its own."""

    connection: FileConnection
    open_stage: Callable[[], Awaitable[LoadingConnection]]
    bytes_max: int

    async def into(
        self, target: LoadingConnection, load: Load, fragment: Fragment, arguments: Arguments
    ) -> None:
        """Load the part into its table of `target`. Raises SourceFault, LimitFault."""
        plan = fragment.files
        assert plan is not None, "a source of files gets plans"
        columns = tuple((column.name, column.type_name) for column in load.columns)
        values = None
        if plan.direct is not None:
            values = self.connection.values(plan.direct, fragment, arguments)
        if plan.direct is not None and values is not None:
            await self._copy(plan.direct, values, target, load.table, columns)
            return
        stage = await self.open_stage()
        try:
            for scan in plan.scans:
                await self._scan(scan.query, stage, scan.table, fragment, arguments)
            staged = staged_fragment(fragment)
            stream = await stage.execute(staged, arguments, (BINARY_FORMAT,))
            try:
                demand_types(load, stream)
                await target.load(load.table, columns, stream, bytes_max=self.bytes_max)
            finally:
                await stream.aclose()
        finally:
            await stage.release()

    async def _scan(
        self,
        query: FileQuery,
        stage: LoadingConnection,
        table: str,
        fragment: Fragment,
        arguments: Arguments,
    ) -> None:
        values = self.connection.values(query, fragment, arguments)
        if values is None:
            query, values = query.whole(), []
        await self._copy(query, values, stage, table, query.columns)

    async def _copy(
        self,
        query: FileQuery,
        values: list[tuple[str, object]],
        target: LoadingConnection,
        table: str,
        columns: tuple[tuple[str, str], ...],
    ) -> None:
        stream = await self.connection.read(query, values)
        subject = ", ".join(f"{schema}.{name}" for schema, name in query.relations)
        try:
            if columns:
                await target.load(table, columns, stream, bytes_max=self.bytes_max, is_csv=True)
            else:
                await target.load(table, columns, _counted(stream), bytes_max=self.bytes_max)
        except LimitFault:
            raise
        except SourceFault as fault:
            raise _of_files(fault, subject) from fault
        finally:
            await stream.aclose()


async def _counted(stream: FileStream) -> AsyncIterator[RowBatch]:
    """Rows without columns: only their number is of use."""
    async for batch in stream:
        yield RowBatch(batch.count, EMPTY_ROW * batch.count)


def _of_files(fault: SourceFault, subject: str) -> Fault:
    """What the loading Postgres said of a value is said of the table that has it."""
    if fault.sqlstate.startswith("22") and not fault.message.startswith("source "):
        return SourceFault(
            f"table {subject}: a value does not fit the type of its column", sqlstate="22000"
        )
    return fault


def demand_types(load: Load, stream: RowStream) -> None:
    """The engine takes values by the types that were expected, so the source must say the same."""
    described = stream.description.fields if stream.description is not None else ()
    for column, found in zip(load.columns, described, strict=True):
        if column.type_oid not in (0, found.type_oid):
            raise InternalFault(
                f"a stage's column has type {found.type_oid}: {column.type_oid} was expected"
            )
