"""One server's side of a conversation: what was sent, what is owed, and in which state that leaves
the transaction.

It must not know fragments, limits or pools. It sends payloads, absorbs the answers to commands of
our own, and turns every message out of place into a broken connection: an anomaly is never
repaired, so a connection that saw one is never used again (I12).

Theory of operation. `lead` puts a command of our own (BEGIN, settings) in front of whatever is sent
next, so that it costs no round trip; its answer is absorbed first. `is_owed` is true from a `send`
until ReadyForQuery, or until the owner says that a flushed part is complete. `is_held` is true
while extended messages have been flushed, not synced: an implicit transaction is open at the
server, and its portals live (PostgreSQL documentation, 55.2.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.faults import SourceFault
from proxy.sources.condition import edit_error
from proxy.sources.postgres_channel import Channel, Message, Receiver
from proxy.sources.postgres_command import Command
from proxy.sources.postgres_pins import ParameterWatch
from proxy.wire.backend import (
    BackendMessage,
    BindComplete,
    CloseComplete,
    CommandComplete,
    ErrorResponse,
    NoData,
    ParseComplete,
    ReadyForQuery,
    RowDescription,
)
from proxy.wire.batch import RowBatch
from proxy.wire.frontend import Query, Sync

IDLE, IN_TRANSACTION, FAILED = b"I", b"T", b"E"
SYNC = Sync().encode()
# Our own commands touch no table: seconds mean that the server or the way to it is sick.
COMMAND_SECONDS_MAX = 10.0
# The longest answer to a command of ours is RESET's, under 20 messages.
COMMAND_MESSAGES_MAX = 100

_FATAL = frozenset({"FATAL", "PANIC"})


@dataclass(frozen=True, slots=True)
class Lead:
    """A command put in front of the next payload. `on_done` is called when the server has confirmed
    it.
    """

    payload: bytes
    tags: tuple[str, ...]
    status_after: bytes
    on_done: Callable[[], None] = lambda: None


class Conversation:
    """`silence_seconds_max`: how long the server may be silent while it runs a statement."""

    def __init__(self, channel: Channel, watch: ParameterWatch, silence_seconds_max: float) -> None:
        self.channel = channel
        self.status = IDLE
        self.is_owed = False
        self.is_held = False
        self.work_number = 0
        self._watch = watch
        self._silence_seconds_max = silence_seconds_max
        self._leads: list[Lead] = []
        self._leads_sent: list[Lead] = []
        self._cancel_done: asyncio.Event | None = None

    def __repr__(self) -> str:
        owed = " owed" if self.is_owed else ""
        held = " held" if self.is_held else ""
        return f"<Conversation status={self.status.decode()}{owed}{held} {self.channel!r}>"

    # --- sending --------------------------------------------------------------------------------

    def lead(self, lead: Lead) -> None:
        """Put a command in front of the next payload. The status is told as if it had succeeded."""
        self._leads.append(lead)
        self.status = lead.status_after

    def drop_leads(self) -> bool:
        """Forget commands that were never sent; True if there were any."""
        had_any = bool(self._leads)
        self._leads.clear()
        return had_any

    def send(self, payload: bytes) -> None:
        """Send the leads and the payload in one write."""
        assert self._cancel_done is None, (
            "a cancel request is under way: settle_cancel() comes first"
        )
        if self._leads:
            payload = b"".join(lead.payload for lead in self._leads) + payload
            self._leads_sent, self._leads = self._leads, []
        self.is_owed = True
        self.work_number += 1
        self.channel.write(payload)

    def express(self, payload: bytes, receiver: Receiver) -> None:
        """Send one whole extended query; `receiver` gets the bytes that come. See `Channel`."""
        self.is_owed = True
        self.work_number += 1
        self.channel.receiver = receiver
        self.channel.write(payload)

    def express_ended(self, *, is_answered: bool) -> None:
        """The answer came whole and ended in "idle"; or others read on from its first byte."""
        self.channel.receiver = None
        if is_answered:
            self.is_owed = False

    async def drain(self) -> None:
        """Wait until the server takes what was sent."""
        await self.channel.drain(self._silence_seconds_max)

    # --- receiving ------------------------------------------------------------------------------

    async def read(self, seconds_max: float | None = None) -> Message:
        """The next message. Raises SourceFault; a FATAL error breaks the connection off."""
        message = await self.channel.next_message(seconds_max or self._silence_seconds_max)
        if isinstance(message, ErrorResponse) and _is_fatal(message.fields):
            self.channel.break_off("the source ended the connection")
            raise edit_error(message.fields)
        return message

    async def absorb_leads(self) -> None:
        """Read the answers to the leads of the last `send`. A lead that fails breaks the connection
        off.
        """
        leads, self._leads_sent = self._leads_sent, []
        for lead in leads:
            error = await self._read_command(lead.tags)
            if error is None and self.status == lead.status_after:
                lead.on_done()
                continue
            self.channel.break_off("the source refused to prepare for a statement")
            raise edit_error(error.fields) if error else self.anomaly("no such status")
        # What the leads were in front of is still to come: a cancel request has a target.
        self.is_owed = True

    async def command(self, command: Command) -> None:
        """Run one command of our own with the simple protocol. Raises SourceFault."""
        await self.settle_cancel()
        self.send(Query(command.sql).encode())
        await self.absorb_leads()
        error = await self._read_command(command.tags)
        if error is not None:
            raise edit_error(error.fields)

    async def sync(self) -> None:
        """Send Sync and read to ReadyForQuery: the implicit transaction, if one is held, ends."""
        await self.settle_cancel()
        self.send(SYNC)
        await self.absorb_leads()
        error = await self._read_command(())
        if error is not None:
            # The commit at Sync can fail in principle (a deferred trigger): not for read-only work.
            raise edit_error(error.fields)

    async def settle(self, *, is_synced: bool) -> None:
        """After an ErrorResponse: bring the server to ReadyForQuery. It skips what follows until
        Sync, and takes back the settings that the transaction made.
        """
        if not is_synced:
            self.channel.write(SYNC)
        self._watch.is_open = True
        try:
            while not self.take_ready(await self.read(COMMAND_SECONDS_MAX)):
                raise self.anomaly("a message after an error")
        finally:
            self._watch.is_open = False

    async def read_ready(self) -> None:
        """Read the ReadyForQuery that is due. Raises SourceFault for anything else."""
        message = await self.read()
        if not self.take_ready(message):
            raise self.anomaly(type(message).__name__)

    def take_ready(self, message: Message) -> bool:
        """Note a ReadyForQuery; False for any other message."""
        if not isinstance(message, ReadyForQuery):
            return False
        self.status = message.status
        self.is_owed = False
        self.is_held = False
        return True

    def anomaly(self, what: str) -> SourceFault:
        """Break the connection off for a message out of place; return the fault to raise."""
        return self.channel.break_off(f"unexpected answer of the source: {what}")

    async def _read_command(self, tags: tuple[str, ...]) -> ErrorResponse | None:
        """Read the answer to one command up to ReadyForQuery; settings may move meanwhile."""
        seen: list[str] = []
        error: ErrorResponse | None = None
        self._watch.is_open = True
        try:
            for _ in range(COMMAND_MESSAGES_MAX):
                message = await self.read(COMMAND_SECONDS_MAX)
                if self.take_ready(message):
                    break
                if isinstance(message, CommandComplete):
                    seen.append(message.tag)
                elif isinstance(message, ErrorResponse):
                    error = message
                elif not isinstance(message, _IN_COMMANDS):
                    raise self.anomaly(type(message).__name__)
            else:
                raise self.anomaly("an endless one")
        finally:
            self._watch.is_open = False
        if error is None and tuple(seen) != tags:
            raise self.anomaly("other command tags")
        return error

    # --- cancelling -----------------------------------------------------------------------------

    def cancel_begins(self) -> None:
        """A cancel request is about to be made; nothing may be sent until `cancel_ended`."""
        self._cancel_done = asyncio.Event()

    def cancel_ended(self) -> None:
        done, self._cancel_done = self._cancel_done, None
        if done is not None:
            done.set()

    @property
    def is_cancelling(self) -> bool:
        return self._cancel_done is not None

    async def settle_cancel(self) -> None:
        """Wait until no cancel request is under way, so that it cannot hit what is sent next."""
        if self._cancel_done is not None:
            await self._cancel_done.wait()


_IN_COMMANDS: tuple[type[BackendMessage] | type[RowBatch], ...] = (
    ParseComplete,
    BindComplete,
    CloseComplete,
    NoData,
    RowDescription,
    RowBatch,
)


def _is_fatal(fields: Mapping[str, str]) -> bool:
    # `V` is never localised (PostgreSQL 9.6 and later); a pooler may send only `S`.
    return fields.get("V", fields.get("S")) in _FATAL
