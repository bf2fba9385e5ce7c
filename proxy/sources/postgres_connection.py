"""One checkout of a backend: what the gate holds between `acquire` and `release`.

It must not know policy. A checkout ends with `release`; from then on it refuses every call, so that
a forgotten reference can reach nobody else's work (attacks 99, 100).

Theory of operation. Statements always go through the extended protocol: one text, one statement,
typed parameters. The usual execution is one write ([Parse] Bind [Describe] Execute Sync) and its
answers. A portal that may be resumed is kept alive by the explicit transaction around it; outside
one, by Flush instead of Sync, until the client's own Sync comes (`sync`); behind a transaction
pooler, by a transaction of ours (`_is_wrapped`), which also carries the settings and which the gate
never sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from proxy.faults import Fault, InternalFault, LimitFault, SourceFault, UnsupportedFault
from proxy.sources import postgres_command
from proxy.sources.base import Arguments
from proxy.sources.condition import edit_error
from proxy.sources.postgres_backend import PostgresBackend
from proxy.sources.postgres_command import COMMIT, ROLLBACK, Command
from proxy.sources.postgres_conversation import (
    FAILED,
    IDLE,
    IN_TRANSACTION,
    SYNC,
    Conversation,
    Lead,
)
from proxy.sources.postgres_copy import PostgresCopyStream
from proxy.sources.postgres_opening import Opening
from proxy.sources.postgres_pins import checked_pins
from proxy.sources.postgres_portal import Portal
from proxy.sources.postgres_stream import (
    FLUSH,
    EmptyRowStream,
    Ending,
    PostgresRowStream,
    fault_of,
    way_to_run,
)
from proxy.wire.backend import (
    BackendMessage,
    BindComplete,
    CloseComplete,
    CopyOutResponse,
    ErrorResponse,
    NoData,
    ParseComplete,
    RowDescription,
)
from proxy.wire.frontend import (
    PORTAL,
    Bind,
    Close,
    Execute,
    Parse,
    Query,
)

if TYPE_CHECKING:
    # A type only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import Fragment

PORTALS_MAX = 1_000

# The server does not know a statement of ours any more, or its result type changed under it.
_STALE = frozenset({"26000", "0A000"})

Streams = PostgresRowStream | PostgresCopyStream


class PostgresConnection:
    """Implements base.SourceConnection. Args: `on_release` gets the backend back, and whether it is
    clean.
    """

    def __init__(
        self,
        backend: PostgresBackend,
        pins: Mapping[str, str],
        on_release: Callable[[PostgresBackend, bool], None],
    ) -> None:
        self._backend = backend
        self._is_released = False
        self._on_release = on_release
        self._portals: dict[str, Portal] = {}
        self._stream: Streams | None = None
        self._is_wrapped = False
        self._has_new_pins = False
        self.pin(pins)

    def __repr__(self) -> str:
        state = "released" if self._is_released else repr(self._conversation)
        return f"<PostgresConnection portals={len(self._portals)} {state}>"

    @property
    def status(self) -> bytes:
        return IDLE if self._is_wrapped or self._is_released else self._conversation.status

    @property
    def is_usable(self) -> bool:
        return not self._is_released and self._conversation.channel.is_open

    @property
    def backend(self) -> PostgresBackend:
        """The borrowed backend, for parts of this package. Raises InternalFault after `release`."""
        if self._is_released:
            raise InternalFault("a released connection was used")
        return self._backend

    @property
    def _conversation(self) -> Conversation:
        return self._backend.conversation

    def pin(self, pins: Mapping[str, str]) -> None:
        if self._conversation.is_held:
            # A Sync of ours would end the transaction that holds the portal.
            raise UnsupportedFault(
                "settings that change output cannot change while a portal of the pipeline is open",
                hint="Set them before it, or after Sync.",
            )
        self.backend.pins.wanted = checked_pins(pins, self.backend.options)
        self._has_new_pins = True

    # --- transactions ---------------------------------------------------------------------------

    async def begin(self, isolation: str | None = None, deferrable: bool = False) -> None:
        await self._come_to_rest()
        if self._conversation.is_held:
            await self.sync()
        if self.status != IDLE:
            raise SourceFault("there is already a transaction in progress", sqlstate="25001")
        self._lead_begin(postgres_command.begin(isolation, deferrable))

    async def commit(self) -> None:
        await self._end_transaction(COMMIT)

    async def rollback(self) -> None:
        await self._end_transaction(ROLLBACK)

    async def savepoint(self, name: str) -> None:
        await self._command(postgres_command.savepoint(name))

    async def rollback_to(self, name: str) -> None:
        await self._command(postgres_command.rollback_to(name))
        self.backend.pins.note_rollback()
        self._has_new_pins = True

    async def release_savepoint(self, name: str) -> None:
        await self._command(postgres_command.release_savepoint(name))

    # --- statements -----------------------------------------------------------------------------

    async def execute(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...] = (),
        *,
        row_max: int = 0,
        portal: str = "",
        is_text_about_visible_data: bool = False,
    ) -> PostgresRowStream:
        if row_max or portal or not fragment.leaves_nothing:
            self.backend.touch()
        opened = await self._lead_to(fragment, arguments, result_formats, portal)
        opened.portal.tells_text = is_text_about_visible_data
        conversation = self._conversation
        is_synced, step = way_to_run(
            conversation, opened.portal, row_max, is_wrapped=self._is_wrapped
        )
        self._portals.pop(portal, None)
        run = Execute(portal, step).encode() + (SYNC if is_synced else FLUSH)
        conversation.send(opened.payload + run)
        stream = await self._open_stream(opened, row_max=row_max, is_synced=is_synced)
        try:
            opened.demand_types(fragment)
        except SourceFault:
            await stream.aclose()
            raise
        return stream

    async def join(self, opened: Opening) -> PostgresRowStream:
        """The stream of what was sent on this backend before it was handed to us."""
        return await self._open_stream(opened, row_max=0, is_synced=True)

    async def open_portal(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...] = (),
        *,
        portal: str,
        is_text_about_visible_data: bool = False,
    ) -> RowDescription | None:
        self.backend.touch()
        opened = await self._lead_to(fragment, arguments, result_formats, portal)
        opened.portal.tells_text = is_text_about_visible_data
        conversation = self._conversation
        is_synced = conversation.status == IN_TRANSACTION and not conversation.is_held
        self._portals.pop(portal, None)
        conversation.send(opened.payload + (SYNC if is_synced else FLUSH))
        await self._absorb()
        await self._read_head(opened, is_synced=is_synced)
        conversation.is_held = not is_synced
        if is_synced:
            await conversation.read_ready()
        else:
            conversation.is_owed = False
        self._portals[portal] = opened.portal
        opened.demand_types(fragment)
        return opened.portal.description

    async def resume(self, portal: str, row_max: int = 0) -> PostgresRowStream | EmptyRowStream:
        await self._come_to_rest()
        known = self._portals.get(portal)
        if known is None:
            raise SourceFault("the portal does not exist", sqlstate="34000")
        if known.is_complete:
            return EmptyRowStream(known)
        conversation = self._conversation
        if conversation.status == IN_TRANSACTION and not conversation.is_held:
            self._lead_up()  # rows are printed as the settings are now
        is_synced, step = way_to_run(conversation, known, row_max, is_wrapped=self._is_wrapped)
        width = None if known.description is None else len(known.description.fields)
        conversation.channel.expect_columns(width)
        conversation.send(Execute(portal, step).encode() + (SYNC if is_synced else FLUSH))
        await self._absorb()
        stream = PostgresRowStream(
            conversation, known, self._ending(), row_max=row_max, is_synced=is_synced
        )
        self._stream = stream
        return stream

    async def close_portal(self, portal: str) -> None:
        await self._come_to_rest()
        known = self._portals.pop(portal, None)
        conversation = self._conversation
        is_gone = conversation.status == IDLE and not conversation.is_held
        if known is None or is_gone or not self.is_usable:
            return
        is_synced = not conversation.is_held
        conversation.send(Close(PORTAL, portal).encode() + (SYNC if is_synced else FLUSH))
        await self._absorb()
        await self._expect(CloseComplete)
        if is_synced:
            await conversation.read_ready()
        else:
            conversation.is_owed = False

    async def sync(self) -> None:
        await self._come_to_rest()
        if self._is_wrapped:
            await self._unwrap(COMMIT)
        elif self._conversation.is_held:
            await self._conversation.sync()
        if self.status == IDLE:
            self._portals.clear()

    async def copy_out(self, fragment: Fragment) -> PostgresCopyStream:
        if fragment.parameter_oids or fragment.claim_slots:
            raise InternalFault("a COPY takes no parameters")
        await self._come_to_rest()
        if self._conversation.is_held:
            await self.sync()
        await self._come_to_run()
        self._backend.touch()
        conversation = self._conversation
        # The extended protocol takes one statement only: a second lock beside the verifier's.
        start = Parse("", fragment.sql).encode() + Bind("", "").encode()
        self._lead_up()
        conversation.send(start + Execute("", 0).encode() + SYNC)
        await self._absorb()
        for expected in (ParseComplete, BindComplete):
            await self._expect(expected)
        header = await conversation.read()
        if isinstance(header, ErrorResponse):
            raise await self._failed(header)
        if not isinstance(header, CopyOutResponse):
            raise conversation.anomaly(type(header).__name__)
        stream = PostgresCopyStream(
            conversation,
            header,
            self._ending(),
            row_limit=fragment.row_limit,
            byte_limit=fragment.byte_limit,
        )
        self._stream = stream
        return stream

    async def cancel(self) -> None:
        await self.backend.cancel()

    async def release(self) -> None:
        if self._is_released:
            return
        self._is_released = True
        backend, stream = self._backend, self._stream
        is_clean = False
        try:
            if backend.conversation.is_owed and self._channel_is_open:
                await self._abandon(stream)
            if self._channel_is_open:
                await backend.reset()
                is_clean = True
        except Fault:
            # It is closed by the owner; whoever used it has had their answer already.
            is_clean = False
        finally:
            self._portals.clear()
            self._on_release(backend, is_clean)

    # --- inside ---------------------------------------------------------------------------------

    async def _abandon(self, stream: Streams | None) -> None:
        """Stop what still runs. Closing the socket alone would let the server work on in vain."""
        await self._backend.cancel()
        if stream is not None and not stream.is_done:
            await stream.aclose()
        else:
            # Its caller was stopped before the answer's beginning: nobody knows what comes next.
            raise self._conversation.anomaly("an answer that nobody reads")

    @property
    def _channel_is_open(self) -> bool:
        return self._conversation.channel.is_open

    async def _come_to_rest(self) -> None:
        """Before any call: the connection is ours, nothing is being read, no cancel request is
        under way.
        """
        backend = self.backend
        if self._stream is not None and not self._stream.is_done and self._channel_is_open:
            raise InternalFault("a stream of this connection is still being read")
        self._stream = None
        await backend.conversation.settle_cancel()

    async def _come_to_run(self) -> None:
        """Before a statement: at rest, and not in a failed transaction."""
        await self._come_to_rest()
        if self._conversation.status == FAILED:
            raise SourceFault("current transaction is aborted", sqlstate="25P02")

    async def _lead_to(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...],
        portal: str,
    ) -> Opening:
        """Come to rest, and put in front of a portal what it needs; the caller sends at once."""
        await self._come_to_run()
        if len(self._portals) >= PORTALS_MAX:
            raise LimitFault(f"too many open portals: limit PORTALS_MAX ({PORTALS_MAX}) reached")
        opened = Opening(self.backend, fragment, arguments, result_formats, portal)
        self._lead_up()
        return opened

    def _lead_up(self) -> None:
        """Put in front of the statement what it needs: settings as the client has them, and behind
        a pooler a transaction around it. Nothing may fail between this and the sending, so that no
        settings are left over.
        """
        if not self._backend.is_pooled_by_transaction:
            self._backend.lead_settings()
        elif self._conversation.status == IDLE:
            self._is_wrapped = True
            self._lead_begin(postgres_command.begin(None, False))
        elif self._has_new_pins:
            self._backend.lead_local_settings()
        self._has_new_pins = False

    def _lead_begin(self, command: Command) -> None:
        self._backend.touch()
        payload = Query(command.sql).encode()
        self._conversation.lead(Lead(payload, command.tags, IN_TRANSACTION))
        if self._backend.is_pooled_by_transaction:
            self._backend.lead_local_settings()

    async def _command(self, command: Command) -> None:
        self._backend.touch()
        await self._come_to_rest()
        await self._conversation.command(command)

    async def _end_transaction(self, command: Command) -> None:
        await self._come_to_rest()
        conversation = self._conversation
        if self.status == IDLE:
            raise SourceFault("there is no transaction in progress", sqlstate="25P01")
        self._portals.clear()
        if conversation.drop_leads():
            # BEGIN itself was still waiting for company.
            conversation.status = IDLE
            return
        if conversation.is_held:
            await conversation.sync()
        is_commit = command is COMMIT and conversation.status == IN_TRANSACTION
        await conversation.command(COMMIT if is_commit else ROLLBACK)
        if is_commit:
            self._backend.pins.note_commit()
        else:
            self._backend.pins.note_rollback()

    async def _unwrap(self, command: Command) -> None:
        """End the transaction of ours that a pooler made necessary."""
        self._is_wrapped = False
        self._portals.clear()
        await self._conversation.command(command)

    async def _open_stream(
        self, opened: Opening, *, row_max: int, is_synced: bool
    ) -> PostgresRowStream:
        await self._absorb()
        await self._read_head(opened, is_synced=is_synced)
        conversation, portal = self._conversation, opened.portal
        unchecked = 0
        if opened.is_described and portal.description is not None:
            unchecked = conversation.channel.queued
            conversation.channel.expect_columns(len(portal.description.fields))
        if row_max or portal.name:
            self._portals[portal.name] = portal
        stream = PostgresRowStream(
            conversation,
            portal,
            self._ending(),
            row_max=row_max,
            is_synced=is_synced,
            unchecked=unchecked,
        )
        self._stream = stream
        return stream

    async def _absorb(self) -> None:
        """What comes before the answer proper: room to write, answers to our own commands."""
        await self._conversation.drain()
        await self._conversation.absorb_leads()

    async def _read_head(self, opened: Opening, *, is_synced: bool) -> None:
        """Read the answers to Close, Parse, Bind and Describe. Raises the edited error of the
        source.
        """
        statement, portal = opened.portal.statement, opened.portal
        for expected in opened.answers:
            message = await self._conversation.read()
            match message:
                case ErrorResponse():
                    raise await self._head_failed(message, opened, is_synced=is_synced)
                case ParseComplete() if expected is ParseComplete:
                    statement.is_parsed = True
                case RowDescription() | NoData() if expected is RowDescription:
                    portal.description = message if isinstance(message, RowDescription) else None
                    statement.describe(portal.description, opened.result_formats)
                case _ if type(message) is not expected:
                    raise self._conversation.anomaly(type(message).__name__)

    async def _head_failed(
        self, error: ErrorResponse, opened: Opening, *, is_synced: bool
    ) -> Fault:
        statement = opened.portal.statement
        if not statement.is_parsed or error.sqlstate in _STALE:
            self._backend.statements.forget(statement)
        if error.sqlstate == "26000":  # somebody else deallocated it: nothing is certain any more
            return self._conversation.anomaly("a prepared statement is gone")
        fault = await self._failed(error, is_synced=is_synced, portal=opened.portal)
        fault.is_at_bind = True
        return fault

    async def _failed(
        self, error: ErrorResponse, *, is_synced: bool = True, portal: Portal | None = None
    ) -> SourceFault:
        self._conversation.channel.expect_columns(None)
        await self._conversation.settle(is_synced=is_synced)
        await self._after_failure()
        return edit_error(error.fields) if portal is None else fault_of(error, portal)

    async def _after_failure(self) -> None:
        self._backend.touch()
        if self._is_wrapped:
            await self._unwrap(ROLLBACK)
        if self.status == IDLE:
            self._portals.clear()

    async def _after_stream(self) -> None:
        has_live = any(not portal.is_complete for portal in self._portals.values())
        if self._is_wrapped and not has_live:
            await self._unwrap(COMMIT)

    def _ending(self) -> Ending:
        return Ending(self._backend.cancel, self._after_stream, self._after_failure)

    async def _expect(self, expected: type[BackendMessage]) -> None:
        message = await self._conversation.read()
        if isinstance(message, ErrorResponse):
            raise await self._failed(message, is_synced=not self._conversation.is_held)
        if type(message) is not expected:
            raise self._conversation.anomaly(type(message).__name__)
