"""Numbers between binary and text: int2, int4, int8, oid, float4, float8, numeric.

This file must not know OIDs. Each type is a pair: binary to text, text to binary.
Formats: PostgreSQL's int.c, float.c and numeric.c (numeric_send).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from proxy.wire.type_values import fixed, invalid, invalid_binary, out_of_range

Codec = tuple[Callable[[bytes], str], Callable[[str], bytes]]

# White space that Postgres' number readers skip on both sides (isspace).
_SPACE: Final = " \t\n\r\v\f"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMERIC = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,6}))?")


def _integer(type_name: str, size: int, *, signed: bool) -> Codec:
    def to_text(data: bytes) -> str:
        return str(int.from_bytes(fixed(data, size, type_name), "big", signed=signed))

    def to_binary(text: str) -> bytes:
        digits = text.strip(_SPACE)
        if _INTEGER.fullmatch(digits) is None:
            raise invalid(type_name)
        # Beyond 40 digits no leading zeros of honest input explain it, and int() takes long.
        if len(digits) > 40:
            raise out_of_range(type_name)
        try:
            return int(digits).to_bytes(size, "big", signed=signed)
        except OverflowError:
            raise out_of_range(type_name) from None

    return to_text, to_binary


INT2: Final = _integer("smallint", 2, signed=True)
INT4: Final = _integer("integer", 4, signed=True)
INT8: Final = _integer("bigint", 8, signed=True)
OID: Final = _integer("oid", 4, signed=False)


# --- floating point -------------------------------------------------------------------------------

_FLOAT_NAMES: Final = {
    "nan": "nan",
    "inf": "inf",
    "infinity": "inf",
    "+inf": "inf",
    "+infinity": "inf",
    "-inf": "-inf",
    "-infinity": "-inf",
}


def _float(type_name: str, layout: struct.Struct, *, digits_max: int, plain_exponent: int) -> Codec:
    """Make the codec of a binary float.

    Postgres writes plainly while the decimal exponent is in -4..`plain_exponent` - 1 (float8out:
    15, float4out: 6).
    """

    def to_text(data: bytes) -> str:
        (number,) = layout.unpack(fixed(data, layout.size, type_name))
        if number != number:
            return "NaN"
        if number in (float("inf"), float("-inf")):
            return "Infinity" if number > 0 else "-Infinity"
        sign = "-" if data[0] & 0x80 else ""
        if number == 0:
            return f"{sign}0"
        below, above = _neighbours(data, layout)
        digits, exponent = _shortest(abs(number), below, above, digits_max)
        return sign + _write_float(digits, exponent, plain_exponent)

    def to_binary(text: str) -> bytes:
        word = text.strip(_SPACE)
        named = _FLOAT_NAMES.get(word.lower())
        if named is not None:
            return layout.pack(float(named))
        if _FLOAT.fullmatch(word) is None:
            raise invalid(type_name)
        number = float(word)
        try:
            data = layout.pack(number)
        except OverflowError:
            raise out_of_range(type_name) from None
        has_digits = any(digit in "123456789" for digit in re.split("[eE]", word)[0])
        (stored,) = layout.unpack(data)
        # Postgres refuses what overflows to infinity, and what underflows to zero.
        if stored in (float("inf"), float("-inf")) or (stored == 0 and has_digits):
            raise out_of_range(type_name)
        return data

    return to_text, to_binary


def _neighbours(data: bytes, layout: struct.Struct) -> tuple[Fraction, Fraction]:
    """Return the numbers next to the magnitude of a binary float that is neither 0 nor infinite."""

    def at(pattern: int) -> Fraction:
        return Fraction(layout.unpack(pattern.to_bytes(layout.size, "big"))[0])

    # Without the sign, patterns count upwards as the numbers do.
    pattern = int.from_bytes(data, "big") & ((1 << (8 * layout.size - 1)) - 1)
    below = at(pattern - 1)
    try:
        return below, at(pattern + 1)
    except OverflowError:
        # Above the largest number is infinity; the gap is as wide as the one below.
        return below, 2 * at(pattern) - below


def _shortest(number: float, below: Fraction, above: Fraction, digits_max: int) -> tuple[str, int]:
    """Return the fewest decimal digits that mean `number` and no neighbour, and their exponent.

    The digits must lie strictly between the half-ways to the numbers `below` and `above`: Postgres
    does not rely on a reader's rule for ties (d2s.c), as `repr` does. Of several, the closest.
    """
    exact = Fraction(number)
    low, high = (exact + below) / 2, (exact + above) / 2
    # Forty digits tell any float from a power of ten, so this exponent was not rounded up.
    exponent = int(f"{number:.40e}".partition("e")[2])
    for precision in range(1, digits_max + 1):
        unit = Fraction(10) ** (exponent - precision + 1)
        floor = exact // unit
        candidates = [digits for digits in (floor, floor + 1) if low < digits * unit < high]
        if candidates:
            break
    closest = min(candidates, key=lambda digits: abs(digits * unit - exact))
    text = str(closest)
    return text.rstrip("0"), exponent + len(text) - precision


def _write_float(digits: str, exponent: int, plain_exponent: int) -> str:
    if not -4 <= exponent < plain_exponent:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{digits[0]}{fraction}e{exponent:+03d}"
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole


FLOAT4: Final = _float("real", struct.Struct(">f"), digits_max=9, plain_exponent=6)
FLOAT8: Final = _float("double precision", struct.Struct(">d"), digits_max=17, plain_exponent=15)


# --- numeric: base 10,000 digits, a weight, a sign, a display scale -------------------------------

_HEADER = struct.Struct(">HhHH")
_POSITIVE: Final = 0x0000
_NEGATIVE: Final = 0x4000
_SPECIAL: Final = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_SPECIAL_OF_NAME: Final = {
    "nan": 0xC000,
    **dict.fromkeys(("inf", "infinity", "+inf", "+infinity"), 0xD000),
    **dict.fromkeys(("-inf", "-infinity"), 0xF000),
}
# NUMERIC_DSCALE_MASK, and the digits Postgres allows before the point (docs §8.1.2).
_SCALE_MAX: Final = 16_383
_WHOLE_DIGITS_MAX: Final = 131_072


def _numeric_to_text(data: bytes) -> str:
    if len(data) < _HEADER.size:
        raise invalid_binary("numeric")
    count, weight, sign, scale = _HEADER.unpack_from(data)
    if len(data) != _HEADER.size + 2 * count or scale > _SCALE_MAX:
        raise invalid_binary("numeric")
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    if sign not in (_POSITIVE, _NEGATIVE):
        raise invalid_binary("numeric")
    groups = struct.unpack_from(f">{count}H", data, _HEADER.size)
    if any(group > 9_999 for group in groups):
        raise invalid_binary("numeric")
    digits = "".join(f"{group:04d}" for group in groups)
    # The point stands behind (weight + 1) groups, which need not be among those sent.
    point = 4 * (weight + 1)
    whole = digits[: max(point, 0)].ljust(max(point, 0), "0").lstrip("0") or "0"
    fraction = ("0" * max(-point, 0) + digits[max(point, 0) :])[:scale].ljust(scale, "0")
    text = f"{whole}.{fraction}" if scale else whole
    is_zero = not text.strip("0.")
    return f"-{text}" if sign == _NEGATIVE and not is_zero else text


def _numeric_to_binary(text: str) -> bytes:
    word = text.strip(_SPACE)
    special = _SPECIAL_OF_NAME.get(word.lower())
    if special is not None:
        return _HEADER.pack(0, 0, special, 0)
    match = _NUMERIC.fullmatch(word)
    if match is None or not (match[2] or match[3]):
        raise invalid("numeric")
    whole, fraction = match[2], match[3] or ""
    exponent = int(match[4] or 0)
    if abs(exponent) > _WHOLE_DIGITS_MAX or len(word) > _WHOLE_DIGITS_MAX + _SCALE_MAX:
        raise out_of_range("numeric")
    scale = max(len(fraction) - exponent, 0)
    digits = whole + fraction
    point = len(whole) + exponent
    # Move the point into the digits, with zeros on the side where it falls outside.
    if point < 0:
        digits, point = "0" * -point + digits, 0
    digits = digits.ljust(point, "0")
    whole, fraction = digits[:point].lstrip("0"), digits[point:]
    if len(whole) > _WHOLE_DIGITS_MAX or scale > _SCALE_MAX:
        raise out_of_range("numeric")
    return _pack_numeric(match[1] == "-", whole, fraction, scale)


def _pack_numeric(is_negative: bool, whole: str, fraction: str, scale: int) -> bytes:
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    digits = whole + fraction
    groups = [int(digits[start : start + 4]) for start in range(0, len(digits), 4)]
    weight = len(whole) // 4 - 1
    while groups and groups[0] == 0:
        groups.pop(0)
        weight -= 1
    while groups and groups[-1] == 0:
        groups.pop()
    if not groups:
        return _HEADER.pack(0, 0, _POSITIVE, scale)
    sign = _NEGATIVE if is_negative else _POSITIVE
    return _HEADER.pack(len(groups), weight, sign, scale) + struct.pack(f">{len(groups)}H", *groups)


NUMERIC: Final[Codec] = (_numeric_to_text, _numeric_to_binary)
