"""A server's results and COPY: vectors, round trips, a hostile server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import backend
from proxy.wire.errors import MalformedMessage, ProtocolViolation, UnencodableMessage
from tests.proxy.wire import strategies

VECTORS = [
    (backend.ReadyForQuery(b"T"), b"Z\0\0\0\x05T"),
    (
        backend.RowDescription((backend.FieldDescription("n", 16400, 2, 23, 4, -1, 1),)),
        b"T\0\0\0\x1a\0\x01n\0\0\0\x40\x10\0\x02\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01",
    ),
    (backend.DataRow((b"1", None, b"")), b"D\0\0\0\x13\0\x03\0\0\0\x011\xff\xff\xff\xff\0\0\0\0"),
    (backend.DataRow(()), b"D\0\0\0\x06\0\0"),
    (backend.CommandComplete("SELECT 1"), b"C\0\0\0\x0dSELECT 1\0"),
    (backend.EmptyQueryResponse(), b"I\0\0\0\x04"),
    (backend.ParseComplete(), b"1\0\0\0\x04"),
    (backend.BindComplete(), b"2\0\0\0\x04"),
    (backend.CloseComplete(), b"3\0\0\0\x04"),
    (backend.NoData(), b"n\0\0\0\x04"),
    (backend.PortalSuspended(), b"s\0\0\0\x04"),
    (backend.ParameterDescription((23, 25)), b"t\0\0\0\x0e\0\x02\0\0\0\x17\0\0\0\x19"),
    (backend.CopyOutResponse(1, (1, 1)), b"H\0\0\0\x0b\x01\0\x02\0\x01\0\x01"),
    (backend.CopyInResponse(0, (0,)), b"G\0\0\0\x09\0\0\x01\0\0"),
    (backend.CopyData(b"x\n"), b"d\0\0\0\x06x\n"),
    (backend.CopyDone(), b"c\0\0\0\x04"),
]


@pytest.mark.parametrize(("message", "encoded"), VECTORS, ids=lambda item: str(item)[:40])
def test_vectors_both_ways(message: backend.BackendMessage, encoded: bytes) -> None:
    assert message.encode() == encoded
    assert backend.DECODERS[encoded[0]](encoded[5:]) == message


@given(strategies.backend_messages)
def test_decode_reverses_encode(message: backend.BackendMessage) -> None:
    encoded = message.encode()

    assert encoded[:1] == message.TYPE
    assert int.from_bytes(encoded[1:5], "big") == len(encoded) - 1
    assert backend.DECODERS[encoded[0]](encoded[5:]) == message


@given(st.sampled_from(sorted(backend.DECODERS)), st.binary(max_size=60))
def test_garbage_is_a_message_or_the_documented_error(message_type: int, body: bytes) -> None:
    outcome: backend.BackendMessage | ProtocolViolation
    try:
        outcome = backend.DECODERS[message_type](body)
    except ProtocolViolation as violation:
        outcome = violation

    if isinstance(outcome, ProtocolViolation):
        assert outcome.sqlstate in ("08P01", "22021", "0A000")
    else:
        assert outcome.encode()[5:] == body


@pytest.mark.parametrize(
    ("message_type", "body"),
    [
        ("D", b"\0\x01\xff\xff\xff\xfe"),  # a negative length that is not NULL
        ("D", b"\0\x01\x7f\xff\xff\xff"),
        ("D", b"\0\x02\0\0\0\x011"),  # fewer columns than counted
        ("D", b"\0\x01\0\0\0\x011x"),
        ("D", b"\xff\xff"),
        ("T", b"\0\x01n\0\0\0"),
        ("T", b"\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x02"),
        ("t", b"\xff\xff\0\0\0\x17"),
        ("Z", b"X"),
        ("Z", b""),
        ("C", b"SELECT 1"),
        ("H", b"\x02\0\0"),
        ("G", b""),
        ("1", b"x"),
    ],
)
def test_a_hostile_server_is_refused(message_type: str, body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        backend.DECODERS[ord(message_type)](body)


def test_rows_are_not_in_the_repr() -> None:
    assert "secret" not in repr(backend.DataRow((b"secret",)))


def test_too_many_columns_cannot_be_written() -> None:
    with pytest.raises(UnencodableMessage):
        backend.DataRow((None,) * 65_536).encode()
