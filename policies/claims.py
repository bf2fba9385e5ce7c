"""Claims: typed attributes of a principal. JSON values in, Postgres parameter text out.

This file must not know tokens, rules or sources. A claim's type is declared in the policy; a value
of another type is refused, never converted by guesswork: `"7"` is not a bigint, `7` is not text.
Values that reach SQL do so as typed parameters (or, where the protocol has none, as literals
printed elsewhere), so there is no quoting here except that of array literals (PostgreSQL
documentation, 8.15.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from policies.errors import ClaimRefused

Scalar = str | int | float | bool | Decimal
ClaimValue = Scalar | tuple[Scalar, ...] | None

# A claim travels as one parameter of every guarded statement: these bound what a statement can
# cost.
CLAIM_TEXT_BYTES_MAX = 8_192
CLAIM_ELEMENTS_MAX = 10_000
CLAIM_NUMERIC_DIGITS_MAX = 1_000
BIGINT_MIN, BIGINT_MAX = -(2**63), 2**63 - 1
INTEGER_MIN, INTEGER_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class ClaimType:
    """A Postgres type that a claim can have.

    `name` as `format_type` prints it (`text`, `bigint[]`), `oid` from pg_type.dat, stable in every
    version.
    """

    name: str
    oid: int
    is_array: bool

    @property
    def element_name(self) -> str:
        """The type of one value: `text` for both `text` and `text[]`."""
        return self.name.removesuffix("[]")

    @staticmethod
    def parse(text: str) -> ClaimType:
        """The type called `text` (`text`, `bigint[]`, …); ValueError names the known ones."""
        is_array = text.endswith("[]")
        element = text.removesuffix("[]").strip().lower()
        element = _ALIASES.get(element, element)
        oids = _OIDS.get(element)
        if oids is None:
            raise ValueError(f"unknown claim type {text!r}; known: {', '.join(CLAIM_TYPE_NAMES)}")
        name = f"{element}[]" if is_array else element
        return ClaimType(name, oids[1] if is_array else oids[0], is_array)


# type -> (OID, OID of its array), from src/include/catalog/pg_type.dat.
_OIDS: Mapping[str, tuple[int, int]] = {
    "text": (25, 1009),
    "bigint": (20, 1016),
    "integer": (23, 1007),
    "numeric": (1700, 1231),
    "boolean": (16, 1000),
    "date": (1082, 1182),
    "timestamp with time zone": (1184, 1185),
    "uuid": (2950, 2951),
}
_ALIASES: Mapping[str, str] = {
    "bool": "boolean",
    "decimal": "numeric",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "timestamptz": "timestamp with time zone",
}
CLAIM_TYPE_NAMES: tuple[str, ...] = tuple(
    f"{'timestamptz' if name == 'timestamp with time zone' else name}{suffix}"
    for suffix in ("", "[]")
    for name in _OIDS
)

# A mask's key material travels as a claim slot too, but no policy file can declare the type.
KEY_TYPE = ClaimType("bytea", 17, False)


def coerce(claim: str, value: object, type_: ClaimType) -> ClaimValue:
    """A JSON value as a claim of the declared type.

    Arrays become tuples; dates, instants and uuids become canonical text. Raises ClaimRefused for a
    wrong type, a null inside an array, NUL or lone surrogates in text, and everything beyond the
    limits above.
    """
    convert = _CONVERSIONS[type_.element_name]
    if not type_.is_array:
        return _convert_one(claim, value, type_, convert)
    if not isinstance(value, list | tuple):
        raise ClaimRefused(
            claim, f"a list of {type_.element_name} is declared, the value is not a list"
        )
    if len(value) > CLAIM_ELEMENTS_MAX:
        raise ClaimRefused(claim, f"more than {CLAIM_ELEMENTS_MAX} elements")
    return tuple(_convert_one(claim, element, type_, convert) for element in value)


def _convert_one(
    claim: str, value: object, type_: ClaimType, convert: Callable[[object], Scalar]
) -> Scalar:
    try:
        return convert(value)
    except (ValueError, TypeError, OverflowError):
        # The cause would quote the value: `from None` keeps it out of every traceback.
        raise ClaimRefused(claim, f"the value is not a valid {type_.element_name}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    # encode() refuses lone surrogates, which Postgres could not store either.
    if len(value.encode("utf-8")) > CLAIM_TEXT_BYTES_MAX or "\x00" in value:
        raise ValueError
    return value


def _whole(minimum: int, maximum: int) -> Callable[[object], int]:
    def convert(value: object) -> int:
        # bool is an int in Python and is not one in JSON.
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError
        if not minimum <= value <= maximum:
            raise ValueError
        return value

    return convert


def _numeric(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError
    if isinstance(value, int) and value.bit_length() > 4 * CLAIM_NUMERIC_DIGITS_MAX:
        raise ValueError
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise ValueError
    digits, exponent = len(number.as_tuple().digits), number.adjusted()
    if digits > CLAIM_NUMERIC_DIGITS_MAX or abs(exponent) > CLAIM_NUMERIC_DIGITS_MAX:
        raise ValueError
    return number


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _date(value: object) -> str:
    # Only YYYY-MM-DD: Python also reads week dates and the basic form, Postgres reads those
    # differently.
    text = _text(value)
    parsed = date.fromisoformat(text)
    if parsed.isoformat() != text:
        raise ValueError
    return text


def _instant(value: object) -> str:
    parsed = datetime.fromisoformat(_text(value))
    if parsed.tzinfo is None:
        raise ValueError
    return parsed.astimezone(UTC).isoformat()


def _uuid(value: object) -> str:
    text = _text(value)
    parsed = str(UUID(text))
    if parsed != text.lower():
        raise ValueError
    return parsed


_CONVERSIONS: Mapping[str, Callable[[object], Scalar]] = {
    "text": _text,
    "bigint": _whole(BIGINT_MIN, BIGINT_MAX),
    "integer": _whole(INTEGER_MIN, INTEGER_MAX),
    "numeric": _numeric,
    "boolean": _boolean,
    "date": _date,
    "timestamp with time zone": _instant,
    "uuid": _uuid,
}


def is_empty(value: ClaimValue) -> bool:
    """True for what counts as missing: None, the empty text. An empty list is a value: no rows."""
    return value is None or value == ""


def to_text(value: ClaimValue, type_: ClaimType) -> str | None:
    """The value as Postgres text-format parameter; None for SQL NULL.

    `value` has been through `coerce` for this type (asserted for arrays, where the form differs).
    """
    if value is None:
        return None
    if type_.is_array:
        assert isinstance(value, tuple), f"an array claim of type {type_.name} holds a tuple"
        return "{" + ",".join(_array_element(element) for element in value) + "}"
    assert not isinstance(value, tuple), f"a claim of type {type_.name} holds one value"
    return _scalar_text(value)


def _scalar_text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _array_element(value: Scalar) -> str:
    # Quoting every element keeps NULL, empty text, braces, commas and blanks literal.
    text = _scalar_text(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
