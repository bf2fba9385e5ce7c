"""Dates and times between binary and text: date, time, timetz, timestamp, timestamptz, interval.

This file must not know OIDs or the clock; timestamptz is printed in UTC. Each type is a pair:
binary to text, text to binary. Read are the forms that are printed, and ISO 8601's `T` and `Z`.
Formats: PostgreSQL's date.c, timestamp.c and datetime.c; docs §8.5.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from proxy.wire.errors import InvalidValue
from proxy.wire.type_calendar import date_of_days, days_in_month, days_of_date
from proxy.wire.type_interval import interval_to_binary, interval_to_text
from proxy.wire.type_numbers import Codec
from proxy.wire.type_values import DATETIME_OVERFLOW, fixed, invalid

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

# The ranges that Postgres accepts (datetime.h), as days from 2000-01-01; the ends are exclusive.
# Both begin where its Julian day counting does, at -4713-11-24.
_FIRST_DAY: Final = days_of_date(-4713, 11, 24)
_DATE_END_DAY: Final = days_of_date(5_874_898, 1, 1)
_TIMESTAMP_END_DAY: Final = days_of_date(294_277, 1, 1)

# Offsets from UTC: less than 16 hours (MAX_TZDISP_HOUR is 15).
_OFFSET_SECONDS_MAX: Final = 16 * 3600 - 1

_DATE = r"([0-9]{4,7})-([0-9]{1,2})-([0-9]{1,2})"
_TIME = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{0,6}))?)?"
_OFFSET = r"(Z|[+-][0-9]{1,2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)"
_DATE_TEXT = re.compile(rf"{_DATE}( BC)?")
_TIME_TEXT = re.compile(_TIME)
_TIMETZ_TEXT = re.compile(rf"{_TIME} ?{_OFFSET}")
_TIMESTAMP_TEXT = re.compile(rf"{_DATE}(?:[ T]{_TIME})?( BC)?")
_TIMESTAMPTZ_TEXT = re.compile(rf"{_DATE}(?:[ T]{_TIME} ?{_OFFSET})( BC)?")

_INFINITIES: Final = ("infinity", "-infinity")


def _overflow(type_name: str) -> InvalidValue:
    return InvalidValue(f"value is out of range for type {type_name}", DATETIME_OVERFLOW)


# --- shared pieces
# ----------------------------------------------------------------------------------


def _write_date(days: int) -> tuple[str, str]:
    """Return `YYYY-MM-DD` and the suffix ` BC` or nothing: a time stands between the two."""
    year, month, day = date_of_days(days)
    suffix = "" if year > 0 else " BC"
    # There is no year 0: astronomical 0 is 1 BC.
    return f"{year if year > 0 else 1 - year:04d}-{month:02d}-{day:02d}", suffix


def _read_date(year: str, month: str, day: str, era: str | None, type_name: str) -> int:
    number, month_number, day_number = int(year), int(month), int(day)
    if number == 0:
        raise _overflow(type_name)
    astronomical = 1 - number if era else number
    if not 1 <= month_number <= 12 or not (
        1 <= day_number <= days_in_month(astronomical, month_number)
    ):
        raise _overflow(type_name)
    return days_of_date(astronomical, month_number, day_number)


def write_time(microseconds: int) -> str:
    """Return `HH:MM:SS`, with as many decimals as are not zero."""
    seconds, fraction = divmod(microseconds, SECOND_US)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text


def _read_time(parts: tuple[str | None, ...], type_name: str) -> int:
    """Return microseconds since midnight; 24:00:00 is allowed and is the largest."""
    hours, minutes, seconds, fraction = parts
    assert hours is not None, "the pattern demands hours"
    assert minutes is not None, "the pattern demands minutes"
    minute_number, second_number = int(minutes), int(seconds or 0)
    # A leap second (60) is read as the next minute, as in Postgres.
    if minute_number > 59 or second_number > 60:
        raise _overflow(type_name)
    microseconds = (
        int(hours) * HOUR_US
        + minute_number * MINUTE_US
        + second_number * SECOND_US
        + int((fraction or "").ljust(6, "0"))
    )
    if microseconds > DAY_US:
        raise _overflow(type_name)
    return microseconds


def _write_offset(east: int) -> str:
    """Return an offset in seconds east of UTC as `+HH[:MM[:SS]]`."""
    hours, rest = divmod(abs(east), 3600)
    minutes, seconds = divmod(rest, 60)
    text = f"{'-' if east < 0 else '+'}{hours:02d}"
    if minutes or seconds:
        text += f":{minutes:02d}"
    return f"{text}:{seconds:02d}" if seconds else text


def _read_offset(text: str, type_name: str) -> int:
    """Return seconds east of UTC."""
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "")
    if len(digits) % 2:
        digits = "0" + digits
    hours, minutes, seconds = (int(digits[start : start + 2] or 0) for start in (0, 2, 4))
    east = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or east > _OFFSET_SECONDS_MAX:
        raise _overflow(type_name)
    return -east if text[0] == "-" else east


# --- date
# -------------------------------------------------------------------------------------------

_INT4 = struct.Struct(">i")
_INT8 = struct.Struct(">q")
_DATE_INFINITIES: Final = (0x7FFF_FFFF, -0x8000_0000)


def _date_to_text(data: bytes) -> str:
    (days,) = _INT4.unpack(fixed(data, 4, "date"))
    if days in _DATE_INFINITIES:
        return _INFINITIES[_DATE_INFINITIES.index(days)]
    if not _FIRST_DAY <= days < _DATE_END_DAY:
        raise _overflow("date")
    return "".join(_write_date(days))


def _date_to_binary(text: str) -> bytes:
    word = text.strip(" ")
    if word in _INFINITIES:
        return _INT4.pack(_DATE_INFINITIES[_INFINITIES.index(word)])
    match = _DATE_TEXT.fullmatch(word)
    if match is None:
        raise invalid("date")
    days = _read_date(match[1], match[2], match[3], match[4], "date")
    if not _FIRST_DAY <= days < _DATE_END_DAY:
        raise _overflow("date")
    return _INT4.pack(days)


# --- time, timetz
# -----------------------------------------------------------------------------------


def _time_to_text(data: bytes) -> str:
    (microseconds,) = _INT8.unpack(fixed(data, 8, "time"))
    if not 0 <= microseconds <= DAY_US:
        raise _overflow("time")
    return write_time(microseconds)


def _time_to_binary(text: str) -> bytes:
    match = _TIME_TEXT.fullmatch(text.strip(" "))
    if match is None:
        raise invalid("time")
    return _INT8.pack(_read_time(match.groups(), "time"))


_TIMETZ = struct.Struct(">qi")


def _timetz_to_text(data: bytes) -> str:
    # The zone is stored in seconds west of UTC.
    microseconds, west = _TIMETZ.unpack(fixed(data, _TIMETZ.size, "time with time zone"))
    if not 0 <= microseconds <= DAY_US or abs(west) > _OFFSET_SECONDS_MAX:
        raise _overflow("time with time zone")
    return write_time(microseconds) + _write_offset(-west)


def _timetz_to_binary(text: str) -> bytes:
    match = _TIMETZ_TEXT.fullmatch(text.strip(" "))
    if match is None:
        raise invalid("time with time zone")
    microseconds = _read_time(match.groups()[:4], "time with time zone")
    return _TIMETZ.pack(microseconds, -_read_offset(match[5], "time with time zone"))


# --- timestamp, timestamptz
# -------------------------------------------------------------------------

_TIMESTAMP_INFINITIES: Final = (0x7FFF_FFFF_FFFF_FFFF, -0x8000_0000_0000_0000)


def _timestamp_codec(type_name: str, pattern: re.Pattern[str], *, is_zoned: bool) -> Codec:
    def to_text(data: bytes) -> str:
        (microseconds,) = _INT8.unpack(fixed(data, 8, type_name))
        if microseconds in _TIMESTAMP_INFINITIES:
            return _INFINITIES[_TIMESTAMP_INFINITIES.index(microseconds)]
        days, time_of_day = divmod(microseconds, DAY_US)
        if not _FIRST_DAY <= days < _TIMESTAMP_END_DAY:
            raise _overflow(type_name)
        date, era = _write_date(days)
        return f"{date} {write_time(time_of_day)}{'+00' if is_zoned else ''}{era}"

    def to_binary(text: str) -> bytes:
        word = text.strip(" ")
        if word in _INFINITIES:
            return _INT8.pack(_TIMESTAMP_INFINITIES[_INFINITIES.index(word)])
        match = pattern.fullmatch(word)
        if match is None:
            raise invalid(type_name)
        groups = match.groups()
        days = _read_date(match[1], match[2], match[3], groups[-1], type_name)
        time_of_day = 0 if groups[3] is None else _read_time(groups[3:7], type_name)
        east = _read_offset(groups[7] or "", type_name) if is_zoned else 0
        microseconds = days * DAY_US + time_of_day - east * SECOND_US
        if not _FIRST_DAY * DAY_US <= microseconds < _TIMESTAMP_END_DAY * DAY_US:
            raise _overflow(type_name)
        return _INT8.pack(microseconds)

    return to_text, to_binary


DATE: Final[Codec] = (_date_to_text, _date_to_binary)
TIME: Final[Codec] = (_time_to_text, _time_to_binary)
TIMETZ: Final[Codec] = (_timetz_to_text, _timetz_to_binary)
TIMESTAMP: Final = _timestamp_codec("timestamp", _TIMESTAMP_TEXT, is_zoned=False)
TIMESTAMPTZ: Final = _timestamp_codec("timestamp with time zone", _TIMESTAMPTZ_TEXT, is_zoned=True)
INTERVAL: Final[Codec] = (interval_to_text, interval_to_binary)
