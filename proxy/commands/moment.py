"""Dates and times as people type them, and as the audit log counts them.

Without an offset they are UTC: a question about the log must not depend on the asker's clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from proxy.commands.outcome import CommandError


def beginning(text: str | None) -> float | None:
    """The unix seconds at which a date or time begins; None for None. Raises CommandError."""
    return None if text is None else _read(text)[0].timestamp()


def end(text: str | None) -> float | None:
    """The same, but a date without a time means its last moment too."""
    if text is None:
        return None
    moment, is_date = _read(text)
    return (moment + timedelta(days=1) if is_date else moment).timestamp()


def written(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _read(text: str) -> tuple[datetime, bool]:
    try:
        try:
            return datetime.combine(date.fromisoformat(text), time(), UTC), True
        except ValueError:
            moment = datetime.fromisoformat(text)
        is_naive = moment.tzinfo is None
        moment = moment.replace(tzinfo=UTC) if is_naive else moment
        moment.timestamp()
    except (ValueError, OverflowError):
        raise CommandError(
            f'"{text}" is neither a date nor a time: 2026-03-31, or 2026-03-31T14:00+02:00'
        ) from None
    return moment, False
