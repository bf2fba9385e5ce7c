"""Time windows: edges, nights, time zones, daylight saving."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from policies.window import ALWAYS, WeeklyHours, Window

BERLIN = ZoneInfo("Europe/Berlin")
WEEKDAYS_ONLY = frozenset(range(5))
OFFICE = Window(hours=WeeklyHours(WEEKDAYS_ONLY, time(8), time(18), BERLIN))
NIGHT = Window(hours=WeeklyHours(frozenset({4}), time(22), time(6), BERLIN))


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("window", "when", "is_open"),
    [
        (ALWAYS, "2025-06-16T08:00:00+02:00", True),
        (OFFICE, "2025-06-16T08:00:00+02:00", True),
        (OFFICE, "2025-06-16T07:59:59+02:00", False),
        (OFFICE, "2025-06-16T17:59:59+02:00", True),
        (OFFICE, "2025-06-16T18:00:00+02:00", False),
        (OFFICE, "2025-06-15T12:00:00+02:00", False),
        (OFFICE, "2025-06-16T06:00:00+00:00", True),
        (OFFICE, "2025-01-06T07:00:00+00:00", True),
        (OFFICE, "2025-01-06T06:30:00+00:00", False),
        (NIGHT, "2025-06-20T21:59:00+02:00", False),
        (NIGHT, "2025-06-20T22:00:00+02:00", True),
        (NIGHT, "2025-06-21T05:59:00+02:00", True),
        (NIGHT, "2025-06-21T06:00:00+02:00", False),
        (NIGHT, "2025-06-21T23:00:00+02:00", False),
    ],
)
def test_open_and_closed(window: Window, when: str, is_open: bool) -> None:
    assert window.is_open(at(when)) is is_open


def test_validity_includes_its_start_and_excludes_its_end() -> None:
    window = Window(100.0, 200.0)
    assert [window.is_open(now) for now in (99.9, 100.0, 199.9, 200.0)] == [
        False,
        True,
        True,
        False,
    ]
    assert [window.next_change(now) for now in (50, 100, 250)] == [100.0, 200.0, None]
    assert ALWAYS.next_change(0) is None


@pytest.mark.parametrize(
    ("window", "now", "change"),
    [
        (OFFICE, "2025-06-16T09:00:00+02:00", "2025-06-16T18:00:00+02:00"),
        (OFFICE, "2025-06-13T19:00:00+02:00", "2025-06-16T08:00:00+02:00"),
        (OFFICE, "2025-06-16T18:00:00+02:00", "2025-06-17T08:00:00+02:00"),
        (NIGHT, "2025-06-21T07:00:00+02:00", "2025-06-27T22:00:00+02:00"),
    ],
)
def test_next_change(window: Window, now: str, change: str) -> None:
    assert window.next_change(at(now)) == at(change)


def test_nothing_changes_before_the_next_change() -> None:
    """Over two weeks with the change to summer time, hour by hour."""
    now = at("2025-03-24T00:00:00+00:00")
    for hour in range(14 * 24):
        moment = now + hour * 3600
        for window in (OFFICE, NIGHT):
            change = window.next_change(moment)
            assert change is not None
            assert change > moment
            if moment + 3599 < change:
                assert window.is_open(moment) is window.is_open(moment + 3599)


def test_daylight_saving_keeps_local_hours() -> None:
    sunday = Window(hours=WeeklyHours(frozenset({6}), time(1), time(4), BERLIN))
    assert sunday.is_open(at("2025-03-30T00:30:00+00:00"))
    assert sunday.is_open(at("2025-03-30T01:59:00+00:00"))
    assert not sunday.is_open(at("2025-03-30T02:00:00+00:00"))
