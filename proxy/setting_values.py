"""Validators of setting values: text as the client wrote it in, canonical text out, ValueError
when it will not do.

This file must not know which setting has which validator. Accepted forms follow the PostgreSQL
documentation, "Setting Parameters" and "Client Connection Defaults". A ValueError's text becomes
the client's HINT; an empty one says nothing.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from functools import cache

DURATION_MS_MAX = 2_147_483_647
"""Postgres' own bound of its timeout settings (an int of milliseconds)."""

SEARCH_PATH_NAMES_MAX = 64
"""Names in one search_path: each costs a look-up per unqualified name."""

ZONE_HOURS_MAX = 15
"""Hours between a time zone and Greenwich: no place is further (Postgres' MAX_TZDISP_HOUR)."""

IDENTIFIER_BYTES_MAX = 63
"""NAMEDATALEN − 1 of Postgres."""

TEXT_SEARCH_CONFIGURATIONS = (
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french",
    "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian",
    "nepali", "norwegian", "portuguese", "romanian", "russian", "serbian", "simple", "spanish",
    "swedish", "tamil", "turkish", "yiddish",
)  # fmt: skip
"""Those that every supported version brings along (snowball_create.sql of PostgreSQL 14)."""

DATE_STYLE = "ISO, MDY"
"""What a session begins with."""

_UNITS_MS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_TRUE = ("on", "true", "yes", "1", "t", "tr", "tru", "y", "ye")
_FALSE = ("off", "of", "false", "no", "0", "f", "fa", "fal", "fals", "n")


def text(characters_max: int) -> Callable[[str], str]:
    """Printable text. Postgres replaces other characters of application_name by `?`; so does
    this."""

    def check(value: str) -> str:
        clean = "".join(c if c.isprintable() else "?" for c in value)
        return clean[:characters_max]

    return check


def choice(*values: str) -> Callable[[str], str]:
    """One of `values`, in any case."""

    def check(value: str) -> str:
        if value.lower() not in values:
            raise ValueError("Available values: " + ", ".join(values) + ".")
        return value.lower()

    return check


def only(fixed: str) -> Callable[[str], str]:
    """The value it has already, in any spelling of a Boolean."""

    def check(value: str) -> str:
        if value.lower() == fixed.lower():
            return fixed
        if fixed in ("on", "off") and boolean(value) == fixed:
            return fixed
        raise ValueError("")

    return check


def boolean(value: str) -> str:
    """`on` or `off` from any of Postgres' spellings."""
    if value.lower() in _TRUE:
        return "on"
    if value.lower() in _FALSE:
        return "off"
    raise ValueError("")


def integer(low: int, high: int) -> Callable[[str], str]:
    """A whole number from `low` to `high`."""

    def check(value: str) -> str:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", value):
            raise ValueError("")
        if not low <= int(value) <= high:
            raise ValueError(f"The valid range is {low} .. {high}.")
        return str(int(value))

    return check


def duration(value: str) -> str:
    """A time with an optional unit, milliseconds without; canonical is the largest whole unit."""
    match = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(us|ms|s|min|h|d)?\s*", value)
    if match is None:
        raise ValueError('Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".')
    milliseconds = round(float(match[1]) * _UNITS_MS[match[2] or "ms"])
    if milliseconds > DURATION_MS_MAX:
        raise ValueError(f"The valid range is 0 .. {DURATION_MS_MAX} ms.")
    if milliseconds == 0:
        return "0"
    for unit in ("d", "h", "min", "s"):
        factor = int(_UNITS_MS[unit])
        if milliseconds % factor == 0:
            return f"{milliseconds // factor}{unit}"
    return f"{milliseconds}ms"


def encoding(value: str) -> str:
    """UTF-8 under any of its names. Everything between client and gate is UTF-8 (attack case
    67)."""
    if re.sub(r"[^a-z0-9]", "", value.lower()) in ("utf8", "unicode"):
        return "UTF8"
    raise ValueError("Sallyport speaks UTF8 only.")


