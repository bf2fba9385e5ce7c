"""Intervals in the style `postgres`: signs, plurals, infinities, round trips."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.errors import InvalidValue
from proxy.wire.type_interval import interval_to_binary, interval_to_text

SECOND = 1_000_000


def interval(microseconds: int, days: int = 0, months: int = 0) -> bytes:
    return struct.pack(">qii", microseconds, days, months)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (interval(0), "00:00:00"),
        (interval(0, 1), "1 day"),
        (interval(0, -1), "-1 days"),
        (interval(0, 0, 14), "1 year 2 mons"),
        (interval(0, 0, -14), "-1 years -2 mons"),
        (interval(14_706_700_000, -3, 14), "1 year 2 mons -3 days +04:05:06.7"),
        (interval(-SECOND, 1, 0), "1 day -00:00:01"),
        (interval(SECOND, 1, -1), "-1 mons +1 day 00:00:01"),
        (interval(-1), "-00:00:00.000001"),
        (interval(360_000 * SECOND), "100:00:00"),
        (interval(0x7FFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FFFF), "infinity"),
        (interval(-0x8000_0000_0000_0000, -0x8000_0000, -0x8000_0000), "-infinity"),
    ],
)
def test_vectors_both_ways(data: bytes, text: str) -> None:
    assert interval_to_text(data) == text
    assert interval_to_binary(text) == data


int4 = st.integers(-(2**31), 2**31 - 1)


@given(st.integers(-(2**63), 2**63 - 1), int4, int4)
def test_every_interval_survives_its_text(microseconds: int, days: int, months: int) -> None:
    data = interval(microseconds, days, months)

    assert interval_to_binary(interval_to_text(data)) == data


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("", "22P02"),
        ("1 fortnight", "22P02"),
        ("P1Y", "22P02"),
        ("1 day 1 year", "22P02"),
        ("00:60:00", "22008"),
        ("9999999999 days", "22008"),
        ("999999999 years", "22008"),
        ("9999999999:00:00", "22008"),
    ],
)
def test_text_that_does_not_fit(text: str, sqlstate: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        interval_to_binary(text)

    assert caught.value.sqlstate == sqlstate
