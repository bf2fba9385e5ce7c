"""Numbers: vectors read from PostgreSQL 18, round trips, ranges."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import type_numbers
from proxy.wire.errors import InvalidValue
from proxy.wire.type_numbers import FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, OID, Codec


@pytest.mark.parametrize(
    ("codec", "data", "text"),
    [
        (INT2, b"\x80\0", "-32768"),
        (INT4, b"\x7f\xff\xff\xff", "2147483647"),
        (INT8, b"\x80\0\0\0\0\0\0\0", "-9223372036854775808"),
        (OID, b"\xff\xff\xff\xff", "4294967295"),
        (NUMERIC, b"\0\0\0\0\0\0\0\0", "0"),
        (NUMERIC, b"\0\0\0\0\0\0\0\x03", "0.000"),
        (NUMERIC, b"\0\x03\0\x01\x40\0\0\x04\0\x0c\x0d\x80\x1e\x78", "-123456.7800"),
        (NUMERIC, b"\0\x01\xff\xfe\0\0\0\x05\x03\xe8", "0.00001"),
        (NUMERIC, b"\0\x01\0\x02\0\0\0\0\0\x64", "10000000000"),
        (NUMERIC, b"\0\0\0\0\xc0\0\0\0", "NaN"),
        (NUMERIC, b"\0\0\0\0\xd0\0\0\0", "Infinity"),
        (NUMERIC, b"\0\0\0\0\xf0\0\0\0", "-Infinity"),
    ],
)
def test_vectors_both_ways(codec: Codec, data: bytes, text: str) -> None:
    to_text, to_binary = codec

    assert to_text(data) == text
    assert to_binary(text) == data


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1, "0.1"),
        (-0.0, "-0"),
        (100.0, "100"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (1234567890123456.0, "1.234567890123456e+15"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        # Halfway between two doubles is not good enough for Postgres, though it is for repr.
        (47721938307100496.0, "4.7721938307100496e+16"),
        # Below a power of two the gap is half as wide as above it.
        (5.966672584960166e-154, "5.966672584960166e-154"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_doubles_print_as_postgres_prints_them(number: float, text: str) -> None:
    to_text, to_binary = FLOAT8

    assert to_text(struct.pack(">d", number)) == text
    assert to_binary(text) == struct.pack(">d", number)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (struct.pack(">f", 0.1), "0.1"),
        (struct.pack(">f", 123456.0), "123456"),
        (struct.pack(">f", 1e6), "1e+06"),
        (b"\xcc!e\xbe", "-4.2309368e+07"),
        (b"k\0\0\0", "1.5474251e+26"),
        (b"\0\0\0\x01", "1e-45"),
        (b"\x7f\x7f\xff\xff", "3.4028235e+38"),
    ],
)
def test_reals_print_as_postgres_prints_them(data: bytes, text: str) -> None:
    to_text, to_binary = FLOAT4

    assert to_text(data) == text
    assert to_binary(text) == data


@given(st.floats(allow_nan=False))
def test_a_double_survives_its_text(number: float) -> None:
    data = struct.pack(">d", number)

    assert FLOAT8[1](FLOAT8[0](data)) == data
    assert len(FLOAT8[0](data).lstrip("-").split("e")[0].replace(".", "").strip("0")) <= 17


@given(st.floats(width=32, allow_nan=False))
def test_a_real_survives_its_text(number: float) -> None:
    data = struct.pack(">f", number)

    assert FLOAT4[1](FLOAT4[0](data)) == data


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_a_numeric_survives_its_text(number: Decimal) -> None:
    text = format(number, "f")
    printed = NUMERIC[0](NUMERIC[1](text))

    assert Decimal(printed) == number
    assert len(printed.partition(".")[2]) == len(text.partition(".")[2])
    assert NUMERIC[1](printed) == NUMERIC[1](text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_bigint_survives_its_text(number: int) -> None:
    assert INT8[0](INT8[1](str(number))) == str(number)


@pytest.mark.parametrize(
    ("codec", "text", "sqlstate"),
    [
        (INT2, "32768", "22003"),
        (INT4, "-2147483649", "22003"),
        (INT8, "9" * 5_000, "22003"),
        (OID, "-1", "22003"),
        (INT4, "", "22P02"),
        (INT4, "1.0", "22P02"),
        (INT4, "1_000", "22P02"),
        (INT4, "\u0661", "22P02"),  # a digit, but not ASCII
        (INT4, "0x10", "22P02"),
        (FLOAT8, "1e400", "22003"),
        (FLOAT8, "1e-400", "22003"),
        (FLOAT4, "1e39", "22003"),
        (FLOAT4, "1e-60", "22003"),
        (FLOAT8, "1e", "22P02"),
        (FLOAT8, ".", "22P02"),
        (FLOAT8, "1_0", "22P02"),
        (FLOAT8, "1" * 50_000 + "x", "22P02"),
        (NUMERIC, "1e200000", "22003"),
        (NUMERIC, "0." + "0" * 16_384, "22003"),
        (NUMERIC, "1" + "0" * 131_072, "22003"),
        (NUMERIC, ".", "22P02"),
        (NUMERIC, "", "22P02"),
        (NUMERIC, "1.2.3", "22P02"),
    ],
)
def test_text_that_does_not_fit(codec: Codec, text: str, sqlstate: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        codec[1](text)

    assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" 5\n", "5"), ("+5", "5"), ("005", "5")],
)
def test_integers_are_read_leniently_where_postgres_is(text: str, expected: str) -> None:
    assert INT4[0](INT4[1](text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1e3", "1000"), ("1.50e1", "15.0"), ("12.5e-3", "0.0125"), ("+.5", "0.5"), ("-0", "0"),
     ("5.", "5"), ("nan", "NaN"), ("+inf", "Infinity"), ("00012", "12")],
)  # fmt: skip
def test_numerics_are_read_as_postgres_reads_them(text: str, expected: str) -> None:
    assert NUMERIC[0](NUMERIC[1](text)) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\0\0\0\0",
        b"\0\x01\0\0\0\0\0\0",  # one digit counted, none sent
        b"\0\x01\0\0\0\0\0\0\x27\x10",  # 10,000 is no digit
        b"\0\0\0\0\x12\x34\0\0",  # no such sign
        b"\0\0\0\0\0\0\xff\xff",  # no such scale
    ],
)
def test_a_numeric_that_is_none(data: bytes) -> None:
    with pytest.raises(InvalidValue) as caught:
        NUMERIC[0](data)

    assert caught.value.sqlstate == "22P03"


def test_a_small_numeric_can_be_long_but_not_endless() -> None:
    # The largest weight: 8 bytes of header and one digit print as 131,072 digits.
    text = NUMERIC[0](b"\0\x01\x7f\xff\0\0\0\0\0\x01")

    assert text == "1" + "0" * 131_068
    assert type_numbers.NUMERIC[1](text)[:4] == b"\0\x01\x7f\xff"
