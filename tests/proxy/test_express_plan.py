"""Reading the messages that a session knows by heart, and knowing when it no longer does."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Standing
from proxy.express_plan import Plan, Way, encoded_formats, read_bind
from proxy.runtime.audit import Form
from proxy.sources.express import Answered, Dispatch, Order
from proxy.sql.claim import ClaimSlot
from proxy.sql.parse import Kind, Statement
from proxy.sql.plan import Fragment
from proxy.wire.backend import BindComplete, FieldDescription, RowDescription
from proxy.wire.frontend import Bind, Describe, Execute, Flush, FrontendMessage, Sync
from proxy.workspace import Prepared
from tests.proxy.doubles import make_session

FIELD = FieldDescription("a", 0, 0, 25, -1)
DESCRIBED = [Describe(b"P", ""), Execute("", 0), Sync()]
PLAIN = [Execute("", 0), Sync()]


@dataclass
class EchoOrder:
    """Gives the parts back, readable."""

    formats: tuple[int, ...]

    def body(self, formats: bytes, values: bytes, results: bytes) -> bytes:
        return b"|".join((formats, values, results))


@dataclass
class EchoSource:
    refuses: bool = False
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def order(
        self, fragment: Fragment, pins: Mapping[str, str], result_formats: tuple[int, ...]
    ) -> Order | None:
        self.asked.append(result_formats)
        return None if self.refuses else EchoOrder(result_formats)

    def dispatch(
        self, order: Order, receiver: Answered, *, principal: Hashable = None
    ) -> Dispatch | None:
        raise NotImplementedError


@dataclass
class Epochs:
    """Stands for a decider: only its epoch is asked for."""

    epoch: object = field(default_factory=object)


def fragment(claims: int) -> Fragment:
    sql = "SELECT 1"
    slots = tuple(ClaimSlot(f"c{number}", "text", 25) for number in range(claims))
    made = replace(_EMPTY, sql=sql, claim_slots=slots)
    return made


_EMPTY = Fragment("main", "")


def plan(parameters: int, claims: int = 0, *, epoch: object = None, until: float = 1e12) -> Plan:
    statement = Statement("SELECT 1", 0, None, Kind.QUERY)
    prepared = Prepared("s", statement, parameter_oids=(25,) * parameters, fields=(FIELD,))
    session = make_session()
    made = Plan(
        prepared,
        Standing(epoch, until, fragment(claims), None),
        "main",
        EchoSource(),
        Form({"metadata": {"sequence": 0}}),
        1000,
        session.settings.layers,
    )
    made.add_way((), session)
    return made


def read(known: Plan, bind: Bind, rest: list[FrontendMessage]) -> tuple[Way, bytes, bool] | None:
    """As the lane does it: behind Bind's two names."""
    message = bind.encode()
    tail = b"".join(one.encode() for one in rest)
    names = 5 + len(bind.portal) + 1 + len(bind.statement) + 1
    return read_bind(known, message + tail, names, len(message))


@pytest.mark.parametrize(("rest", "is_described"), [(DESCRIBED, True), (PLAIN, False)])
def test_the_two_usual_forms_are_read(rest: list[FrontendMessage], is_described: bool) -> None:
    known = plan(2)
    found = read(known, Bind("", "s", (), (b"x", None), ()), rest)
    assert found is not None
    way, body, described = found
    assert described is is_described
    assert way.formats == ()
    assert body == b"\0\0|\0\0\0\1x\xff\xff\xff\xff|\0\0"
    description = RowDescription((FIELD,)).encode()
    assert way.bound == BindComplete().encode()
    assert way.bound_and_described == BindComplete().encode() + description


OTHERS: dict[str, list[FrontendMessage]] = {
    "no sync": [Execute("", 0)],
    "flush": [Execute("", 0), Flush()],
    "some rows": [Execute("", 5), Sync()],
    "another portal": [Execute("p", 0), Sync()],
    "the statement described": [Describe(b"S", ""), Execute("", 0), Sync()],
    "more": [*PLAIN, Sync()],
    "nothing": [],
}


@pytest.mark.parametrize("rest", OTHERS.values(), ids=OTHERS.keys())
def test_other_forms_are_not(rest: list[FrontendMessage]) -> None:
    assert read(plan(0), Bind("", "s"), rest) is None


def test_what_does_not_fit_is_not_read() -> None:
    assert read(plan(1), Bind("", "s", (), (b"1", b"2")), PLAIN) is None
    assert read(plan(1), Bind("", "s"), PLAIN) is None
    assert read(plan(2), Bind("", "s", (0, 0, 0), (b"1", b"2")), PLAIN) is None
    assert read(plan(2), Bind("", "s", (), (b"1", b"2"), (1,)), PLAIN) is None
    known = plan(2)
    known.add_way((1,), make_session())
    assert read(known, Bind("", "s", (), (b"1", b"2"), (1,)), PLAIN) is not None


def test_claims_are_text_whatever_the_client_sends() -> None:
    def formats_of(*codes: int, claims: int = 2) -> bytes:
        found = read(plan(3, claims), Bind("", "s", codes, (b"1", b"2", b"3")), PLAIN)
        assert found is not None
        return found[1].split(b"|")[0]

    assert formats_of() == b"\0\0"
    assert formats_of(0) == b"\0\0"
    assert formats_of(0, 0, 0) == b"\0\0"
    assert formats_of(1) == encoded_formats((1, 1, 1, 0, 0))
    assert formats_of(0, 1, 0) == encoded_formats((0, 1, 0, 0, 0))
    assert formats_of(1, claims=0) == encoded_formats((1,))
    assert formats_of(0, 1, 0, claims=0) == encoded_formats((0, 1, 0))


@given(st.integers(0, 60), st.binary(min_size=1, max_size=4))
def test_damage_is_never_an_exception(at: int, damage: bytes) -> None:
    known = plan(2, 1)
    message = bytearray(Bind("", "s", (1, 0), (b"abc", b"defg")).encode())
    tail = b"".join(one.encode() for one in DESCRIBED)
    at = min(at, len(message) - len(damage))
    message[at : at + len(damage)] = damage
    found = read_bind(known, bytes(message) + tail, 8, len(message))
    if found is not None:
        _, body, _ = found
        values = body.split(b"|", 1)[1]
        assert len(values) <= len(message)


def test_formats_kept_are_few() -> None:
    known, session = plan(0), make_session()
    for count in range(1, 40):
        known.add_way((1,) * count if count == 1 else (count % 2,), session)
    assert len(known.ways) <= 8


def test_a_source_may_refuse_a_way() -> None:
    known = plan(0)
    known.ways.clear()
    assert isinstance(known.source, EchoSource)
    known.source.refuses = True
    known.add_way((), make_session())
    assert not known.ways


def test_a_plan_holds_until_anything_changes() -> None:
    decider = Epochs()
    session = make_session()
    known = plan(0, epoch=decider.epoch, until=100.0)
    known.settings_layers = session.settings.layers
    holds = lambda now: known.holds(session, decider, now)  # type: ignore[arg-type] # noqa: E731
    assert holds(99.9)
    assert not holds(100.0)
    session.settings.set("TimeZone", "UTC", is_local=False)
    assert not holds(99.0)
    known.settings_layers = session.settings.layers
    assert holds(99.0)
    session.transaction.begin()
    session.settings.set("TimeZone", "Asia/Tokyo", is_local=True)
    assert not holds(99.0)
    session.transaction.finish(is_committed=True)
    assert holds(99.0)
    decider.epoch = object()
    assert not holds(99.0)
