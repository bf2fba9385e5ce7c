"""Type OIDs inside binary values: found, and written anew as another server numbers its types.

Arrays tell the OID of their elements, rows that of each field (PostgreSQL source, array_send and
record_send); nothing else does. Where two servers have the same types under different numbers, a
value of the one is a value of the other once these are replaced.

This file must not know which types there are: `TypeNumbers` says so. No length that a peer sent is
trusted.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from proxy.wire.errors import InvalidValue

FIRST_OWN_OID: Final = 16_384
"""PostgreSQL source, access/transam.h: lower OIDs are built in and the same everywhere."""

RECORD_OID: Final = 2249
RECORD_ARRAY_OID: Final = 2287
DIMENSIONS_MAX: Final = 6
"""PostgreSQL's MAXDIM."""

DEPTH_MAX: Final = 32
"""Values inside values: composite types nest by definition, so few."""

_ARRAY = struct.Struct(">iiI")
_DIMENSION_BYTES: Final = 8
_COUNT = struct.Struct(">i")
_FIELD = struct.Struct(">Ii")
_INVALID_BINARY: Final = "22P03"


class Shape(Enum):
    """What a value of a type holds: other values, or what cannot be written anew."""

    ARRAY = auto()
    RECORD = auto()
    OPAQUE = auto()


@dataclass(frozen=True, slots=True)
class TypeNumbers:
    """`shapes` of types by the OID that values bear; `told` the OID to write instead. A type that
    has no shape holds no OIDs. Built-in types keep their numbers and need no entry."""

    shapes: Mapping[int, Shape] = field(default_factory=dict)
    told: Mapping[int, int] = field(default_factory=dict)

    def shape(self, oid: int) -> Shape | None:
        """What to do with a value of this type."""
        if oid == RECORD_OID:
            return Shape.RECORD
        return Shape.ARRAY if oid == RECORD_ARRAY_OID else self.shapes.get(oid)

    def number(self, oid: int) -> int:
        """The OID to write. Raises InvalidValue 0A000 for a type that only one side has."""
        if oid < FIRST_OWN_OID:
            return oid
        told = self.told.get(oid)
        if told is None:
            raise _unsupported()
        return told


def renumbered(value: bytes, oid: int, numbers: TypeNumbers, *, element: int = 0) -> bytes:
    """`value` of type `oid`, with other OIDs inside; `element` is what an array is to tell of its
    elements, 0 for what `numbers` says.

    Raises InvalidValue: 22P03 for bytes that are no such value, 0A000 for a type without a number.
    """
    try:
        return _value(value, oid, numbers, element, 0)
    except struct.error:
        raise _malformed() from None


def _value(value: bytes, oid: int, numbers: TypeNumbers, element: int, depth: int) -> bytes:
    if depth > DEPTH_MAX:
        raise _malformed()
    match numbers.shape(oid):
        case None:
            return value
        case Shape.ARRAY:
            return _array(value, numbers, element, depth)
        case Shape.RECORD:
            return _record(value, numbers, depth)
        case Shape.OPAQUE:
            raise _unsupported()


def _array(value: bytes, numbers: TypeNumbers, element: int, depth: int) -> bytes:
    dimensions, flags, oid = _ARRAY.unpack_from(value)
    start = _ARRAY.size + dimensions * _DIMENSION_BYTES
    if not 0 <= dimensions <= DIMENSIONS_MAX or start > len(value):
        raise _malformed()
    head = _ARRAY.pack(dimensions, flags, element or numbers.number(oid))
    head += value[_ARRAY.size : start]
    if numbers.shape(oid) is None:
        return head + value[start:]
    parts, position = [head], start
    while position < len(value):
        (length,) = _COUNT.unpack_from(value, position)
        position += _COUNT.size
        inner, position = _inner(value, position, length, oid, numbers, depth)
        parts.append(inner)
    return b"".join(parts)


def _record(value: bytes, numbers: TypeNumbers, depth: int) -> bytes:
    (count,) = _COUNT.unpack_from(value)
    parts, position = [value[: _COUNT.size]], _COUNT.size
    for _ in range(count):
        oid, length = _FIELD.unpack_from(value, position)
        position += _FIELD.size
        inner, position = _inner(value, position, length, oid, numbers, depth)
        parts.append(numbers.number(oid).to_bytes(4, "big") + inner)
    if count < 0 or position != len(value):
        raise _malformed()
    return b"".join(parts)


def _inner(
    value: bytes, position: int, length: int, oid: int, numbers: TypeNumbers, depth: int
) -> tuple[bytes, int]:
    """One element or field with its length in front, and where the next begins."""
    if length == -1:  # NULL
        return _COUNT.pack(-1), position
    end = position + length
    if length < 0 or end > len(value):
        raise _malformed()
    inner = _value(value[position:end], oid, numbers, 0, depth + 1)
    return _COUNT.pack(len(inner)) + inner, end


def _malformed() -> InvalidValue:
    return InvalidValue("incorrect binary data format", _INVALID_BINARY)


def _unsupported() -> InvalidValue:
    return InvalidValue("a value of this type has no binary form here", "0A000")
