"""Time windows of rules: from one instant to another, and hours of the week in a time zone.

This file must not know rules or claims. There is no clock here: `now` is an argument, in unix
seconds. A window says when it next opens or closes, so that a cached decision knows how long it
holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Every weekly pattern repeats within 7 days; one more covers the day that has begun.
_SEARCH_DAYS = 8


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Open on `days` (0 is Monday) from `opens` until `closes`, local time of `zone`.

    `closes` before or equal to `opens` runs into the next day. A local time that daylight saving
    skips or repeats means its first reading (PEP 495, fold 0).
    """

    days: frozenset[int]
    opens: time
    closes: time
    zone: ZoneInfo

    def spans(self, now: float) -> list[tuple[float, float]]:
        """The open spans around `now`, in unix seconds."""
        today = datetime.fromtimestamp(now, UTC).astimezone(self.zone).date()
        first = today - timedelta(days=2)
        days = (first + timedelta(days=offset) for offset in range(_SEARCH_DAYS + 3))
        return [self._span(day) for day in days if day.weekday() in self.days]

    def _span(self, day: date) -> tuple[float, float]:
        last = day if self.closes > self.opens else day + timedelta(days=1)
        return (
            datetime.combine(day, self.opens, self.zone).timestamp(),
            datetime.combine(last, self.closes, self.zone).timestamp(),
        )


@dataclass(frozen=True, slots=True)
class Window:
    """When a rule holds. `valid_from` inclusive, `valid_until` exclusive, unix seconds; None: open
    end.
    """

    valid_from: float | None = None
    valid_until: float | None = None
    hours: WeeklyHours | None = None

    def is_open(self, now: float) -> bool:
        """True when the rule holds at `now`."""
        if self.valid_from is not None and now < self.valid_from:
            return False
        if self.valid_until is not None and now >= self.valid_until:
            return False
        if self.hours is None:
            return True
        return any(opens <= now < closes for opens, closes in self.hours.spans(now))

    def next_change(self, now: float) -> float | None:
        """The first instant after `now` at which `is_open` may change; None: never."""
        edges = [edge for edge in (self.valid_from, self.valid_until) if edge is not None]
        if self.hours is not None:
            edges.extend(edge for span in self.hours.spans(now) for edge in span)
        later = [edge for edge in edges if edge > now]
        return min(later) if later else None


ALWAYS = Window()
