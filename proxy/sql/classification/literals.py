"""Constants that an operator or function accepts for every row, judged by their text.

The fence treats an expression as safe only if it cannot raise on any stored value. For some
operators that hangs on a literal: a LIKE pattern must not end in its escape character, an interval
must not push `now()` out of range, a field name must exist. Each function here answers "certainly
fine"; False means "not known to be fine" and costs a fence, never an answer.

Must not know types or trees.
"""

from __future__ import annotations

import json
import re

# LIKE recurses once per `%`; far below the depth at which the smallest usual stack (2 MB) ends.
LIKE_WILDCARDS_MAX = 64
LIKE_PATTERN_CHARACTERS_MAX = 10_000
# jsonb containment recurses once per level of the shallower side.
JSON_DEPTH_MAX = 64
JSON_CHARACTERS_MAX = 100_000
# `now()` stays this far from both ends of timestamptz (4713 BC, 294276 AD).
INTERVAL_YEARS_MAX = 1_000
INTERVAL_CHARACTERS_MAX = 200
# A lexeme may have 2,046 bytes (PostgreSQL documentation, "Limitations" of full text search).
TEXT_SEARCH_QUERY_CHARACTERS_MAX = 500
INT4_MAX = 2**31 - 1

_YEARS_PER_UNIT: dict[str, float] = {
    "microsecond": 3.2e-14,
    "millisecond": 3.2e-11,
    "second": 3.2e-8,
    "minute": 2e-6,
    "hour": 1.2e-4,
    "day": 1 / 365,
    "week": 7 / 365,
    "month": 1 / 12,
    "year": 1.0,
    "decade": 10.0,
    "century": 100.0,
}
_INTERVAL_PART = re.compile(r"\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)\s*(?:,|$|(?=[\s+\-\d]))")
_IRREGULAR = {
    "centuries": "century",
    "sec": "second",
    "secs": "second",
    "min": "minute",
    "mins": "minute",
    "mon": "month",
    "mons": "month",
}

# Fields that every value of the type has; infinite values give NULL or an infinity, not an error.
# Not interval: PostgreSQL 14 cannot take apart one of more hours than fit an int4.
_DATE_FIELDS = frozenset(
    "century day decade dow doy epoch isodow isoyear millennium month quarter week year".split()
)
_TIME_FIELDS = frozenset("epoch hour microseconds milliseconds minute second".split())
FIELDS: dict[str, frozenset[str]] = {
    "date": _DATE_FIELDS,
    "timestamp": _DATE_FIELDS | _TIME_FIELDS,
    "timestamptz": _DATE_FIELDS | _TIME_FIELDS,
    "time": _TIME_FIELDS,
}

# Atomic and possessive: tokens overlap (YY, YYYY), and backtracking would take exponential time.
_TIME_FORMAT = re.compile(
    r"(?:(?>YYYY|YY|IYYY|MM|Month|MONTH|month|Mon|MON|mon|DDD|DD|D|ID|Day|DAY|day|Dy|DY|dy|IW|WW|W|Q"
    r"|HH24|HH12|HH|MI|SS|MS|US|AM|PM|am|pm|FM|[-/ :.,_]))++"
)
# What initdb makes of the snowball stemmers that every supported version ships.
_TEXT_SEARCH_CONFIGURATIONS = frozenset(
    "simple danish dutch english finnish french german hungarian italian norwegian portuguese "
    "romanian russian spanish swedish turkish".split()
)


def is_well_formed_like_pattern(pattern: str) -> bool:
    """Can LIKE or ILIKE match any text against the pattern without an error?

    A pattern that ends within an escape raises "LIKE pattern must not end with escape character",
    and only when a row's text reaches that place, which tells of the text.
    """
    if len(pattern) > LIKE_PATTERN_CHARACTERS_MAX or pattern.count("%") > LIKE_WILDCARDS_MAX:
        return False
    trailing = len(pattern) - len(pattern.rstrip("\\"))
    return trailing % 2 == 0


def is_bounded_interval(text: str) -> bool:
    """Is this interval literal surely within ± 1,000 years, so that `now()` plus it is in range?

    Understood: `30 days`, `1 year 2 months`, `-3 hours`, `1 week, 2 days`. Everything else that
    PostgreSQL would accept (ISO 8601, `@ … ago`, clock times) is answered False.
    """
    rest = text.strip().lower()
    if not rest or len(rest) > INTERVAL_CHARACTERS_MAX:
        return False
    years = 0.0
    seen: set[str] = set()
    while rest:
        part = _INTERVAL_PART.match(rest)
        if part is None:
            return False
        unit = _IRREGULAR.get(part[2], part[2].removesuffix("s"))
        if unit not in _YEARS_PER_UNIT or unit in seen:  # a unit given twice is a syntax error
            return False
        seen.add(unit)
        years += abs(float(part[1])) * _YEARS_PER_UNIT[unit]
        rest = rest[part.end() :].strip()
    return years <= INTERVAL_YEARS_MAX


def is_shallow_json(text: str) -> bool:
    """Is this a JSON text of few levels, against which containment cannot exhaust the stack?"""
    if len(text) > JSON_CHARACTERS_MAX or text.count("[") + text.count("{") > JSON_DEPTH_MAX:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_known_field(type_name: str, field: str) -> bool:
    """Does `extract(field FROM value)` work for every value of the type?

    Not so for `date_part(…, date)`, which goes by way of a timestamp.
    """
    return field.lower() in FIELDS.get(type_name, frozenset())


def is_known_time_format(text: str) -> bool:
    """Is this `to_char` format made only of plain date and time parts and separators?"""
    return len(text) <= INTERVAL_CHARACTERS_MAX and _TIME_FORMAT.fullmatch(text) is not None


def is_built_in_text_search_configuration(name: str) -> bool:
    """Is this a text search configuration that each supported PostgreSQL has, with its files?"""
    return name.lower().removeprefix("pg_catalog.") in _TEXT_SEARCH_CONFIGURATIONS


def is_short_text_search_query(text: str) -> bool:
    """Can `plainto_tsquery` and its kin take this text without reaching a length limit?"""
    return len(text) <= TEXT_SEARCH_QUERY_CHARACTERS_MAX


def integer(text: str) -> int | None:
    """The value of an integer literal that fits int4, else None."""
    if re.fullmatch(r"[+-]?\d{1,10}", text) is None or abs(int(text)) > INT4_MAX:
        return None
    return int(text)
