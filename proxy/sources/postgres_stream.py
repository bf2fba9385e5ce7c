"""Rows of one Execute, and data of one COPY, as they come from the server.

It must not know how a statement was prepared. Bytes are handed on as received: whole frames, never
decoded.

Theory of operation. A row stream runs in one of two ways. *Free*: one Execute and one Sync were
sent, everything follows; a limit that cuts the result then cancels the rest, which is harmless
outside a transaction. *Stepped*: the portal is run in portions that end in PortalSuspended, each
asked for with Flush, and Sync comes at the end, unless a suspended portal must live on. Stepping is
how limits are kept inside a transaction, where a cancel would fail it. (Free is the rule, because a
server runs no parallel plan under a row count.)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from proxy.faults import Fault, SourceFault
from proxy.sources.condition import edit_error
from proxy.sources.postgres_conversation import IN_TRANSACTION, SYNC, Conversation
from proxy.sources.postgres_portal import Portal
from proxy.wire.backend import (
    CloseComplete,
    CommandComplete,
    EmptyQueryResponse,
    ErrorResponse,
    PortalSuspended,
    RowDescription,
)
from proxy.wire.batch import RowBatch
from proxy.wire.errors import WireError
from proxy.wire.frontend import PORTAL, Close, Execute, Flush

FLUSH = Flush().encode()
# Rows asked for at once while a limit is counted inside a transaction.
STEP_ROWS = 4_096
# What is read and thrown away before a cancel request is worth its connection.
DISCARD_BYTES_MAX = 256 * 1024
DISCARD_SECONDS_MAX = 10.0


@dataclass(slots=True)
class Ending:
    """What the owner of the conversation adds to a stream.

    `cancel` asks the server to stop. `when_done` runs once after the last message (it may send: the
    COMMIT of a wrapping transaction); `when_failed` gets the edited fault of an ErrorResponse.
    """

    cancel: Callable[[], Awaitable[None]]
    when_done: Callable[[], Awaitable[None]]
    when_failed: Callable[[], Awaitable[None]]


class PostgresRowStream:
    """Args: `row_max` 0 for all; `is_synced` when the Sync has been sent already (free, or one
    step).
    """

    def __init__(
        self,
        conversation: Conversation,
        portal: Portal,
        ending: Ending,
        *,
        row_max: int,
        is_synced: bool,
        unchecked: int = 0,
    ) -> None:
        self._conversation = conversation
        self._portal = portal
        self._ending = ending
        self._row_max = row_max
        self._is_synced = is_synced
        self._was_held = conversation.is_held
        # Messages that were received before the number of columns was known to the channel.
        self._unchecked = unchecked
        self._tag: str | None = None
        self._rows = 0
        self._bytes = 0
        self._is_suspended = False
        self._is_done = False
        if not is_synced:
            conversation.is_held = True

    def __repr__(self) -> str:
        state = "done" if self._is_done else "open"
        return f"<PostgresRowStream {state} rows={self._rows} bytes={self._bytes}>"

    @property
    def description(self) -> RowDescription | None:
        return self._portal.description

    @property
    def command_tag(self) -> str | None:
        return self._tag

    @property
    def suspended(self) -> bool:
        return self._is_suspended

    @property
    def truncated(self) -> bool:
        return self._portal.is_truncated

    @property
    def row_count(self) -> int:
        return self._rows

    @property
    def byte_count(self) -> int:
        return self._bytes

    @property
    def is_done(self) -> bool:
        return self._is_done

    def __aiter__(self) -> AsyncIterator[RowBatch]:
        return self

    async def __anext__(self) -> RowBatch:
        while not self._is_done:
            match await self._conversation.read():
                case RowBatch() as batch:
                    batch = await self._admit(batch)
                    if batch.count:
                        return batch
                case CommandComplete(tag):
                    await self._complete(tag)
                case EmptyQueryResponse():
                    await self._complete(None)
                case PortalSuspended():
                    await self._suspend()
                case ErrorResponse() as error:
                    await self._fail(error)
                case message:
                    raise self._conversation.anomaly(type(message).__name__)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up the rest: cancel it if it is long. Never raises: `is_usable` tells."""
        if not self._is_done and self._conversation.channel.is_open:
            # What fails here has no reader any more: the connection is broken off, and says so.
            with suppress(Fault):
                await self._discard(may_cancel=True)
        self._is_done = True

    async def _admit(self, batch: RowBatch) -> RowBatch:
        if self._unchecked > 0:
            self._unchecked -= 1
            self._check_columns(batch)
        batch = self._portal.admit(batch)
        self._rows += batch.count
        self._bytes += len(batch.data)
        if self._portal.is_truncated:
            # A step is short; a free stream runs outside a transaction, so cancelling fails
            # nothing.
            await self._discard(may_cancel=self._is_synced)
        return batch

    def _check_columns(self, batch: RowBatch) -> None:
        description = self._portal.description
        expected = 0 if description is None else len(description.fields)
        try:
            is_sound = all(len(row) == expected for row in batch.rows())
        except WireError:
            is_sound = False
        if not is_sound:
            raise self._conversation.anomaly("a row of another width")

    async def _complete(self, tag: str | None) -> None:
        self._portal.is_complete = True
        await self._finish(tag)

    async def _suspend(self) -> None:
        rows_left = self._row_max - self._rows
        if self._portal.has_limit and not self._is_synced and (self._row_max == 0 or rows_left > 0):
            step = next_step(self._portal, self._row_max - self._rows if self._row_max else 0)
            self._conversation.channel.write(Execute(self._portal.name, step).encode() + FLUSH)
            return
        if self._row_max == 0:
            raise self._conversation.anomaly("a suspended portal")
        self._is_suspended = True
        await self._finish(None)

    async def _finish(self, tag: str | None) -> None:
        """The server has said all about this Execute: come to ReadyForQuery, if that is due."""
        conversation = self._conversation
        if tag is not None and tag.startswith("SELECT"):
            # Steps and limits make the server's own count one of the last portion only.
            tag = f"SELECT {self._rows}"
        must_hold = self._was_held or (
            self._is_suspended and conversation.status != IN_TRANSACTION and not self._is_synced
        )
        if self._is_synced:
            await self._conversation.read_ready()
        elif must_hold:
            conversation.is_owed = False
        else:
            await self._sync()
        self._is_done = True
        self._tag = tag
        conversation.channel.expect_columns(None)
        await self._ending.when_done()

    async def _sync(self) -> None:
        conversation = self._conversation
        close = b""
        if self._portal.is_truncated:
            close = Close(PORTAL, self._portal.name).encode()
        conversation.channel.write(close + SYNC)
        if close and not isinstance(await conversation.read(), CloseComplete):
            raise conversation.anomaly("a portal that does not close")
        await self._conversation.read_ready()

    async def _fail(self, error: ErrorResponse) -> None:
        self._is_done = True
        self._portal.is_complete = True
        self._conversation.channel.expect_columns(None)
        await self._conversation.settle(is_synced=self._is_synced)
        await self._ending.when_failed()
        raise edit_error(error.fields, is_text_about_visible_data=self._portal.tells_text)

    async def _discard(self, *, may_cancel: bool) -> None:
        """Read on without handing on, to the end of this Execute; cancel it when it is long."""
        skipped = 0
        while not self._is_done:
            message = await self._conversation.read(DISCARD_SECONDS_MAX)
            match message:
                case RowBatch(_, data):
                    skipped += len(data)
                    if may_cancel and skipped > DISCARD_BYTES_MAX:
                        may_cancel = False
                        await self._ending.cancel()
                case CommandComplete() | PortalSuspended() | EmptyQueryResponse():
                    self._portal.is_complete = True
                    await self._finish(f"SELECT {self._rows}")
                case ErrorResponse():
                    await self._give_up()
                case message:
                    raise self._conversation.anomaly(type(message).__name__)

    async def _give_up(self) -> None:
        """The cancelled rest ended in its error, which is ours and nobody's news."""
        self._is_done = True
        self._portal.is_complete = True
        self._tag = f"SELECT {self._rows}"
        self._conversation.channel.expect_columns(None)
        await self._conversation.settle(is_synced=self._is_synced)
        await self._ending.when_failed()


