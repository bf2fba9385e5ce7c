"""The express lane of one session: what it has run before is run again without the conversation.

It reads a client's bytes before the dialogue does, and takes over those that it knows by heart: a
prepared statement bound and executed once more, or the very text of a simple query. It must not
know SQL or policy: a `Plan` holds what was decided in the usual way, and until when that holds.

Theory of operation. The lane works only while the dialogue waits for the client with nothing half
done. `take` recognises the message, reserves a connection and puts the intent on record; then it is
sent; `answered` puts the outcome on record and relays the bytes. All of this is plain calls on the
event loop: nothing waits, no task is switched to. INVARIANTS: nothing is sent before its intent is
recorded (I6). And whatever is not exactly as expected, anything, leaves the lane: before the intent
by giving the bytes back unread, afterwards as a `Flight`, which the dialogue lands with the care
that it takes of any statement (errors, interrupts, limits, back-pressure). A flight that lasts
longer than `FLIGHT_SECONDS_MAX` is landed, too, so the lane needs no timers of its own.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from proxy.express_plan import NO_FORMATS, PARSED, Lookalikes, Plan, Way, read_bind
from proxy.faults import Fault
from proxy.gate import Gate
from proxy.interrupt import QUERY_CANCELED, Interrupter, Reason
from proxy.phases import Phase, Phases
from proxy.record import tell_decision
from proxy.run import Run
from proxy.runtime.log import Latency
from proxy.sources.express import Dispatch, ExpressSource
from proxy.sql.lookalike import recipe, shape_of
from proxy.sql.parse import Kind, parse
from proxy.sql.template import lift
from proxy.tracing import Tracer, subject_of
from proxy.transaction import Block
from proxy.wire.body import value
from proxy.wire.frontend import FrontendMessage, Parse, Query
from proxy.workspace import Portal, Prepared, Workspace

FLIGHT_SECONDS_MAX = 1.0
"""What takes longer is no express: it is landed, and from then on watched as any statement."""

PLANS_MAX = 128
"""Plans of one session, some 3 kB each; also how many texts it remembers to have seen once."""

_UINT32 = struct.Struct(">I")
_BIND, _PARSE, _QUERY = b"BPQ"


class Edge(Protocol):
    """The client's connection, as the lane knows it (`proxy/connection.py`)."""

    def write_now(self, data: bytes) -> None:
        """Hand whole messages to the transport."""
        ...

    def give_back(self, data: bytes) -> None:
        """Let the dialogue read these bytes."""
        ...

    def hand_over(self, flight: FrontendMessage) -> None:
        """Let the dialogue have this as its next message."""
        ...

    def landed(self) -> None:
        """The lane is free again."""
        ...


@dataclass(slots=True, eq=False)
class Flight(FrontendMessage):
    """A statement that the lane took. For the dialogue it is a message: all that is left to do.

    `told` is what answers the client before the first row; for a simple query it goes with the
    first row, as the dialogue does it. `messages`: how many the client sent. `text` and `values`
    are of a query that is like one that came before.
    """

    plan: Plan
    way: Way
    body: bytes
    told: bytes
    data: bytes
    is_simple: bool
    messages: int
    started: float
    text: str | None = None
    values: tuple[bytes, ...] = ()
    dispatch: Dispatch | None = None
    intent: int = 0
    sent: float = 0.0
    is_recording: bool = False
    fault: Fault | None = None
    reason: Reason | None = None
    portal: Portal | None = None


