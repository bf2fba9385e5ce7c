"""Typed literals of conditions, validated so that Postgres can read every one of them.

This file must not know columns or rules. A literal that Postgres could refuse would turn a policy
into an error at every statement; one out of range would raise in the middle of an expression. Both
are found here, when the policy is loaded. Ranges: PostgreSQL documentation, chapter 8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from uuid import UUID

from policies.expression import TypedLiteral

INTERVAL_AMOUNT_MAX = 10_000
NUMBER_CHARACTERS_MAX = 40

# The spelling in a policy -> format_type's name.
_TYPE_ALIASES: Mapping[str, str] = {
    "bool": "boolean",
    "decimal": "numeric",
    "float4": "real",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}

_INTERVAL_UNIT = re.compile(r"([0-9]{1,5}) (second|minute|hour|day|week|month|year)s?")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def canonical_type(name: str) -> str:
    """format_type's name for a type as a policy spells it."""
    return _TYPE_ALIASES.get(name, name)


def typed_literal(type_name: str, text: str) -> TypedLiteral:
    """`'text'::type_name`, or ValueError that says what the type accepts here."""
    name = canonical_type(type_name)
    validate = _VALIDATORS.get(name)
    if validate is None:
        known = ", ".join(sorted(_VALIDATORS))
        raise ValueError(f"a literal cannot be cast to {type_name}; possible: {known}")
    return TypedLiteral(name, validate(text))


def _number(minimum: int, maximum: int) -> Callable[[str], str]:
    def validate(text: str) -> str:
        if not re.fullmatch(r"-?[0-9]{1,19}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"not a whole number from {minimum} to {maximum}")
        return text

    return validate


def _numeric(text: str) -> str:
    if len(text) > NUMBER_CHARACTERS_MAX or not _NUMBER.fullmatch(text):
        raise ValueError(f"not a decimal number of at most {NUMBER_CHARACTERS_MAX} characters")
    return text


def _boolean(text: str) -> str:
    if text not in ("true", "false"):
        raise ValueError("not true or false")
    return text


def _date(text: str) -> str:
    try:
        is_canonical = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise ValueError("not a date of the form 2026-01-31")
    return text


def _instant(needs_zone: bool) -> Callable[[str], str]:
    def validate(text: str) -> str:
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("not an instant of the form 2026-01-31T12:00:00+00:00") from None
        if needs_zone is (parsed.tzinfo is None):
            # Without an offset the meaning would follow the session's TimeZone.
            raise ValueError(
                "an offset from UTC is " + ("missing" if needs_zone else "not allowed")
            )
        return parsed.isoformat()

    return validate


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("not a uuid") from None


def _interval(text: str) -> str:
    for part in re.split(r",? +(?=[0-9])", text.strip()):
        match = _INTERVAL_UNIT.fullmatch(part)
        if match is None:
            raise ValueError("not an interval of the form '1 year 3 months' or '90 days'")
        if int(match[1]) > INTERVAL_AMOUNT_MAX:
            raise ValueError(f"an interval amount is at most {INTERVAL_AMOUNT_MAX}")
    return " ".join(text.split())


def _text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text cannot hold a NUL character")
    return text


def _jsonb(text: str) -> str:
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        raise ValueError("not a JSON document") from None
    if "\\u" in text:
        raise ValueError("a JSON literal holds no \\u escapes here")
    return text


def _refuse_constant(name: str) -> None:
    # Python reads NaN and Infinity, Postgres does not.
    raise ValueError(name)


_VALIDATORS: Mapping[str, Callable[[str], str]] = {
    "bigint": _number(-(2**63), 2**63 - 1),
    "boolean": _boolean,
    "date": _date,
    "integer": _number(-(2**31), 2**31 - 1),
    "interval": _interval,
    "jsonb": _jsonb,
    "numeric": _numeric,
    "smallint": _number(-(2**15), 2**15 - 1),
    "text": _text,
    "timestamp with time zone": _instant(needs_zone=True),
    "timestamp without time zone": _instant(needs_zone=False),
    "uuid": _uuid,
}
