"""Reading a body: every length is checked; writing one: nothing that reads back differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import body
from proxy.wire.errors import MalformedMessage, UnencodableMessage


def reader(data: bytes) -> body.BodyReader:
    return body.BodyReader(data, "Test", b"T")


def test_fields_are_read_in_order() -> None:
    numbers = b"\xff\xfe\xff\xfe\xff\xff\xff\xfd\xff\xff\xff\xfd"
    fields = reader(numbers + b"name\0\0\0\0\x02ab\xff\xff\xff\xff")

    assert fields.int16() == -2
    assert fields.uint16() == 0xFFFE
    assert fields.int32() == -3
    assert fields.uint32() == 0xFFFFFFFD
    assert fields.string() == "name"
    assert fields.value() == b"ab"
    assert fields.value() is None
    fields.end()


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (b"\0", "int16"),
        (b"", "uint16"),
        (b"\0\0\0", "int32"),
        (b"\0\0\0", "uint32"),
        (b"no end", "string"),
        (b"\0\0\0\x03ab", "value"),
        (b"\xff\xff\xff\xfe", "value"),  # -2 is not a length
        (b"\x80\0\0\0", "value"),
        (b"\0\x02\0\0", "format_codes"),
        (b"\0\x01\0\x02", "format_codes"),
        (b"x", "end"),
    ],
)
def test_what_does_not_fit_is_refused(data: bytes, method: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        getattr(reader(data), method)()

    assert caught.value.sqlstate == "08P01"
    assert caught.value.message_type == b"T"


def test_a_negative_size_is_not_a_slice_from_the_end() -> None:
    fields = reader(b"abcdef")

    with pytest.raises(MalformedMessage):
        fields.take(-1)
    assert fields.rest() == b"abcdef"


def test_a_string_that_is_not_utf8_has_postgres_words_and_sqlstate() -> None:
    with pytest.raises(MalformedMessage) as caught:
        reader(b"\xff\xfe\0").string()

    assert caught.value.sqlstate == "22021"
    assert caught.value.message == 'invalid byte sequence for encoding "UTF8"'


@pytest.mark.parametrize("text", ["with\0nul", "\ud800"])
def test_a_string_that_would_read_back_differently_is_not_written(text: str) -> None:
    with pytest.raises(UnencodableMessage):
        body.string(text)


@pytest.mark.parametrize("number", [-1, 65_536])
def test_a_count_beyond_16_bits_is_not_written(number: int) -> None:
    with pytest.raises(UnencodableMessage):
        body.count(number)


def test_a_frame_counts_its_length_field_but_not_its_type() -> None:
    assert body.frame(b"Q", b"abc") == b"Q\0\0\0\x07abc"


@given(st.none() | st.binary(max_size=50))
def test_values_round_trip(data: bytes | None) -> None:
    fields = reader(body.value(data))

    assert fields.value() == data
    fields.end()
