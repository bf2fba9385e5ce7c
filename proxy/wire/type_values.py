"""What every type's reader shares: the errors, and a length check.

This file must not know any particular type. No error shows the value: a parameter may be a secret.
"""

from __future__ import annotations

from typing import Final

from proxy.wire.errors import InvalidValue

# SQLSTATEs: invalid_binary_representation, numeric_value_out_of_range, datetime_field_overflow.
INVALID_BINARY: Final = "22P03"
OUT_OF_RANGE: Final = "22003"
DATETIME_OVERFLOW: Final = "22008"


def invalid(type_name: str) -> InvalidValue:
    """Build the error for text that is not of the type; the caller raises it."""
    return InvalidValue(f"invalid input syntax for type {type_name}")


def invalid_binary(type_name: str) -> InvalidValue:
    """Build the error for bytes that are not of the type; the caller raises it."""
    return InvalidValue(f"incorrect binary data for type {type_name}", INVALID_BINARY)


def out_of_range(type_name: str) -> InvalidValue:
    """Build the error for a number beyond the type; the caller raises it."""
    return InvalidValue(f"value is out of range for type {type_name}", OUT_OF_RANGE)


def fixed(data: bytes, size: int, type_name: str) -> bytes:
    """Return `data` if it has exactly `size` bytes; InvalidValue (22P03) otherwise."""
    if len(data) != size:
        raise invalid_binary(type_name)
    return data
