"""The conversation with an authenticated client: simple and extended queries, message by message.

This file must not know SQL, policies or sources: it asks the gate, and writes what comes. Rules of
order are those of the PostgreSQL documentation, "Message Flow".

Theory of operation. Messages are taken one at a time; what the client pipelined waits. After an
error in the extended protocol everything is skipped up to Sync, and exactly one ReadyForQuery
answers each Sync (attack case 96). A Query with several statements runs as one implicit
transaction, and so do the messages up to a Sync. Output is gathered, and flushed when the client is
waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from proxy.connection import ClientConnection
from proxy.decision import Runnable
from proxy.express import FLIGHT_SECONDS_MAX, ExpressLane, Flight
from proxy.express_plan import PARSED
from proxy.extended import Extended
from proxy.faults import ConnectionFault, Fault
from proxy.gate import Gate
from proxy.interrupt import QUERY_CANCELED, Interrupter
from proxy.rows import error_message, with_formats
from proxy.run import Run
from proxy.sql.parse import Kind, Statement
from proxy.transaction import Block
from proxy.wire.backend import (
    BackendKeyData,
    CommandComplete,
    EmptyQueryResponse,
    ParameterStatus,
    ReadyForQuery,
    RowDescription,
)
from proxy.wire.errors import MalformedMessage
from proxy.wire.frontend import FrontendMessage, Query, Sync, Terminate
from proxy.workspace import Portal, Workspace

IDLE = "terminating connection due to idle-session timeout"
IDLE_IN_TRANSACTION = "terminating connection due to idle-in-transaction timeout"
EXPIRED = "terminating connection because the token has expired"

_QUERY_TYPE = b"Q"


class Dialogue:
    """One session's conversation. `clock` gives unix seconds."""

    def __init__(
        self,
        connection: ClientConnection,
        workspace: Workspace,
        gate: Gate,
        interrupter: Interrupter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._workspace = workspace
        self._session = workspace.session
        self._gate = gate
        self._interrupter = interrupter
        self._clock = clock
        self._reported = self._session.settings.reported()
        self._lane = ExpressLane(connection, workspace, gate, interrupter, clock)
        self._extended = Extended(connection, workspace, gate, self._lane.learn_bound)
        self._messages = 0

    @property
    def statements(self) -> int:
        """Messages that asked for work, for the record of the session's end."""
        return self._messages + self._lane.messages

    async def run(self, key: BackendKeyData) -> None:
        """Serve until the client terminates. Raises ConnectionFault, ProtocolViolation, ClientGone,
        StopRequested; the owner of the connection tells what must be told and closes.
        """
        self._connection.send(key)
        self._ready()
        self._connection.lane = self._lane
        try:
            await self._serve()
        finally:
            self._connection.lane = None
            await self._lane.close()

    async def _serve(self) -> None:
        while True:
            try:
                event = await self._next_event()
            except MalformedMessage as violation:
                await self._malformed(violation)
                continue
            if isinstance(event, Terminate):
                return
            if not isinstance(event, Flight):
                self._messages += 1
            await self._take(event)

    async def _next_event(self) -> FrontendMessage:
        """The next message, or the end of the session's patience."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while True:
            lane = self._lane
            seconds_left = self._session.identity.expires_at - self._clock()
            if seconds_left <= 0 and not lane.is_flying:
                raise ConnectionFault(EXPIRED, sqlstate="57P01")
            idle, idle_fault = self._idle_limit()
            asked_at = loop.time()
            idle_left = max(since, lane.used_at) + idle - asked_at
            patience = FLIGHT_SECONDS_MAX if lane.is_flying else min(seconds_left, idle_left)
            try:
                return await self._connection.next_event(until=asked_at + patience)
            except TimeoutError:
                if lane.is_flying or lane.used_at > asked_at:
                    continue  # the client was served meanwhile
                if seconds_left <= idle_left:
                    raise ConnectionFault(EXPIRED, sqlstate="57P01") from None
                raise idle_fault from None

    def _idle_limit(self) -> tuple[float, ConnectionFault]:
        settings, limits = self._session.settings, self._session.limits
        if self._session.transaction.is_block:
            asked = settings.milliseconds("idle_in_transaction_session_timeout") / 1000
            limit = limits.idle_in_transaction_seconds_max
            fault = ConnectionFault(IDLE_IN_TRANSACTION, sqlstate="25P03")
        else:
            asked = settings.milliseconds("idle_session_timeout") / 1000
            limit = limits.idle_seconds_max
            fault = ConnectionFault(IDLE, sqlstate="57P05")
        return (min(asked, limit) if asked else limit), fault

    async def _take(self, event: FrontendMessage) -> None:
        is_query = isinstance(event, Query | Flight)
        try:
            if isinstance(event, Flight):
                await self._land(event)
            elif isinstance(event, Query):
                await self._limited_query(event.sql)
            elif isinstance(event, Sync):
                await self._sync()
            else:
                await self._interrupter.limited(
                    self._extended.take(event), self._session.statement_ms_max()
                )
        except ConnectionFault:
            raise
        except Fault as fault:
            await self._fail(fault, self._text_of(event))
            if not is_query and not isinstance(event, Sync):
                self._connection.protocol.skip_until_sync()
                return
        if is_query or isinstance(event, Sync):
            self._ready()

    def _text_of(self, event: FrontendMessage) -> str:
        if isinstance(event, Flight) and event.portal is not None:
            return event.portal.prepared.statement.text
        return self._extended.text_of(event)

    async def _malformed(self, violation: MalformedMessage) -> None:
        """A message whose body is wrong: an ERROR, as Postgres answers it, and on."""
        await self._fail(Fault(violation.message, sqlstate=violation.sqlstate), "")
        if violation.message_type == _QUERY_TYPE:
            self._ready()
        else:
            self._connection.protocol.skip_until_sync()

    async def _fail(self, fault: Fault, text: str) -> None:
        """Tell an error, once it is on record, and let it end or spoil the transaction. `text` is
        what was asked."""
        try:
            await self._gate.note_refusal(self._workspace, text, fault)
        except Fault as unrecorded:  # the log's own: a refusal that is not on record is not told
            fault = unrecorded
        self._tell_notices()
        self._connection.write(error_message(fault).encode())
        self._session.transaction.fail()
        await self._workspace.end_implicit(is_committed=False)

    # The express lane

    async def _land(self, flight: Flight) -> None:
        """Finish what the lane began and left to us."""
        portal = flight.portal
        assert portal is not None, "made when it left the lane"
        portal.run = run = Run(flight.intent, self._gate.recorder, self._session, portal.prepared)
        try:
            if flight.fault is not None:
                raise flight.fault
            if portal.under_way is None:
                assert flight.reason is not None, "nothing else ends a flight before it is sent"
                raise Fault(flight.reason.value, sqlstate=QUERY_CANCELED)
            spent = (time.perf_counter() - flight.started) * 1000
            await self._interrupter.limited(
                self._finish(flight, portal),
                max(int(flight.plan.statement_ms - spent), 0),
                reason=flight.reason,
            )
        except Fault as fault:
            if flight.intent:
                await run.finish(fault)
            raise

    async def _finish(self, flight: Flight, portal: Portal) -> None:
        self._session.transaction.enter_implicit(is_alone=True)
        description = flight.told
        bound: tuple[int, int] | None = None
        if not flight.is_simple:
            is_parsed = description.startswith(PARSED)
            self._connection.write(PARSED if is_parsed else b"")
            bound = self._connection.mark()
            self._connection.write(description.removeprefix(PARSED) if is_parsed else description)
            description = b""
        chunks = self._gate.land(self._workspace, portal, Runnable(flight.plan.standing.fragment))
        try:
            await self._tell(chunks, portal, description)
        except Fault as fault:
            if fault.is_at_bind and bound is not None:
                self._connection.retract(bound)
            raise
        await self._workspace.end_implicit(is_committed=True)

    # Simple query (documentation: "Simple Query", "Multiple Statements in a Simple Query")

    async def _limited_query(self, text: str) -> None:
        await self._workspace.close_portal("")
        self._workspace.statements.remove("")
        await self._interrupter.limited(self._query(text), self._session.statement_ms_max())

    async def _query(self, text: str) -> None:
        statements = await self._gate.parse(self._workspace, text)
        transaction = self._session.transaction
        for statement in statements:
            if statement.kind is Kind.EMPTY:
                self._connection.send(EmptyQueryResponse())
                continue
            # A statement alone is a transaction, too: SET LOCAL and its isolation end with it.
            transaction.enter_implicit(is_alone=len(statements) == 1)
            await self._run_statement(statement, text if len(statements) == 1 else None)
        await self._workspace.end_implicit(is_committed=True)

    async def _run_statement(self, statement: Statement, whole: str | None) -> None:
        """`whole`: the text of the query that this statement is alone in."""
        prepared = await self._gate.prepare(self._workspace, statement, takes_parameters=False)
        depth = len(self._session.transaction.savepoints)
        portal = Portal("", prepared, depth=depth)
        # As Postgres: an error that is found before a statement starts comes without a description.
        description = b""
        if prepared.fields is not None and statement.kind is not Kind.COPY_TO:
            description = RowDescription(with_formats(prepared.fields, ())).encode()
        await self._tell(self._gate.run(self._workspace, portal), portal, description)
        if whole is not None:
            self._lane.learn_query(whole, prepared)

    async def _tell(
        self, running: AsyncGenerator[bytes, None], portal: Portal, description: bytes
    ) -> None:
        """Relay what a portal gives; `description` goes before its first row."""
        async with aclosing(running) as chunks:
            async for chunk in chunks:
                self._connection.write(description + chunk if description else chunk)
                description = b""
                await self._connection.drain()
        self._connection.write(description)
        self._tell_notices()
        self._connection.send(CommandComplete(portal.tag))

    # Sync

    async def _sync(self) -> None:
        """The end of a pipeline, and of its implicit transaction."""
        await self._workspace.end_implicit(is_committed=True)

    def _tell_notices(self) -> None:
        for notice in self._workspace.take_notices():
            self._connection.send(notice)

    def _ready(self) -> None:
        """Tell changed settings, then that the next command may come; give sources back."""
        told = self._session.settings.reported()
        if told != self._reported:
            for name, value in told.items():
                if self._reported.get(name) != value:
                    self._connection.send(ParameterStatus(name, value))
            self._reported = told
        self._tell_notices()
        self._connection.send(ReadyForQuery(self._session.transaction.status))
        self._connection.flush()
        if self._session.transaction.block is Block.IDLE:
            self._workspace.upstream.settle()