def date_style(value: str, current: str = DATE_STYLE, default: str = DATE_STYLE) -> str:
    """`STYLE, ORDER`. A part that is left out stays as it is in `current`; the word DEFAULT stands
    for the parts of `default`.

    Two styles or two orders that disagree are refused, and German brings DMY unless told otherwise
    (PostgreSQL source, check_datestyle).
    """
    style, order = current.split(", ")
    styles: set[str] = set()
    orders: set[str] = set()
    for name in _names(value):
        part = name.upper()
        if part in ("ISO", "SQL", "GERMAN") or part.startswith("POSTGRES"):
            style = {"GERMAN": "German", "ISO": "ISO", "SQL": "SQL"}.get(part, "Postgres")
            styles.add(style)
            if style == "German" and not orders:
                order = "DMY"
        elif part in ("MDY", "DMY", "YMD", "US") or part.startswith(("NONEURO", "EURO")):
            order = part if part in ("MDY", "DMY", "YMD") else "DMY" if part[0] == "E" else "MDY"
            orders.add(order)
        elif part == "DEFAULT":
            usual_style, usual_order = default.split(", ")
            style = style if styles else usual_style
            order = order if orders else usual_order
        else:
            raise ValueError("")
    if len(styles) > 1 or len(orders) > 1:
        raise ValueError('Conflicting "DateStyle" specifications.')
    return f"{style}, {order}"


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}


def time_zone(value: str) -> str:
    """An IANA name; hours east of Greenwich (`-5`, `5.5`), which become a POSIX zone as in
    Postgres; or a POSIX offset (`+05:30`), kept as it is, which counts *west* of Greenwich."""
    stripped = value.strip()
    offset = re.fullmatch(r"([+-]?)([0-9]{1,2}(?:\.[0-9]{1,4})?)", stripped)
    if offset is not None:
        hours, minutes = divmod(int(float(offset[2]) * 60), 60)
        if hours > ZONE_HOURS_MAX:
            raise ValueError("")
        east = "-" if offset[1] == "-" else "+"
        west = "+" if offset[1] == "-" else "-"
        tail = f":{minutes:02}" if minutes else ""
        # POSIX counts west of Greenwich as positive: the sign after the bracket is the opposite
        # one.
        return f"<{east}{hours:02}{tail}>{west}{hours:02}{tail}"
    posix = re.fullmatch(
        r"(?:<[+-][0-9]{2}(?::[0-5][0-9])?>)?[+-]([0-9]{2})(:[0-5][0-9])?", stripped
    )
    if posix is not None and int(posix[1]) <= ZONE_HOURS_MAX:
        return stripped
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+\-/]{0,62}", stripped):
        raise ValueError("")
    zones = _zones()
    # A machine without a zone database lets the source judge the name.
    if zones and stripped.lower() not in zones:
        raise ValueError("")
    return zones.get(stripped.lower(), stripped)


def text_search_configuration(value: str) -> str:
    """A built-in configuration, qualified as Postgres tells it back; empty is the source's own.

    One that an administrator made is a name of the source's, which a principal need not see.
    """
    name = value.strip().lower().removeprefix("pg_catalog.")
    if not name:
        return ""
    if name not in TEXT_SEARCH_CONFIGURATIONS:
        raise ValueError("Only the built-in text search configurations can be chosen.")
    return f"pg_catalog.{name}"


def identifier_list(value: str) -> str:
    """Names separated by commas, quoted where needed, folded to lower case otherwise.

    A quoted empty name is no schema's, and is what `SET search_path = ''` stands for.
    """
    names = _names(value)
    if any(len(name.encode()) > IDENTIFIER_BYTES_MAX for name in names):
        raise ValueError("List syntax is invalid.")
    if len(names) > SEARCH_PATH_NAMES_MAX:
        raise ValueError(f"At most {SEARCH_PATH_NAMES_MAX} names.")
    return ", ".join(quoted(name) for name in names)


def _names(value: str) -> list[str]:
    """The names of a list as they are meant: without quotes, or folded to lower case (PostgreSQL
    source, SplitIdentifierString)."""
    names: list[str] = []
    rest = value.strip()
    is_open = bool(rest)
    while is_open:
        match = re.match(r'\s*("(?:[^"]|"")*"|[^",\s]+)\s*(,|\Z)', rest)
        if match is None:
            raise ValueError("List syntax is invalid.")
        name = match[1]
        names.append(name[1:-1].replace('""', '"') if name.startswith('"') else name.lower())
        rest = rest[match.end() :]
        is_open = match[2] == ","  # a name must follow
    return names


def quoted(name: str) -> str:
    """An identifier, quoted when it is not plain lower case."""
    if re.fullmatch(r"[a-z_][a-z0-9_$]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'
