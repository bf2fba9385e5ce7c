"""The interval type between binary and text, in IntervalStyle `postgres`.

This file must not know OIDs. An interval is three numbers that do not mix: microseconds, days,
months. Formats: PostgreSQL's timestamp.c (interval_send) and datetime.c (EncodeInterval); docs
§8.5.5.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from proxy.wire.errors import InvalidValue
from proxy.wire.type_values import DATETIME_OVERFLOW, fixed, invalid

_LAYOUT = struct.Struct(">qii")
_INFINITY: Final = (0x7FFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FFFF)
_MINUS_INFINITY: Final = (-0x8000_0000_0000_0000, -0x8000_0000, -0x8000_0000)

_TEXT = re.compile(
    r"(?:([+-]?[0-9]{1,9}) years?)?"
    r"(?: ?([+-]?[0-9]{1,10}) mons?)?"
    r"(?: ?([+-]?[0-9]{1,10}) days?)?"
    r"(?: ?([+-]?)([0-9]{1,10}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?)?"
)


def interval_to_text(data: bytes) -> str:
    """Return the text of a binary interval; InvalidValue (22P03) for a wrong length."""
    numbers = _LAYOUT.unpack(fixed(data, _LAYOUT.size, "interval"))
    if numbers == _INFINITY:
        return "infinity"
    if numbers == _MINUS_INFINITY:
        return "-infinity"
    microseconds, days, months = numbers
    # C division: the remainder has the sign of the months.
    years = abs(months) // 12 * (1 if months >= 0 else -1)
    parts: list[str] = []
    is_before = False
    for number, unit in ((years, "year"), (months - 12 * years, "mon"), (days, "day")):
        if number:
            # A positive number that follows a negative one must say so.
            sign = "+" if is_before and number > 0 else ""
            parts.append(f"{sign}{number} {unit}{'' if number == 1 else 's'}")
            is_before = number < 0
    if microseconds or not parts:
        sign = "-" if microseconds < 0 else "+" if is_before else ""
        parts.append(sign + _write_clock(abs(microseconds)))
    return " ".join(parts)


def _write_clock(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, 1_000_000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text


def interval_to_binary(text: str) -> bytes:
    """Return the binary form of an interval as printed.

    Raises InvalidValue: 22P02 for any other form, 22008 for a number that does not fit.
    """
    word = text.strip(" ")
    if word in ("infinity", "-infinity"):
        return _LAYOUT.pack(*(_INFINITY if word == "infinity" else _MINUS_INFINITY))
    match = _TEXT.fullmatch(word)
    if match is None or not word:
        raise invalid("interval")
    years, months, days, sign, hours, minutes, seconds, fraction = match.groups()
    if int(minutes or 0) > 59 or int(seconds or 0) > 59:
        raise _overflow()
    microseconds = (
        int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    ) * 1_000_000 + int((fraction or "").ljust(6, "0"))
    if sign == "-":
        microseconds = -microseconds
    try:
        return _LAYOUT.pack(microseconds, int(days or 0), int(years or 0) * 12 + int(months or 0))
    except struct.error:
        raise _overflow() from None


def _overflow() -> InvalidValue:
    return InvalidValue("interval field value out of range", DATETIME_OVERFLOW)
