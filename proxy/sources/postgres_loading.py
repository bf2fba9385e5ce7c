"""A connection that rows can be loaded into: the merge engine's, a Postgres of the gate's own.

It must not know where the rows come from, nor policy. Every connection is used for one statement of
one principal and then closed, never lent again: what was loaded ends with it (I12).

Theory of operation. Rows arrive as DataRow frames in binary format. A tuple of binary COPY is a
DataRow's body, byte for byte (PostgreSQL documentation, 55.7 DataRow and COPY "Binary Format"):
loading takes the frames' headers off and decodes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Hashable, Mapping, Sequence
from typing import Final

from proxy.faults import LimitFault, SourceFault
from proxy.sources.condition import edit_error
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_backend import PostgresBackend
from proxy.sources.postgres_command import Command, quoted_identifier
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_pins import checked_pins
from proxy.wire.backend import CommandComplete, CopyInResponse, ErrorResponse
from proxy.wire.batch import CsvBatch, RowBatch
from proxy.wire.buffer import HEADER
from proxy.wire.frontend import CopyData, CopyDone, Query

COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"
ANALYZED_ROWS_MIN: Final = 1_000  # below that the planner's guesses cost less than statistics

_OPEN: Final = Command("BEGIN READ WRITE", ("BEGIN",))
_CLOSE: Final = Command("COMMIT", ("COMMIT",))


class LoadingConnection(PostgresConnection):
    """A `PostgresConnection` with `load`; `release` closes it."""

    async def load(
        self,
        table: str,
        columns: Sequence[tuple[str, str]],
        batches: AsyncIterable[RowBatch | CsvBatch],
        *,
        bytes_max: int,
        is_csv: bool = False,
    ) -> tuple[int, int]:
        """Make the temporary table `table` of `columns` (name, type) and fill it.

        `batches` are rows in binary format, or all of them CSV. Returns rows and bytes. Raises
        LimitFault 54000 beyond `bytes_max`, SourceFault, and what `batches` raises; the connection
        is of no use then.
        """
        await self._come_to_rest()
        name = quoted_identifier(table)
        types = ", ".join(f"{quoted_identifier(column)} {kind}" for column, kind in columns)
        await self._conversation.command(_OPEN)
        create = f"CREATE TEMPORARY TABLE {name} ({types})"
        await self._conversation.command(Command(create, ("CREATE TABLE",)))
        rows, size = await self._copy_in(name, batches, bytes_max, is_csv=is_csv)
        if rows >= ANALYZED_ROWS_MIN:
            await self._conversation.command(Command(f"ANALYZE pg_temp.{name}", ("ANALYZE",)))
        await self._conversation.command(_CLOSE)
        return rows, size

    async def keys(self, table: str, column: str, count_max: int) -> bytes | None:
        """The distinct values of a loaded column, as the text of an array; None if there are more
        than `count_max`. Raises SourceFault."""
        name, key = quoted_identifier(table), quoted_identifier(column)
        await self._come_to_rest()
        rows = await self._backend.query(
            "SELECT pg_catalog.count(*), pg_catalog.array_agg(k.k)::pg_catalog.text FROM (SELECT"
            f" DISTINCT {key} AS k FROM pg_temp.{name} WHERE {key} IS NOT NULL"
            f" LIMIT {count_max + 1}) k",
            (),
            (),
        )
        [(count, array)] = rows
        if int(count or b"0") > count_max:
            return None
        return array or b"{}"

    async def _copy_in(
        self,
        name: str,
        batches: AsyncIterable[RowBatch | CsvBatch],
        bytes_max: int,
        *,
        is_csv: bool,
    ) -> tuple[int, int]:
        conversation = self._conversation
        text = f"COPY pg_temp.{name} FROM STDIN (FORMAT {'csv' if is_csv else 'binary'})"
        conversation.send(Query(text).encode())
        await conversation.absorb_leads()
        answer = await conversation.read()
        if isinstance(answer, ErrorResponse):
            raise edit_error(answer.fields)
        if not isinstance(answer, CopyInResponse):
            raise conversation.anomaly(type(answer).__name__)
        rows = size = 0
        if not is_csv:
            conversation.channel.write(CopyData(COPY_HEADER).encode())
        async for batch in batches:
            rows += batch.count
            size += len(batch.data)
            if size > bytes_max:
                raise LimitFault(
                    "statement needs more data of its sources than may be merged",
                    sqlstate="54000",
                    detail=f"The limit is {bytes_max} bytes for one table.",
                    hint="Narrow each table by a condition of its own.",
                )
            data = batch.data if isinstance(batch, CsvBatch) else tuples(batch.data)
            conversation.channel.write(CopyData(data).encode())
            await conversation.drain()
        trailer = b"" if is_csv else CopyData(COPY_TRAILER).encode()
        conversation.channel.write(trailer + CopyDone().encode())
        await self._copied(rows)
        return rows, size

    async def _copied(self, rows: int) -> None:
        """Read the end of the COPY and demand that every row arrived."""
        conversation = self._conversation
        tag, error = "", None
        while True:
            message = await conversation.read()
            if conversation.take_ready(message):
                break
            if isinstance(message, CommandComplete):
                tag = message.tag
            elif isinstance(message, ErrorResponse):
                error = message
            else:
                raise conversation.anomaly(type(message).__name__)
        if error is not None:
            raise edit_error(error.fields)
        if tag != f"COPY {rows}":
            raise SourceFault("rows were lost on their way to the merge engine", sqlstate="XX000")

    @property
    def is_lost(self) -> bool:
        """Whether the engine's end of it has gone away."""
        return not self._backend.conversation.channel.is_open

    async def release(self) -> None:
        if self._is_released:
            return
        self._is_released = True
        self._portals.clear()
        backend = self._backend
        if backend.conversation.is_owed and backend.conversation.channel.is_open:
            # Closing alone would let the server work on in vain.
            await backend.cancel()
        self._on_release(backend, False)


class LoadingSource(PostgresSource):
    """A `PostgresSource` that lends connections for loading, each of them once."""

    async def acquire(
        self,
        pins: Mapping[str, str],
        *,
        principal: Hashable = None,
        then: Callable[[], None] | None = None,
    ) -> LoadingConnection:
        """A connection of its own for one statement; see base.Source. `then` is called once it was
        released."""
        checked = checked_pins(pins, self._options)
        backend = await self._pool.acquire(principal)

        def released(returned: PostgresBackend, is_clean: bool) -> None:
            self._take_back(returned, is_clean)
            if then is not None:
                then()

        return LoadingConnection(backend, checked, released)


def tuples(frames: bytes) -> bytes:
    """The tuples of binary COPY that these whole DataRow frames hold."""
    bodies = []
    position, end = 0, len(frames)
    while position < end:
        _, length = HEADER.unpack_from(frames, position)
        following = position + 1 + length
        bodies.append(frames[position + HEADER.size : following])
        position = following
    return b"".join(bodies)
