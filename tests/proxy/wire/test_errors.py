"""The tree of failures: what is caught where, and what the other end is told."""

from __future__ import annotations

import pytest

from proxy.wire.errors import (
    AuthenticationFailure,
    InvalidValue,
    MalformedMessage,
    ProtocolViolation,
    UnencodableMessage,
    UnsupportedMessage,
    WireError,
)


@pytest.mark.parametrize(
    ("error", "sqlstate"),
    [
        (ProtocolViolation, "08P01"),
        (MalformedMessage, "08P01"),
        (UnsupportedMessage, "0A000"),
        (AuthenticationFailure, "28P01"),
        (InvalidValue, "22P02"),
        (UnencodableMessage, "XX000"),
    ],
)
def test_every_error_has_its_sqlstate(error: type[WireError], sqlstate: str) -> None:
    raised = error("a reason")

    assert (raised.message, raised.sqlstate, str(raised)) == ("a reason", sqlstate, "a reason")


def test_a_sqlstate_can_be_more_precise() -> None:
    assert InvalidValue("a reason", "22008").sqlstate == "22008"
    assert InvalidValue.sqlstate == "22P02"


def test_only_a_malformed_message_leaves_the_conversation_alive() -> None:
    assert ProtocolViolation("a reason").is_fatal
    assert UnsupportedMessage("a reason").is_fatal
    assert not MalformedMessage("a reason").is_fatal


def test_who_breaks_the_protocol_is_caught_by_one_name() -> None:
    assert issubclass(MalformedMessage, ProtocolViolation)
    assert issubclass(UnsupportedMessage, ProtocolViolation)
    assert not issubclass(UnencodableMessage, ProtocolViolation)
