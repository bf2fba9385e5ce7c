"""Data of one COPY TO STDOUT, as it comes from the server: whole frames, never decoded.

It must not know how the COPY was sent. Limits are counted here, frame by frame.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from proxy.faults import Fault
from proxy.sources.condition import edit_error
from proxy.sources.postgres_conversation import IN_TRANSACTION, Conversation
from proxy.sources.postgres_portal import whole_frames
from proxy.sources.postgres_stream import DISCARD_BYTES_MAX, Ending
from proxy.wire.backend import CommandComplete, CopyDone, CopyOutResponse, ErrorResponse
from proxy.wire.batch import CopyBatch


class PostgresCopyStream:
    """Data of a COPY TO STDOUT. Rows are counted as CopyData messages: the server sends one for
    each row, and a CSV header line or the binary trailer count as one too, so a row limit errs on
    the strict side.
    """

    def __init__(
        self,
        conversation: Conversation,
        header: CopyOutResponse,
        ending: Ending,
        *,
        row_limit: int | None,
        byte_limit: int | None,
    ) -> None:
        self.header = header
        self.command_tag: str | None = None
        self.truncated = False
        self.row_count = 0
        self.byte_count = 0
        self.is_done = False
        self._conversation = conversation
        self._ending = ending
        self._row_limit = row_limit
        self._byte_limit = byte_limit

    def __repr__(self) -> str:
        state = "done" if self.is_done else "open"
        return f"<PostgresCopyStream {state} rows={self.row_count} bytes={self.byte_count}>"

    def __aiter__(self) -> AsyncIterator[CopyBatch]:
        return self

    async def __anext__(self) -> CopyBatch:
        while not self.is_done:
            match await self._conversation.read():
                case CopyBatch() as batch:
                    batch = self._admit(batch)
                    if self.truncated:
                        await self._discard()
                    if batch.count:
                        return batch
                case CopyDone():
                    await self._finish()
                case ErrorResponse() as error:
                    await self._fail()
                    raise edit_error(error.fields)
                case message:
                    raise self._conversation.anomaly(type(message).__name__)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up the rest: cancel it if it is long. Never raises: `is_usable` tells."""
        if not self.is_done and self._conversation.channel.is_open:
            # What fails here has no reader any more: the connection is broken off, and says so.
            with suppress(Fault):
                await self._discard()
        self.is_done = True

    def _admit(self, batch: CopyBatch) -> CopyBatch:
        rows_left = batch.count if self._row_limit is None else self._row_limit - self.row_count
        bytes_left = len(batch.data)
        if self._byte_limit is not None:
            bytes_left = self._byte_limit - self.byte_count
        if rows_left < batch.count or bytes_left < len(batch.data):
            self.truncated = True
            count, end = whole_frames(batch.data, min(rows_left, batch.count), bytes_left)
            batch = CopyBatch(count, batch.data[:end])
        self.row_count += batch.count
        self.byte_count += len(batch.data)
        return batch

    async def _finish(self) -> None:
        message = await self._conversation.read()
        if isinstance(message, ErrorResponse):
            await self._fail()
            raise edit_error(message.fields)
        if not isinstance(message, CommandComplete):
            raise self._conversation.anomaly(type(message).__name__)
        tag = f"COPY {self.row_count}" if self.truncated else message.tag
        ready = await self._conversation.read()
        if not self._conversation.take_ready(ready):
            raise self._conversation.anomaly(type(ready).__name__)
        self.is_done = True
        self.command_tag = tag
        await self._ending.when_done()

    async def _fail(self) -> None:
        self.is_done = True
        await self._conversation.settle(is_synced=True)
        await self._ending.when_failed()

    async def _discard(self) -> None:
        skipped = 0
        # Inside a transaction a cancel would fail it: there the rest is read, as long as the
        # statement may run.
        may_cancel = self._conversation.status != IN_TRANSACTION
        while not self.is_done:
            match await self._conversation.read():
                case CopyBatch(_, data):
                    skipped += len(data)
                    if may_cancel and skipped > DISCARD_BYTES_MAX:
                        may_cancel = False
                        await self._ending.cancel()
                case CopyDone():
                    await self._finish()
                case ErrorResponse():
                    self.command_tag = f"COPY {self.row_count}"
                    await self._fail()
                case message:
                    raise self._conversation.anomaly(type(message).__name__)
