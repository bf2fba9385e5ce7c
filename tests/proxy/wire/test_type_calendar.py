"""The calendar agrees with Python's where both reach, and with itself beyond."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.type_calendar import date_of_days, days_in_month, days_of_date

EPOCH = datetime.date(2000, 1, 1)


@given(st.dates())
def test_it_agrees_with_python(date: datetime.date) -> None:
    days = (date - EPOCH).days

    assert days_of_date(date.year, date.month, date.day) == days
    assert date_of_days(days) == (date.year, date.month, date.day)


@given(st.integers(-2_451_545, 2_145_031_948))
def test_every_day_of_postgres_has_one_date(days: int) -> None:
    year, month, day = date_of_days(days)

    assert 1 <= month <= 12
    assert 1 <= day <= days_in_month(year, month)
    assert days_of_date(year, month, day) == days


@pytest.mark.parametrize(
    ("days", "date"),
    [
        (0, (2000, 1, 1)),
        (-730_485, (0, 1, 1)),
        (-730_486, (-1, 12, 31)),
        (-2_451_545, (-4713, 11, 24)),  # Julian day 0
        (2_145_031_948, (5_874_897, 12, 31)),
    ],
)
def test_landmarks(days: int, date: tuple[int, int, int]) -> None:
    assert date_of_days(days) == date


@pytest.mark.parametrize(
    ("year", "days"), [(2000, 29), (1900, 28), (2024, 29), (2023, 28), (0, 29), (-4, 29), (-1, 28)]
)
def test_leap_years(year: int, days: int) -> None:
    assert days_in_month(year, 2) == days
