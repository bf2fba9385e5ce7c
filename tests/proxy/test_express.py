"""The express lane alone, its surroundings played: what happens between two steps of a flight.

What it does with a real gate and a real source is told in `tests/live/test_express.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.decision import Standing
from proxy.express import ExpressLane, Flight
from proxy.express_plan import Plan
from proxy.faults import Fault, LimitFault, SourceFault
from proxy.interrupt import Interrupter, Reason
from proxy.runtime.audit import AuditFault, Form
from proxy.sources.express import Answered, UnderWay
from proxy.sql.parse import Kind, Statement
from proxy.sql.plan import Fragment
from proxy.wire.backend import FieldDescription
from proxy.wire.frontend import Bind, Execute, FrontendMessage, Query, Sync
from proxy.workspace import Portal, Prepared, Workspace
from tests.proxy.doubles import make_session

RUN = Bind("", "s").encode() + Execute("", 0).encode() + Sync().encode()


@dataclass
class PlayedOrder:
    def body(self, formats: bytes, values: bytes, results: bytes) -> bytes:
        return formats + values + results


@dataclass
class PlayedDispatch:
    is_reserved: bool
    sent: list[bytes] = field(default_factory=list)
    fault: Fault | None = None
    late: Fault | None = None
    is_surrendered: bool = False
    connection: Any = None

    def overdue(self) -> Fault | None:
        return self.late

    def send(self, body: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        self.sent.append(body)

    def surrender(self) -> UnderWay | None:
        self.is_surrendered = True
        return self if self.sent else None  # type: ignore[return-value]


@dataclass
class PlayedSource:
    """Implements ExpressSource; `next` is what the next dispatch gets."""

    next: PlayedDispatch | None

    def order(
        self, fragment: Fragment, pins: Mapping[str, str], result_formats: tuple[int, ...]
    ) -> PlayedOrder:
        return PlayedOrder()

    def dispatch(
        self, order: object, receiver: Answered, *, principal: Hashable = None
    ) -> PlayedDispatch | None:
        return self.next


@dataclass
class PlayedRecorder:
    """Puts nothing on record until it is told to."""

    is_writable: bool = True
    tracer: None = None
    pending: list[Callable[[int, AuditFault | None], None]] = field(default_factory=list)
    outcomes: list[int] = field(default_factory=list)
    ended_with: list[str | None] = field(default_factory=list)

    def post_intent(
        self, record: bytes, source: str, then: Callable[[int, AuditFault | None], None]
    ) -> None:
        self.pending.append(then)

    def post_outcome(self, intent: int, *_: object) -> None:
        self.outcomes.append(intent)

    async def ended(self, intent: int, outcome: Any) -> None:
        self.ended_with.append(outcome.sqlstate)


@dataclass
class PlayedEdge:
    written: bytes = b""
    unread: bytes = b""
    handed: list[FrontendMessage] = field(default_factory=list)
    landings: int = 0

    def write_now(self, data: bytes) -> None:
        self.written += data

    def give_back(self, data: bytes) -> None:
        self.unread += data

    def hand_over(self, flight: FrontendMessage) -> None:
        self.handed.append(flight)

    def landed(self) -> None:
        self.landings += 1


class Stage:
    """A lane that knows the statement `s` by heart."""

    def __init__(self, *, is_reserved: bool = True, statement_ms: int = 60_000) -> None:
        self.now = 1000.0
        self.dispatch = PlayedDispatch(is_reserved)
        self.source = PlayedSource(self.dispatch)
        self.recorder = PlayedRecorder()
        self.edge = PlayedEdge()
        self.decider = SimpleNamespace(epoch=object())
        self.workspace = Workspace(make_session(), {})
        self.interrupter = Interrupter(self.workspace.upstream.cancel)
        gate: Any = SimpleNamespace(decider=self.decider, recorder=self.recorder)
        self.lane = ExpressLane(self.edge, self.workspace, gate, self.interrupter, lambda: self.now)
        statement = Statement("SELECT 1", 0, None, Kind.QUERY)
        fields = (FieldDescription("a", 0, 0, 25, -1),)
        prepared = Prepared("s", statement, fields=fields)
        self.workspace.statements.add("s", prepared)
        self.plan = Plan(
            prepared,
            Standing(self.decider.epoch, 2000.0, Fragment("main", "SELECT 1"), None),
            "main",
            self.source,
            Form({"metadata": {"sequence": 0}}),
            statement_ms,
            self.workspace.session.settings.layers,
        )
        self.plan = self._formed(self.plan)
        self.plan.add_way((), self.workspace.session)
        self.lane._named[b"s"] = self.plan

    @staticmethod
    def _formed(plan: Plan) -> Plan:
        from proxy.runtime.audit import Slot

        plan.intent = Form({"metadata": {"sequence": 0}, "time": Slot("%d")})
        return plan

    def record(self, number: int = 7, fault: AuditFault | None = None) -> None:
        (then,) = self.recorder.pending
        self.recorder.pending.clear()
        then(number, fault)

    @property
    def flight(self) -> Flight:
        (flight,) = self.edge.handed
        assert isinstance(flight, Flight)
        return flight


async def test_nothing_is_sent_before_its_intent_is_recorded() -> None:
    stage = Stage()
    assert stage.lane.take(RUN)
    assert stage.lane.is_flying
    assert stage.dispatch.sent == []
    stage.record()
    assert len(stage.dispatch.sent) == 1
    stage.lane.answered(b"rows", 1, 4)
    assert stage.recorder.outcomes == [7]
    assert stage.edge.written.endswith(b"rows")
    assert stage.edge.landings == 1
    assert not stage.lane.is_flying
    await stage.lane.close()


async def test_a_refused_intent_is_landed_unsent() -> None:
    stage = Stage()
    assert stage.lane.take(RUN)
    stage.record(0, AuditFault("full"))
    assert stage.dispatch.sent == []
    assert stage.dispatch.is_surrendered
    assert isinstance(stage.flight.fault, AuditFault)
    assert not stage.lane.is_flying


async def test_a_lost_connection_is_landed_with_its_fault() -> None:
    stage = Stage()
    stage.dispatch.fault = SourceFault("gone", sqlstate="08006")
    assert stage.lane.take(RUN)
    stage.record()
    assert stage.flight.fault is stage.dispatch.fault
    assert stage.flight.intent == 7


@pytest.mark.parametrize("reason", list(Reason))
async def test_an_interrupt_before_the_record_stops_it_unsent(reason: Reason) -> None:
    stage = Stage()
    assert stage.lane.take(RUN)
    stage.interrupter.interrupt(reason)
    assert stage.edge.handed == [], "its intent is being written: it must get its outcome"
    stage.record()
    assert stage.dispatch.sent == []
    assert stage.flight.reason is reason
    assert stage.flight.intent == 7


async def test_an_interrupt_in_flight_is_landed_with_what_was_sent() -> None:
    stage = Stage()
    assert stage.lane.take(RUN)
    stage.record()
    stage.interrupter.interrupt(Reason.USER)
    flight = stage.flight
    assert flight.reason is Reason.USER
    assert flight.portal is not None
    assert flight.portal.under_way is stage.dispatch
    stage.interrupter.interrupt(Reason.USER)
    assert len(stage.edge.handed) == 1


async def test_an_interrupt_without_a_flight_is_forgotten() -> None:
    stage = Stage()
    stage.interrupter.interrupt(Reason.USER)
    assert stage.lane.take(RUN)
    stage.record()
    assert stage.edge.handed == []


async def test_in_the_queue_nothing_is_recorded() -> None:
    stage = Stage(is_reserved=False)
    assert stage.lane.take(RUN)
    assert stage.recorder.pending == []
    stage.dispatch.is_reserved = True
    stage.lane.granted()
    stage.record()
    assert len(stage.dispatch.sent) == 1


@pytest.mark.parametrize("change", ["policy", "time", "setting", "log", "none free"])
async def test_what_changed_in_the_queue_goes_the_usual_way(change: str) -> None:
    stage = Stage(is_reserved=False)
    assert stage.lane.take(RUN)
    match change:
        case "policy":
            stage.decider.epoch = object()
        case "time":
            stage.now = 2000.0
        case "setting":
            stage.workspace.session.settings.set("TimeZone", "UTC", is_local=False)
        case "log":
            stage.recorder.is_writable = False
    if change == "none free":
        stage.lane.given_up()
    else:
        stage.lane.granted()
    assert stage.edge.unread == RUN
    assert stage.dispatch.is_surrendered
    assert stage.recorder.pending == []
    assert stage.lane.messages == 0


@pytest.mark.parametrize(
    "change", ["policy", "time", "setting", "log", "source", "block", "portal"]
)
async def test_what_does_not_hold_is_not_taken(change: str) -> None:
    stage = Stage()
    match change:
        case "policy":
            stage.decider.epoch = object()
        case "time":
            stage.now = 2000.0
        case "setting":
            stage.workspace.session.settings.set("TimeZone", "UTC", is_local=False)
        case "log":
            stage.recorder.is_writable = False
        case "source":
            stage.source.next = None
        case "block":
            stage.workspace.session.transaction.begin()
        case "portal":
            stage.workspace.portals.add("p", Portal("p", stage.plan.prepared))
    assert not stage.lane.take(RUN)
    assert not stage.lane.is_flying
    assert stage.recorder.pending == []


UNKNOWN = {
    "another statement": Bind("", "t").encode() + Execute("", 0).encode() + Sync().encode(),
    "another portal": Bind("p", "s").encode() + Execute("p", 0).encode() + Sync().encode(),
    "an unknown query": Query("SELECT 1").encode(),
    "a sync": Sync().encode(),
    "half a message": RUN[:7],
    "one byte": b"B",
    "a parse": b"P",
}


@pytest.mark.parametrize("data", UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_what_is_not_known_is_not_taken(data: bytes) -> None:
    assert not Stage().lane.take(data)


async def test_a_statement_that_was_replaced_is_not_known() -> None:
    stage = Stage()
    stage.workspace.statements.remove("s")
    assert not stage.lane.take(RUN)
    stage.workspace.statements.add("s", Prepared("s", stage.plan.prepared.statement))
    assert not stage.lane.take(RUN)


async def test_what_takes_long_is_landed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.express.FLIGHT_SECONDS_MAX", 0.02)
    stage = Stage()
    assert stage.lane.take(RUN)
    stage.record()
    await asyncio.sleep(0.1)
    assert stage.flight.reason is None
    assert stage.flight.fault is None
    await stage.lane.close()


async def test_who_queues_for_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.express.FLIGHT_SECONDS_MAX", 0.02)
    stage = Stage(is_reserved=False)
    assert stage.lane.take(RUN)
    await asyncio.sleep(0.1)
    assert stage.edge.handed == [], "the queue has a limit of its own"
    stage.dispatch.late = LimitFault("too long", sqlstate="53300")
    await asyncio.sleep(0.1)
    assert stage.flight.fault is stage.dispatch.late
    await stage.lane.close()


async def test_the_time_limit_counts_in_the_queue_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.express.FLIGHT_SECONDS_MAX", 0.02)
    stage = Stage(is_reserved=False, statement_ms=50)
    assert stage.lane.take(RUN)
    await asyncio.sleep(0.2)
    assert stage.flight.reason is Reason.TIMEOUT
    await stage.lane.close()


async def test_a_session_that_ends_gives_up_its_flight() -> None:
    stage = Stage()
    assert stage.lane.take(RUN)
    stage.record()
    await stage.lane.close()
    assert stage.dispatch.is_surrendered
    assert stage.recorder.ended_with == ["57014"]
    assert "is_flying=False" in repr(stage.lane)


async def test_a_record_that_comes_after_the_end_sends_nothing() -> None:
    stage = Stage()
    assert stage.lane.take(RUN)
    await stage.lane.close()
    stage.record()
    assert stage.dispatch.sent == []
