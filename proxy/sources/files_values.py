"""Values of parameters for DuckDB: only those that mean the same there as in Postgres.

A value in text format is what Postgres' input function would read. Here only its canonical spelling
is read; anything else (blanks, other date styles, special values) is `NotBindable`, and Postgres
gets to read it. This file must not know queries.
"""

from __future__ import annotations

import datetime
import re
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from policies.claims import ClaimValue
from proxy.sources.base import BINARY_FORMAT, Arguments

if TYPE_CHECKING:
    # A type only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import FileSlot

BoundValue = tuple[str, Any]
"""A kind of `proxy/files/values.py`, and the value as JSON can hold it."""

DIGITS_MAX: Final = 18

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_NUMERIC: Final = re.compile(rf"-?[0-9]{{1,{DIGITS_MAX}}}(\.[0-9]{{1,{DIGITS_MAX}}})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PATTERNS: Final = {
    "boolean": re.compile(r"[tf]"), "integer": _INTEGER, "numeric": _NUMERIC, "date": _DATE,
    "timestamp": _TIMESTAMP, "uuid": _UUID, "double": _NUMERIC,
    "text": re.compile(r"[^\0]*", re.DOTALL),
}  # fmt: skip
_WORDS: Final = {"true": "t", "false": "f"}
_ARRAY: Final = re.compile(r"\{(?:(?:\"(?:[^\"\\]|\\.)*\"|[^\",{}\\\s]+)(?:,(?!\})|(?=\})))*\}")
_ELEMENT: Final = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|([^\",{}\\\s]+)")

_BINARY: Final[dict[int, Callable[[bytes], str]]] = {
    16: lambda value: "t" if value == b"\x01" else "f",
    21: lambda value: str(struct.unpack("!h", value)[0]),
    23: lambda value: str(struct.unpack("!i", value)[0]),
    20: lambda value: str(struct.unpack("!q", value)[0]),
    25: lambda value: value.decode(),
    1043: lambda value: value.decode(),
}


class NotBindable(Exception):
    """The value is for Postgres to read."""


def bound_values(
    slots: Sequence[FileSlot], arguments: Arguments, claims: Sequence[ClaimValue]
) -> list[BoundValue]:
    """The values of a query's parameters in their order; claims follow the arguments.

    Raises NotBindable.
    """
    formats = arguments.format_of_each()
    found = []
    for slot in slots:
        place = slot.number - 1
        if place < len(arguments.values):
            value = arguments.values[place]
            text = None if value is None else _text(value, formats[place], slot.type_oid)
            content = None if text is None else _content(text, slot.kind)
        elif place - len(arguments.values) < len(claims):
            content = _claim(claims[place - len(arguments.values)], slot.kind)
        else:
            raise NotBindable
        if slot.is_pattern and content is not None and "\\" in content:
            raise NotBindable
        found.append((slot.kind, content))
    return found


def _text(value: bytes, value_format: int, oid: int) -> str:
    try:
        if value_format != BINARY_FORMAT:
            return value.decode()
        read = _BINARY.get(oid)
        if read is None:
            raise NotBindable
        return read(value)
    except (UnicodeDecodeError, struct.error) as error:
        raise NotBindable from error


def _content(text: str, kind: str) -> Any:
    if kind.endswith("[]"):
        return [_scalar(one, kind[:-2]) for one in _elements(text)]
    return _scalar(text, kind)


def _scalar(text: str, kind: str) -> str:
    text = _WORDS.get(text, text) if kind == "boolean" else text
    if not _PATTERNS[kind].fullmatch(text):
        raise NotBindable
    try:
        if kind == "date":
            datetime.date.fromisoformat(text)
        elif kind == "timestamp":
            datetime.datetime.fromisoformat(text)
    except ValueError as error:  # the thirtieth of February: Postgres' own error is told
        raise NotBindable from error
    return text


def _elements(text: str) -> list[str]:
    """The elements of an array literal without NULLs, bounds or nesting (PostgreSQL documentation,
    8.15.6)."""
    if not _ARRAY.fullmatch(text):
        raise NotBindable
    found = []
    for match in _ELEMENT.finditer(text):
        plain = match[2]
        if plain is not None and plain.upper() == "NULL":
            raise NotBindable
        found.append(plain if plain is not None else re.sub(r"\\(.)", r"\1", match[1], flags=re.S))
    return found


def _claim(value: ClaimValue, kind: str) -> Any:
    if value is None:
        return None
    if isinstance(value, tuple):
        if not kind.endswith("[]"):
            raise NotBindable
        return [_claim(one, kind[:-2]) for one in value]
    if isinstance(value, bool):
        return _scalar("t" if value else "f", kind)
    return _scalar(format(value, "f") if isinstance(value, Decimal) else str(value), kind)