class ExpressLane:
    """The lane of one session. `clock` gives unix seconds."""

    def __init__(
        self,
        edge: Edge,
        workspace: Workspace,
        gate: Gate,
        interrupter: Interrupter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.messages = 0
        """How many of the client's messages it took."""
        self.used_at = 0.0
        """Loop time of the last one."""
        self._edge = edge
        self._workspace = workspace
        self._session = workspace.session
        self._principal = workspace.upstream.principal
        self._decider = gate.decider
        self._recorder = gate.recorder
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._flight: Flight | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._named: dict[bytes, Plan] = {}
        self._parsed: dict[bytes, Plan] = {}
        self._queries: dict[bytes, Plan] = {}
        self._lookalikes = Lookalikes(PLANS_MAX)
        self._seen: set[bytes] = set()
        interrupter.divert = self.interrupt

    def __repr__(self) -> str:
        known = len(self._named) + len(self._parsed) + len(self._queries)
        known += len(self._lookalikes)
        return f"ExpressLane(plans={known}, is_flying={self.is_flying})"

    @property
    def is_flying(self) -> bool:
        """Whether a statement is under way, so that nobody else may read the client's bytes."""
        return self._flight is not None

    # Taking off

    def take(self, data: bytes) -> bool:
        """Take over what a client sent, if all of it is known by heart. Otherwise False, and
        nothing has happened."""
        kind = data[0]
        session = self._session
        if session.transaction.block is not Block.IDLE or len(self._workspace.portals):
            return False
        now = self._clock()
        if kind == _QUERY:
            flight = self._query(data)
        elif kind in (_BIND, _PARSE):
            flight = self._bound(data)
        else:
            return False
        if flight is None or not flight.plan.holds(session, self._decider, now):
            return False
        if not self._recorder.is_writable:
            return False
        flight.dispatch = flight.plan.source.dispatch(
            flight.way.order, self, principal=self._principal
        )
        if flight.dispatch is None:
            return False
        self._flight = flight
        self.messages += flight.messages
        self.used_at = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_later(FLIGHT_SECONDS_MAX, self._look)
        if flight.dispatch.is_reserved:
            self._record(flight, now)
        return True

    def _query(self, data: bytes) -> Flight | None:
        started = time.perf_counter()
        plan = self._queries.get(data)
        if plan is not None:
            way = plan.ways[NO_FORMATS]
            body = way.order.body(NO_FORMATS, plan.values, NO_FORMATS)
            return Flight(plan, way, body, way.description, data, True, 1, started)
        if not self._lookalikes or len(data) != 1 + _UINT32.unpack_from(data, 1)[0]:
            return None
        found = self._lookalikes.find(data[5:-1])
        if found is None or data[-1]:
            return None
        plan, text, values = found
        way = plan.ways[NO_FORMATS]
        body = way.order.body(NO_FORMATS, b"".join(map(value, values)), NO_FORMATS)
        told = way.description
        return Flight(plan, way, body, told, data, True, 1, started, text, values)

    def _bound(self, data: bytes) -> Flight | None:
        start, plan, told, messages = 0, None, b"", 3
        try:
            if data[0] == _PARSE:
                start = 1 + _UINT32.unpack_from(data, 1)[0]
                plan = self._parsed.get(data[:start])
                told, messages = PARSED, 4
            end = start + 1 + _UINT32.unpack_from(data, start + 1)[0]
            name_at = start + 6
            position = data.index(0, name_at) + 1
            if data[start] != _BIND or data[start + 5] or end > len(data):
                return None
        except (struct.error, IndexError, ValueError):
            return None
        name = data[name_at : position - 1]
        if start == 0:
            plan = self._named.get(name)
            if plan is None or self._workspace.statements.find(plan.prepared.name) is not (
                plan.prepared
            ):
                return None
        elif plan is None or name:
            return None
        read = read_bind(plan, data, position, end)
        if read is None:
            return None
        way, body, is_described = read
        told += way.bound_and_described if is_described else way.bound
        messages += is_described
        return Flight(plan, way, body, told, data, False, messages, time.perf_counter())

    # Being told by the source; see `proxy/sources/express.py`

    def granted(self) -> None:
        """A connection is reserved."""
        flight = self._flight
        assert flight is not None, "asked by one"
        now = self._clock()
        if flight.plan.holds(self._session, self._decider, now) and self._recorder.is_writable:
            self._record(flight, now)
        else:
            self.given_up()

    def given_up(self) -> None:
        """Nothing was recorded or sent: the dialogue may as well read the bytes itself."""
        flight = self._leave()
        if flight.dispatch is not None:
            flight.dispatch.surrender()
        self.messages -= flight.messages
        self._edge.give_back(flight.data)

    def _record(self, flight: Flight, now: float) -> None:
        flight.is_recording = True
        milliseconds = int(now * 1000)
        form = flight.plan.intent
        if flight.text is None:
            record = form.filled(milliseconds)
        else:
            start, end = flight.plan.margins
            asked = flight.text[start : len(flight.text) - end]
            record = form.filled(self._recorder.text(asked), milliseconds)
        self._recorder.post_intent(record, flight.plan.source_name, self._recorded)

    def _recorded(self, number: int, fault: Fault | None) -> None:
        """The intent is on record, or cannot be."""
        flight = self._flight
        if flight is None:
            return  # the session has ended meanwhile
        flight.is_recording = False
        flight.intent = number
        flight.fault = fault
        assert flight.dispatch is not None, "reserved before"
        if fault is None and flight.reason is None:
            try:
                flight.dispatch.send(flight.body)
                flight.sent = time.perf_counter()
                return
            except Fault as lost:
                flight.fault = lost
        self._land()

    def answered(self, data: bytes, rows: int, row_bytes: int) -> None:
        """All is well: the outcome is recorded, and the client told."""
        flight = self._leave()
        done = time.perf_counter()
        told = flight.told + data
        latency = Latency(
            decide_ms=(flight.sent - flight.started) * 1000, source_ms=(done - flight.sent) * 1000
        )
        self._recorder.post_outcome(flight.intent, self._clock(), rows, row_bytes, latency)
        if self._recorder.tracer is not None:
            self._trace(self._recorder.tracer, flight, done, rows)
        self._note_end(flight)
        self._edge.write_now(told)
        tell_decision(self._session, "allowed", latency, rows=rows)
        self._edge.landed()

    def _trace(self, tracer: Tracer, flight: Flight, done: float, rows: int) -> None:
        phases = Phases()
        phases.note(Phase.DECIDE, flight.started, flight.sent)
        phases.note(Phase.SOURCE, flight.sent, done)
        subject = subject_of(self._session, flight.plan.prepared)
        tracer.ended(subject, phases, rows=rows, intent=flight.intent)

    def surprised(self) -> None:
        """The answer is for others to read."""
        self._land()

    # Leaving the lane

    def interrupt(self, reason: Reason) -> None:
        """Stop what is under way, if anything is: the dialogue does it, as for any statement."""
        flight = self._flight
        if flight is None or flight.reason is not None:
            return
        flight.reason = reason
        if not flight.is_recording:
            self._land()

    def _look(self) -> None:
        """Once in a while, as long as there are flights: land those that take long."""
        self._watch = None
        flight = self._flight
        if flight is None:
            return
        self._watch = self._loop.call_later(FLIGHT_SECONDS_MAX, self._look)
        spent = time.perf_counter() - flight.started
        assert flight.dispatch is not None, "reserved, or in the queue"
        if flight.is_recording or spent < FLIGHT_SECONDS_MAX:
            return
        flight.fault = flight.dispatch.overdue()
        if spent * 1000 >= flight.plan.statement_ms:
            flight.reason = Reason.TIMEOUT
        if flight.sent or flight.fault is not None or flight.reason is not None:
            self._land()

    def _land(self) -> None:
        flight = self._leave()
        self._note_end(flight)
        prepared = flight.plan.prepared
        if flight.text is not None:
            prepared = self._varied(prepared, flight.text, flight.values)
        self._workspace.trace = prepared.trace
        flight.portal = Portal("", prepared, formats=flight.way.formats)
        under_way = None if flight.dispatch is None else flight.dispatch.surrender()
        if under_way is not None:
            flight.portal.under_way = under_way
            self._workspace.upstream.adopt(flight.plan.source_name, under_way.connection)
        self._edge.hand_over(flight)

    def _varied(self, prepared: Prepared, text: str, values: tuple[bytes, ...]) -> Prepared:
        """The statement of a text that is like that of `prepared`."""
        (statement,) = parse(text)
        assert prepared.decided is not None, "it ran before"
        decided = self._decider.varied(prepared.decided, statement, values)
        return replace(prepared, statement=statement, decided=decided)

    def _leave(self) -> Flight:
        flight, self._flight = self._flight, None
        assert flight is not None, "asked by one"
        return flight

    def _note_end(self, flight: Flight) -> None:
        """What the messages do beside running: the unnamed statement is another now."""
        if flight.is_simple:
            self._workspace.statements.remove("")
        elif flight.told.startswith(PARSED):
            self._workspace.statements.add("", flight.plan.prepared)

    # Learning

    def learn_bound(self, portal: Portal, parsed: Parse | None) -> None:
        """A portal has run to its end. `parsed` is the message that made an unnamed statement."""
        prepared = portal.prepared
        if parsed is None:
            known, key = self._named, prepared.name.encode()
        else:
            known, key = self._parsed, parsed.encode()
        self._learn(known, key, prepared, portal.formats)

    def learn_query(self, text: str, prepared: Prepared) -> None:
        """A simple query of one statement has run to its end."""
        if not self._learn_lookalike(text, prepared):
            self._learn(self._queries, Query(text).encode(), prepared, ())

    def _learn_lookalike(self, text: str, prepared: Prepared) -> bool:
        """Learn to know others by it; False where that cannot be."""
        shape = None if prepared.statement.kind is not Kind.QUERY else shape_of(text)
        if shape is None or prepared.decided is None:
            return False
        template = lift(prepared.statement)
        if template is None or not self._decider.is_templated(prepared.decided):
            return False
        found = recipe(text, shape, template)
        if found is None:
            return False
        key = shape.skeleton.encode()
        if not self._is_seen(key):
            return True
        with suppress(Fault):  # there is no express way for it
            plan = self._plan(prepared, has_text=False)
            if plan is not None:
                plan.add_way((), self._session)
                start = prepared.statement.offset
                plan.margins = (start, len(text) - start - len(prepared.statement.text))
                self._lookalikes.add(shape, found, plan)
        return True

    def _is_seen(self, key: bytes) -> bool:
        """Whether it came before. Most texts never come again; what does is learnt then."""
        if key in self._seen and self._session.transaction.is_alone:
            return True
        if len(self._seen) >= PLANS_MAX:
            self._seen.clear()
        self._seen.add(key)
        return False

    def _learn(
        self, known: dict[bytes, Plan], key: bytes, prepared: Prepared, formats: tuple[int, ...]
    ) -> None:
        session = self._session
        is_named = known is self._named
        if not (session.transaction.is_alone if is_named else self._is_seen(key)):
            return
        plan = known.get(key)
        try:
            holds = plan is not None and plan.holds(session, self._decider, self._clock())
            if plan is None or not holds or plan.prepared is not prepared:
                plan = self._plan(prepared)
            if plan is not None:
                plan.add_way(formats, session)
        except Fault:
            return  # there is no express way for it, and its own has told what is wrong
        if plan is None or not plan.ways:
            return
        if len(known) >= PLANS_MAX:
            known.clear()
        known[key] = plan

    def _plan(self, prepared: Prepared, *, has_text: bool = True) -> Plan | None:
        session, decided = self._session, prepared.decided
        if prepared.statement.kind is not Kind.QUERY or decided is None or prepared.fields is None:
            return None
        standing = self._decider.standing(session, decided)
        source = self._workspace.upstream.find(decided.source)
        milliseconds = session.statement_ms_max()
        if (
            standing is None
            or not isinstance(source, ExpressSource)
            or milliseconds < FLIGHT_SECONDS_MAX * 1000
        ):
            return None
        intent = self._recorder.form_of_intent(
            session,
            prepared.statement,
            decided,
            self._decider.revision,
            trace=prepared.trace,
            has_text=has_text,
        )
        values = () if standing.arguments is None else standing.arguments.values
        return Plan(
            prepared,
            standing,
            decided.source,
            source,
            intent,
            milliseconds,
            session.settings.layers,
            b"".join(map(value, values)),
        )

    async def close(self) -> None:
        """The session is over. What is still under way is given up."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        flight, self._flight = self._flight, None
        if flight is None or flight.dispatch is None:
            return
        under_way = flight.dispatch.surrender()
        if under_way is not None:
            # `Workspace.close` gives it back: it is cancelled there, and closed if need be.
            self._workspace.upstream.adopt(flight.plan.source_name, under_way.connection)
        if flight.intent:
            run = Run(flight.intent, self._recorder, self._session, flight.plan.prepared)
            await run.finish(Fault("interrupted", sqlstate=QUERY_CANCELED))