class EmptyRowStream:
    """What a portal gives that has nothing more: Postgres answers such an Execute with no rows,
    too.
    """

    def __init__(self, portal: Portal) -> None:
        self.description = portal.description
        self.command_tag: str | None = "SELECT 0"
        self.suspended = False
        self.truncated = portal.is_truncated
        self.row_count = 0
        self.byte_count = 0

    def __aiter__(self) -> AsyncIterator[RowBatch]:
        return self

    async def __anext__(self) -> RowBatch:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        return None


def next_step(portal: Portal, rows_left: int) -> int:
    """Rows to ask for next under the portal's limits; one beyond the row limit shows that there are
    more.

    `rows_left` of this Execute's own row count, 0 for all.
    """
    step = STEP_ROWS
    if portal.row_limit is not None:
        step = min(step, portal.row_limit - portal.rows + 1)
    if rows_left:
        step = min(step, rows_left)
    return max(step, 1)


def way_to_run(
    conversation: Conversation, portal: Portal, row_max: int, *, is_wrapped: bool
) -> tuple[bool, int]:
    """Whether to send Sync at once, and how many rows to ask for. `is_wrapped`: the transaction is
    ours, and nobody resumes a portal in it."""
    is_in_transaction = conversation.status == IN_TRANSACTION
    if not conversation.is_held:
        if row_max == 0 and (is_wrapped or not is_in_transaction or not portal.has_limit):
            return True, 0
        if is_in_transaction and not portal.has_limit:
            return True, row_max
    return False, next_step(portal, row_max) if portal.has_limit else row_max


def fault_of(error: ErrorResponse, portal: Portal) -> SourceFault:
    """The edited fault of an error that came before any row of a portal."""
    return edit_error(error.fields, is_text_about_visible_data=portal.tells_text)
