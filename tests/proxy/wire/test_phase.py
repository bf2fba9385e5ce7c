"""The tables of the state machine: what each row says, and what no row says."""

from __future__ import annotations

import pytest

from proxy.wire import backend, phase
from proxy.wire.errors import UnsupportedMessage
from proxy.wire.limits import (
    PASSWORD_MESSAGE_BYTES_MAX,
    SASL_MESSAGE_BYTES_MAX,
    SMALL_MESSAGE_BYTES_MAX,
)
from proxy.wire.phase import Phase

LARGE = 1_000_000

# By phase: the type bytes returned, and those read and dropped.
EXPECTED = {
    Phase.AUTHENTICATION: (b"", b""),
    Phase.PASSWORD: (b"p", b""),
    Phase.SASL_INITIAL: (b"p", b""),
    Phase.SASL_RESPONSE: (b"p", b""),
    Phase.SESSION: (b"QPBDCEHSX", b""),
    Phase.SKIPPING: (b"SX", b"QPBDCEHdcf"),
    Phase.COPY_IN: (b"dcfX", b"HS"),
    Phase.COPY_ENDED: (b"QPBDCEHSX", b"dcf"),
}


@pytest.mark.parametrize("state", list(Phase), ids=lambda state: state.name)
def test_each_phase_accepts_exactly_its_row(state: Phase) -> None:
    rules = phase.frontend_rules(LARGE)[state]
    bounds, decoders = rules.bounds, rules.decoders

    if state not in EXPECTED:
        assert bounds is None
        return
    assert bounds is not None
    returned, dropped = EXPECTED[state]
    assert set(bounds) == set(returned + dropped)
    assert {kind for kind, decode in decoders.items() if decode is not None} == set(returned)


def test_no_phase_accepts_the_fast_path() -> None:
    for rules in phase.frontend_rules(LARGE).values():
        assert ord("F") not in (rules.bounds or {})
        assert ord("F") not in rules.decoders


def test_limits_by_type() -> None:
    tables = phase.frontend_rules(LARGE)

    assert tables[Phase.PASSWORD].bounds == {ord("p"): PASSWORD_MESSAGE_BYTES_MAX}
    assert tables[Phase.SASL_INITIAL].bounds == {ord("p"): SASL_MESSAGE_BYTES_MAX}
    session = tables[Phase.SESSION].bounds
    assert session is not None
    assert {chr(kind) for kind, limit in session.items() if limit == LARGE} == set("QPB")
    assert {limit for kind, limit in session.items() if kind not in b"QPB"} == {
        SMALL_MESSAGE_BYTES_MAX
    }


def test_every_transition_starts_from_a_type_that_its_phase_accepts() -> None:
    tables = phase.frontend_rules(LARGE)
    for (state, message_type), following in phase.AFTER_RECEIVED.items():
        bounds = tables[state].bounds
        assert bounds is not None
        assert message_type in bounds
        assert following is not state


def test_closed_is_final() -> None:
    assert all(state is not Phase.CLOSED for state, _ in phase.AFTER_RECEIVED)
    assert all(state is not Phase.CLOSED for state, _ in phase.AFTER_SENT)


def test_a_session_is_reached_only_by_authentication_ok() -> None:
    entering = {
        message for (state, message), following in phase.AFTER_SENT.items()
        if following in phase.AUTHENTICATED and state not in phase.AUTHENTICATED
    }  # fmt: skip
    received = {
        state for (state, _), following in phase.AFTER_RECEIVED.items()
        if following in phase.AUTHENTICATED and state not in phase.AUTHENTICATED
    }  # fmt: skip

    assert entering == {backend.AuthenticationOk}
    assert not received


@pytest.mark.parametrize(
    ("state", "message_type", "words"),
    [
        (Phase.SESSION, "F", "the function call protocol is not supported"),
        (Phase.SESSION, "d", "unexpected frontend message type 100"),
        (Phase.SESSION, "!", "invalid frontend message type 33"),
        (Phase.PASSWORD, "Q", "expected password response, got message type 81"),
        (Phase.AUTHENTICATION, "F", "expected password response, got message type 70"),
    ],
)
def test_refusals_say_which_type(state: Phase, message_type: str, words: str) -> None:
    violation = phase.refuse_frontend_type(state, ord(message_type))

    assert violation.message == words
    assert violation.sqlstate == ("0A000" if isinstance(violation, UnsupportedMessage) else "08P01")


def test_a_server_may_send_little_before_authentication() -> None:
    assert frozenset(b"REvN") == phase.BACKEND_TYPES_BEFORE_AUTHENTICATION
    assert ord("v") not in phase.BACKEND_TYPES
    # Replication, the fast path's answer.
    assert not frozenset(b"WV") & phase.BACKEND_TYPES
    assert "unexpected" in phase.refuse_backend_type(ord("d")).message
    assert "invalid" in phase.refuse_backend_type(ord("W")).message


def test_copy_data_has_a_bound_only_while_copying() -> None:
    assert ord("d") not in phase.backend_bounds(LARGE, is_copying=False)
    assert phase.backend_bounds(LARGE, is_copying=True)[ord("d")] == LARGE
    assert set(phase.BOUNDS_BEFORE_AUTHENTICATION.values()) == {30_000}
