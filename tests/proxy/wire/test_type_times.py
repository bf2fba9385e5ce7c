"""Dates and times: vectors, the ends of their ranges, round trips."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.errors import InvalidValue
from proxy.wire.type_numbers import Codec
from proxy.wire.type_times import DATE, DAY_US, TIME, TIMESTAMP, TIMESTAMPTZ, TIMETZ


def int4(number: int) -> bytes:
    return struct.pack(">i", number)


def int8(number: int) -> bytes:
    return struct.pack(">q", number)


@pytest.mark.parametrize(
    ("codec", "data", "text"),
    [
        (DATE, int4(0), "2000-01-01"),
        (DATE, int4(8_825), "2024-02-29"),
        (DATE, int4(-730_486), "0002-12-31 BC"),
        (DATE, int4(-730_120), "0001-12-31 BC"),
        (DATE, int4(-2_451_545), "4714-11-24 BC"),
        (DATE, int4(2_145_031_948), "5874897-12-31"),
        (DATE, int4(0x7FFF_FFFF), "infinity"),
        (DATE, int4(-0x8000_0000), "-infinity"),
        (TIME, int8(0), "00:00:00"),
        (TIME, int8(DAY_US), "24:00:00"),
        (TIME, int8(45_296_700_000), "12:34:56.7"),
        (TIMETZ, struct.pack(">qi", 43_200_000_000, 12_600), "12:00:00-03:30"),
        (TIMETZ, struct.pack(">qi", 1, -57_599), "00:00:00.000001+15:59:59"),
        (TIMETZ, struct.pack(">qi", 0, 0), "00:00:00+00"),
        (TIMESTAMP, int8(-1), "1999-12-31 23:59:59.999999"),
        (TIMESTAMP, int8(-211_813_488_000_000_000), "4714-11-24 00:00:00 BC"),
        (TIMESTAMP, int8(9_223_371_331_199_999_999), "294276-12-31 23:59:59.999999"),
        (TIMESTAMP, int8(0x7FFF_FFFF_FFFF_FFFF), "infinity"),
        (TIMESTAMPTZ, int8(500_000), "2000-01-01 00:00:00.5+00"),
        (TIMESTAMPTZ, int8(-0x8000_0000_0000_0000), "-infinity"),
    ],
)
def test_vectors_both_ways(codec: Codec, data: bytes, text: str) -> None:
    to_text, to_binary = codec

    assert to_text(data) == text
    assert to_binary(text) == data


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (DATE, int4(-2_451_546)),
        (DATE, int4(2_145_031_949)),
        (TIME, int8(-1)),
        (TIME, int8(DAY_US + 1)),
        (TIMETZ, struct.pack(">qi", 0, 57_600)),
        (TIMETZ, struct.pack(">qi", -1, 0)),
        (TIMESTAMP, int8(-211_813_488_000_000_001)),
        (TIMESTAMPTZ, int8(9_223_371_331_200_000_000)),
    ],
)
def test_beyond_the_ends_of_a_range(codec: Codec, data: bytes) -> None:
    with pytest.raises(InvalidValue) as caught:
        codec[0](data)

    assert caught.value.sqlstate == "22008"


@pytest.mark.parametrize(
    ("codec", "text", "sqlstate"),
    [
        (DATE, "2023-02-29", "22008"),
        (DATE, "2023-13-01", "22008"),
        (DATE, "2023-00-10", "22008"),
        (DATE, "0000-01-01", "22008"),
        (DATE, "4714-11-23 BC", "22008"),
        (DATE, "5874898-01-01", "22008"),
        (DATE, "tomorrow", "22P02"),
        (DATE, "01/02/2023", "22P02"),
        (DATE, "", "22P02"),
        (TIME, "24:00:01", "22008"),
        (TIME, "12:60:00", "22008"),
        (TIME, "12", "22P02"),
        (TIME, "12:00:00.1234567", "22P02"),
        (TIMETZ, "12:00:00", "22P02"),
        (TIMETZ, "12:00:00+16", "22008"),
        (TIMETZ, "12:00:00+01:60", "22008"),
        (TIMESTAMP, "294277-01-01 00:00:00", "22008"),
        (TIMESTAMP, "now", "22P02"),
        (TIMESTAMPTZ, "2024-01-01 00:00:00", "22P02"),
        (TIMESTAMPTZ, "4714-11-24 00:00:00+01 BC", "22008"),
    ],
)
def test_text_that_does_not_fit(codec: Codec, text: str, sqlstate: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        codec[1](text)

    assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    ("codec", "text", "expected"),
    [
        (TIMESTAMPTZ, "2024-01-01T12:00:00Z", "2024-01-01 12:00:00+00"),
        (TIMESTAMPTZ, "2024-01-01 12:00:00+05:30", "2024-01-01 06:30:00+00"),
        (TIMESTAMPTZ, "2024-01-01 00:30:00 +0100", "2023-12-31 23:30:00+00"),
        (TIMESTAMPTZ, "0001-01-01 00:00:00+01", "0001-12-31 23:00:00+00 BC"),
        (TIMESTAMP, "2024-01-01", "2024-01-01 00:00:00"),
        (TIME, "12:34", "12:34:00"),
        (TIME, "12:34:60", "12:35:00"),
        (DATE, " 2024-1-5 ", "2024-01-05"),
    ],
)
def test_other_forms_that_are_read(codec: Codec, text: str, expected: str) -> None:
    assert codec[0](codec[1](text)) == expected


@given(st.integers(-211_813_488_000_000_000, 9_223_371_331_199_999_999))
def test_every_timestamp_survives_its_text(microseconds: int) -> None:
    for to_text, to_binary in (TIMESTAMP, TIMESTAMPTZ):
        assert to_binary(to_text(int8(microseconds))) == int8(microseconds)


@given(st.integers(0, DAY_US), st.integers(-57_599, 57_599))
def test_every_time_survives_its_text(microseconds: int, west: int) -> None:
    zoned = struct.pack(">qi", microseconds, west)

    assert TIME[1](TIME[0](int8(microseconds))) == int8(microseconds)
    assert TIMETZ[1](TIMETZ[0](zoned)) == zoned
