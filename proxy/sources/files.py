"""The source of files: readers in a pool, the tables they found, and connections that lend one.

It must not know policy, Postgres' protocol or SQL beyond a fragment's own plan (`FilePlan`).

Theory of operation. A reader is a process (`files_process.py`) that one statement has at a time; it
keeps nothing of a statement but which files it has looked at. There are no transactions in a
folder: each query reads its files as they are, whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from policies.claims import ClaimValue
from proxy.faults import Fault, SourceFault, UnsupportedFault
from proxy.files.frames import FileTable
from proxy.sources.base import Arguments, CopyStream, RowStream, SourceState
from proxy.sources.files_process import Reader, ReaderOptions
from proxy.sources.files_values import BoundValue, NotBindable, bound_values
from proxy.sources.pool import Pool, PoolFigures, PoolLimits
from proxy.wire.backend import RowDescription
from proxy.wire.batch import CsvBatch

if TYPE_CHECKING:
    # Types only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import FileQuery, Fragment

_IDLE: Final = b"I"
_BEGUN: Final = b"T"


class FilesSource:
    """Implements base.Source for one folder. Nothing is started before it is needed."""

    def __init__(self, options: ReaderOptions, schema: str, pool: PoolLimits) -> None:
        self._options = options
        self.schema = schema
        self._state = SourceState.NEW
        self._down_reason: str | None = None
        self._tables: dict[str, FileTable] = {}
        self._readers: set[Reader] = set()
        self._pool: Pool[Reader] = Pool(self._new_reader, pool, _now)

    def __repr__(self) -> str:
        return f"<FilesSource {self.name!r} {self._state.value} {self._pool!r}>"

    @property
    def name(self) -> str:
        return self._options.name

    @property
    def state(self) -> SourceState:
        return self._state

    @property
    def down_reason(self) -> str | None:
        return self._down_reason

    @property
    def is_unfit(self) -> bool:
        """Never: a folder has no version."""
        return False

    @property
    def is_contended(self) -> bool:
        """True while somebody waits for a reader."""
        return self._pool.waiting > 0

    @property
    def pool_figures(self) -> PoolFigures:
        """How its readers are used now."""
        return self._pool.figures

    async def start(self) -> None:
        """Look whether the folder can be read. Does not raise: the state says so."""
        try:
            await self.tables()
        except Fault:
            return

    async def close(self) -> None:
        """End every reader."""
        self._state = SourceState.CLOSED
        self._pool.close()
        # A loop that ended first would leave processes and pipes behind.
        await asyncio.gather(*(reader.ended() for reader in self._readers))

    async def _new_reader(self) -> Reader:
        reader = await Reader.start(self._options)
        self._readers = {one for one in self._readers if one.is_running} | {reader}
        return reader

    async def tables(self) -> list[FileTable]:
        """What the folder holds now; from here on that is what its files must look like.

        Raises SourceFault, LimitFault.
        """
        try:
            reader = await self._pool.acquire()
            try:
                found = await reader.tables()
            finally:
                self.take_back(reader)
        except Fault as fault:
            self._enter(SourceState.DOWN, str(fault.__cause__ or fault.message))
            raise
        self._tables = {one.name: one for one in found}
        self._enter(SourceState.UP, None)
        return found

    def table(self, name: str) -> FileTable:
        """The table of that name. Raises SourceFault 58P01."""
        found = self._tables.get(name)
        if found is None or found.failure is not None:
            raise SourceFault(
                f'source "{self.name}", table {self.schema}.{name}: there is no file of it',
                sqlstate="58P01",
            )
        return found

    async def acquire(
        self, pins: Mapping[str, str], *, principal: Hashable = None
    ) -> FilesConnection:
        """A connection; see base.Source. Settings mean nothing to files."""
        if self._state is SourceState.CLOSED:
            raise SourceFault("the source is closed", sqlstate="08003")
        return FilesConnection(self, principal)

    async def reader(self, principal: Hashable) -> Reader:
        """A reader for one query. Raises LimitFault 53300, SourceFault 08006."""
        return await self._pool.acquire(principal)

    def take_back(self, reader: Reader) -> None:
        """The query is over: a reader that stands between requests serves again."""
        if reader.is_usable:
            self._pool.put_back(reader)
        else:
            self._pool.drop(reader)

    def _enter(self, state: SourceState, reason: str | None) -> None:
        if self._state is not SourceState.CLOSED:
            self._state, self._down_reason = state, reason


class CsvStream:
    """Rows of a query over files, as CSV for COPY; close it unless it was read to its end."""

    def __init__(
        self,
        reader: Reader,
        rows: AsyncGenerator[tuple[int, bytes], None],
        then: Callable[[Reader], None],
    ) -> None:
        self._reader = reader
        self._rows = rows
        self._then = then
        self._is_over = False

    def __aiter__(self) -> AsyncIterator[CsvBatch]:
        return self

    async def __anext__(self) -> CsvBatch:
        try:
            count, data = await anext(self._rows)
        except BaseException:
            self._end()
            raise
        return CsvBatch(count, data)

    async def aclose(self) -> None:
        """Give up the rest. Never raises."""
        if not self._is_over:
            self._reader.abort()
            self._end()
            await self._rows.aclose()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._then(self._reader)


class FilesConnection:
    """Implements base.SourceConnection as far as a folder can: `read` is its one question.

    A whole statement never comes here: what remains of it runs in the merge engine.
    """

    def __init__(self, source: FilesSource, principal: Hashable) -> None:
        self._source = source
        self._principal = principal
        self._status = _IDLE
        self._reading: set[Reader] = set()

    @property
    def status(self) -> bytes:
        return self._status

    @property
    def is_usable(self) -> bool:
        return True

    def values(
        self, query: FileQuery, fragment: Fragment, arguments: Arguments
    ) -> list[BoundValue] | None:
        """The values that the query is bound to, or None where one of them may mean something else
        to DuckDB than to Postgres."""
        claims: tuple[ClaimValue, ...] = fragment.claim_values
        try:
            return bound_values(query.slots, arguments, claims)
        except NotBindable:
            return None

    async def read(self, query: FileQuery, values: list[BoundValue]) -> CsvStream:
        """Run a query over files. Raises SourceFault, LimitFault, now or while it is read."""
        tables = [
            {"schema": schema, "table": self._source.table(name).as_json()}
            for schema, name in query.relations
        ]
        reader = await self._source.reader(self._principal)
        self._reading.add(reader)
        named = ", ".join(f"{schema}.{name}" for schema, name in query.relations)
        request: dict[str, object] = {"sql": query.sql, "tables": tables, "values": values}
        return CsvStream(reader, reader.read(request, named), self._take_back)

    def _take_back(self, reader: Reader) -> None:
        # From here on it may be another's: `cancel` must not meet it any more.
        self._reading.discard(reader)
        self._source.take_back(reader)

    def pin(self, pins: Mapping[str, str]) -> None:
        """See base.SourceConnection."""

    async def begin(self, isolation: str | None = None, deferrable: bool = False) -> None:
        self._status = _BEGUN

    async def commit(self) -> None:
        self._status = _IDLE

    async def rollback(self) -> None:
        self._status = _IDLE

    async def savepoint(self, name: str) -> None:
        """See base.SourceConnection."""

    async def rollback_to(self, name: str) -> None:
        """See base.SourceConnection."""

    async def release_savepoint(self, name: str) -> None:
        """See base.SourceConnection."""

    async def execute(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...] = (),
        *,
        row_max: int = 0,
        portal: str = "",
        is_text_about_visible_data: bool = False,
    ) -> RowStream:
        _whole()

    async def open_portal(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...] = (),
        *,
        portal: str,
        is_text_about_visible_data: bool = False,
    ) -> RowDescription | None:
        _whole()

    async def resume(self, portal: str, row_max: int = 0) -> RowStream:
        _whole()

    async def close_portal(self, portal: str) -> None:
        """See base.SourceConnection: there is none."""

    async def sync(self) -> None:
        """See base.SourceConnection."""

    async def copy_out(self, fragment: Fragment) -> CopyStream:
        _whole()

    async def cancel(self) -> None:
        """End what is being read."""
        for reader in tuple(self._reading):
            reader.abort()

    async def release(self) -> None:
        """See base.SourceConnection."""
        self._status = _IDLE


def _whole() -> NoReturn:
    raise UnsupportedFault("a source of files is asked for parts of statements only")


def _now() -> float:
    return asyncio.get_running_loop().time()
