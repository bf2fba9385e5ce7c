"""A client's messages: vectors from the documentation's layouts, round trips, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import frontend
from proxy.wire.errors import MalformedMessage, UnencodableMessage
from proxy.wire.limits import NAME_BYTES_MAX
from tests.proxy.wire import strategies

VECTORS = [
    (frontend.Query("SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0"),
    (frontend.Query(""), b"Q\0\0\0\x05\0"),
    (frontend.Parse("s", "SELECT $1", (23,)), b"P\0\0\0\x16s\0SELECT $1\0\0\x01\0\0\0\x17"),
    (frontend.Parse("", "", ()), b"P\0\0\0\x08\0\0\0\0"),
    (
        frontend.Bind("p", "s", (1,), (b"ab", None), (0, 1)),
        b"B\0\0\0\x1ep\0s\0" + b"\0\x01\0\x01" + b"\0\x02" + b"\0\0\0\x02ab" + b"\xff\xff\xff\xff"
        b"\0\x02\0\0\0\x01",
    ),
    (frontend.Bind("", ""), b"B\0\0\0\x0c\0\0\0\0\0\0\0\0"),
    (frontend.Describe(b"S", "s"), b"D\0\0\0\x07Ss\0"),
    (frontend.Describe(b"P", ""), b"D\0\0\0\x06P\0"),
    (frontend.Close(b"P", "p"), b"C\0\0\0\x07Pp\0"),
    (frontend.Execute("p", 5), b"E\0\0\0\x0ap\0\0\0\0\x05"),
    (frontend.Flush(), b"H\0\0\0\x04"),
    (frontend.Sync(), b"S\0\0\0\x04"),
    (frontend.Terminate(), b"X\0\0\0\x04"),
    (frontend.CopyData(b"1\tx\n"), b"d\0\0\0\x081\tx\n"),
    (frontend.CopyDone(), b"c\0\0\0\x04"),
    (frontend.CopyFail("no"), b"f\0\0\0\x07no\0"),
    (
        frontend.FunctionCall(1598, (), (b"1",), 0),
        b"F\0\0\0\x13\0\0\x06\x3e\0\0\0\x01\0\0\0\x011\0\0",
    ),
]


@pytest.mark.parametrize(("message", "encoded"), VECTORS, ids=lambda item: str(item)[:40])
def test_vectors_both_ways(message: frontend.FrontendMessage, encoded: bytes) -> None:
    assert message.encode() == encoded
    assert type(message).decode(encoded[5:]) == message  # type: ignore[attr-defined]


def decoded(
    kind: type[frontend.FrontendMessage], body: bytes
) -> frontend.FrontendMessage | MalformedMessage:
    """Decode, and return the documented error instead of raising it; any other error escapes."""
    try:
        message: frontend.FrontendMessage = kind.decode(body)  # type: ignore[attr-defined]
    except MalformedMessage as error:
        return error
    return message


every_typed_message = st.one_of(
    strategies.session_messages, strategies.copy_messages, strategies.function_calls
)


@given(every_typed_message)
def test_decode_reverses_encode(message: frontend.FrontendMessage) -> None:
    encoded = message.encode()

    assert encoded[:1] == message.TYPE
    assert int.from_bytes(encoded[1:5], "big") == len(encoded) - 1
    assert type(message).decode(encoded[5:]) == message  # type: ignore[attr-defined]


@given(every_typed_message, st.data())
def test_a_body_cut_short_or_prolonged_is_refused_or_another_message(
    message: frontend.FrontendMessage, data: st.DataObject
) -> None:
    body = message.encode()[5:]
    size = data.draw(st.integers(0, len(body)))
    for changed in (body[:size], body + b"\0", body + b"x"):
        outcome = decoded(type(message), changed)
        if isinstance(outcome, MalformedMessage):
            assert outcome.message_type == message.TYPE
        else:
            assert outcome.encode()[5:] == changed


KINDS = (
    *(frontend.Query, frontend.Parse, frontend.Bind, frontend.Describe, frontend.Close),
    *(frontend.Execute, frontend.Flush, frontend.Sync, frontend.Terminate),
    *(frontend.FunctionCall, frontend.CopyData, frontend.CopyDone, frontend.CopyFail),
)


@given(st.binary(max_size=60))
def test_garbage_is_a_message_or_the_documented_error(body: bytes) -> None:
    for kind in KINDS:
        outcome = decoded(kind, body)
        if isinstance(outcome, MalformedMessage):
            assert outcome.sqlstate in ("08P01", "22021", "42622")
        else:
            assert type(outcome) is kind


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (frontend.Query.decode, b""),
        (frontend.Query.decode, b"SELECT 1"),
        (frontend.Query.decode, b"SELECT\0 1\0"),  # what follows a NUL would be decided by none
        (frontend.Query.decode, b"SELECT 1\0\0"),
        (frontend.Parse.decode, b"s\0SELECT 1\0\0\x02\0\0\0\x17"),
        (frontend.Parse.decode, b"s\0SELECT 1\0\0\0x"),
        (frontend.Parse.decode, b"s\0SELECT 1\0\xff\xff"),
        (frontend.Bind.decode, b"\0\0\0\0\0\x01\0\0\0\x05ab\0\0"),
        (frontend.Bind.decode, b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
        (frontend.Bind.decode, b"\0\0\0\0\0\x01\x80\0\0\0\0\0"),
        (frontend.Bind.decode, b"\0\0\0\x01\0\x02\0\0\0\0"),
        (frontend.Bind.decode, b"\0\0\0\0\0\0\0\x01\0\x07"),
        (frontend.Bind.decode, b"\0\0\0\0\xff\xff\0\0"),
        (frontend.Bind.decode, b"\0\0\0\0\0\0\0\0\0"),
        (frontend.Describe.decode, b"Xname\0"),
        (frontend.Describe.decode, b"Sname"),
        (frontend.Close.decode, b""),
        (frontend.Execute.decode, b"p\0\0\0\0"),
        (frontend.Execute.decode, b"p\0q\0\0\0\0\0"),
        (frontend.FunctionCall.decode, b"\0\0\0\x01\0\0\0\0\0\x05"),
        (frontend.CopyFail.decode, b"no end"),
    ],
)
def test_bodies_that_do_not_add_up_are_refused(decode: object, body: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(body)  # type: ignore[operator]

    assert caught.value.sqlstate == "08P01"


def test_bind_counts_formats_in_postgres_words() -> None:
    body = b"\0\0" + b"\0\x02\0\0\0\0" + b"\0\x01\0\0\0\x011" + b"\0\0"

    with pytest.raises(MalformedMessage) as caught:
        frontend.Bind.decode(body)
    assert caught.value.message == "bind message has 2 parameter formats but 1 parameters"


@pytest.mark.parametrize(
    "message",
    [
        frontend.Parse("n" * (NAME_BYTES_MAX + 1), ""),
        frontend.Bind("n" * (NAME_BYTES_MAX + 1), ""),
        frontend.Bind("", "é" * (NAME_BYTES_MAX // 2 + 1)),
        frontend.Execute("n" * (NAME_BYTES_MAX + 1)),
        frontend.Describe(b"S", "n" * (NAME_BYTES_MAX + 1)),
    ],
    ids=["Parse", "Bind portal", "Bind statement", "Execute", "Describe"],
)
def test_long_names_are_refused_where_they_enter(message: frontend.FrontendMessage) -> None:
    outcome = decoded(type(message), message.encode()[5:])

    assert isinstance(outcome, MalformedMessage)
    assert outcome.sqlstate == "42622"


@pytest.mark.parametrize(
    "body", [b"\xff\0", b"\xed\xa0\x80\0", b"\xc0\x80\0"], ids=["byte", "surrogate", "overlong"]
)
def test_text_must_be_utf8(body: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        frontend.Query.decode(body)

    assert caught.value.sqlstate == "22021"


def test_a_negative_row_limit_means_all_rows() -> None:
    assert frontend.Execute.decode(b"\0\xff\xff\xff\xff").row_max == 0


def test_parameters_are_not_in_the_repr() -> None:
    assert "secret" not in repr(frontend.Bind("", "s", (), (b"secret",)))
    assert "secret" not in repr(frontend.CopyData(b"secret"))


def test_too_many_parameters_cannot_be_written() -> None:
    with pytest.raises(UnencodableMessage):
        frontend.Bind("", "", (), (None,) * 65_536).encode()

    largest = frontend.Bind("", "", (), (None,) * 65_535)
    assert frontend.Bind.decode(largest.encode()[5:]) == largest
