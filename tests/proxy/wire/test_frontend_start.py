"""What a client sends before a session: vectors, round trips, secrets that no repr shows."""

from __future__ import annotations

import pytest
from hypothesis import given

from proxy.wire import frontend
from proxy.wire.errors import MalformedMessage, UnencodableMessage
from tests.proxy.wire import strategies

PACKETS = [
    (
        frontend.StartupMessage((3, 0), {"user": "ann", "database": "shop"}),
        b"\0\0\0\x20\0\x03\0\0user\0ann\0database\0shop\0\0",
    ),
    (frontend.SSLRequest(), b"\0\0\0\x08\x04\xd2\x16\x2f"),
    (frontend.GSSENCRequest(), b"\0\0\0\x08\x04\xd2\x16\x30"),
    (
        frontend.CancelRequest(-2, b"\x01\x02\x03\x04"),
        b"\0\0\0\x10\x04\xd2\x16\x2e\xff\xff\xff\xfe\x01\x02\x03\x04",
    ),
]


@pytest.mark.parametrize(("message", "encoded"), PACKETS, ids=lambda item: str(item)[:20])
def test_packets(message: frontend.FrontendMessage, encoded: bytes) -> None:
    assert message.encode() == encoded


PROOFS = [
    (frontend.PasswordMessage("pä"), b"p\0\0\0\x08p\xc3\xa4\0"),
    (
        frontend.SASLInitialResponse("SCRAM-SHA-256", b"n,,"),
        b"p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\x03n,,",
    ),
    (frontend.SASLInitialResponse("X", None), b"p\0\0\0\x0aX\0\xff\xff\xff\xff"),
    (frontend.SASLResponse(b"c="), b"p\0\0\0\x06c="),
]


@pytest.mark.parametrize(("message", "encoded"), PROOFS, ids=lambda item: str(item)[:30])
def test_proofs_both_ways(message: frontend.FrontendMessage, encoded: bytes) -> None:
    assert message.encode() == encoded
    assert type(message).decode(encoded[5:]) == message  # type: ignore[attr-defined]


@given(strategies.password_messages | strategies.sasl_initial_responses | strategies.sasl_responses)
def test_decode_reverses_encode(message: frontend.FrontendMessage) -> None:
    assert type(message).decode(message.encode()[5:]) == message  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (frontend.PasswordMessage.decode, b""),
        (frontend.PasswordMessage.decode, b"a\0b\0"),
        (frontend.SASLInitialResponse.decode, b"SCRAM-SHA-256\0\0\0\0\x09n,,"),
        (frontend.SASLInitialResponse.decode, b"SCRAM-SHA-256\0\xff\xff\xff\xfen,,"),
        (frontend.SASLInitialResponse.decode, b"SCRAM-SHA-256\0\0\0\0\x01n,,"),
    ],
)
def test_proofs_that_do_not_add_up_are_refused(decode: object, body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(body)  # type: ignore[operator]


@pytest.mark.parametrize("size", [0, 3, 257])
def test_a_cancel_key_has_4_to_256_bytes(size: int) -> None:
    with pytest.raises(UnencodableMessage):
        frontend.CancelRequest(1, bytes(size)).encode()


def test_a_startup_parameter_needs_a_name() -> None:
    with pytest.raises(UnencodableMessage):
        frontend.StartupMessage((3, 0), {"": "x"}).encode()


def test_no_secret_is_in_a_repr() -> None:
    for message in (
        frontend.PasswordMessage("hunter2"),
        frontend.SASLInitialResponse("SCRAM-SHA-256", b"hunter2"),
        frontend.SASLResponse(b"hunter2"),
        frontend.CancelRequest(1, b"hunter2"),
    ):
        assert "hunter2" not in repr(message)
        assert "hunter2" not in str(message)
