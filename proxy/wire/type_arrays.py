"""One-dimensional arrays between binary and text.

This file must not know which types exist: the caller gives the element's OID and codec.
Formats: PostgreSQL's arrayfuncs.c (array_send, array_out); quoting: docs §8.15.2 and §8.15.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from proxy.wire.errors import InvalidValue
from proxy.wire.limits import VALUE_TEXT_CHARACTERS_MAX
from proxy.wire.type_values import invalid, invalid_binary

_HEADER = struct.Struct(">iiI")
_DIMENSION = struct.Struct(">ii")
_LENGTH = struct.Struct(">i")
_INT4_MAX: Final = 0x7FFF_FFFF
_NULL_LENGTH: Final = b"\xff\xff\xff\xff"

_SPACE: Final = " \t\n\r\v\f"

# A text element needs quotes if it is empty, looks like NULL, or holds what has a meaning.
# White space is that of C's isspace; Unicode's other spaces are ordinary characters to Postgres.
_NEEDS_QUOTES = re.compile(r'[{},"\\ \t\n\r\v\f]')
_ESCAPED = re.compile(r'(["\\])')
_BOUNDS = re.compile(r"\[([+-]?[0-9]{1,10}):([+-]?[0-9]{1,10})\]=")
# Possessive throughout: a hostile literal must not make the matcher try again and again.
_ELEMENT = re.compile(
    r'[ \t\n\r\v\f]*+(?:"((?:[^"\\]|\\.)*+)"[ \t\n\r\v\f]*+|((?:[^"\\{},]|\\.)++))([,}])',
    re.DOTALL,
)
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)


def to_text(data: bytes, element_oid: int, element_to_text: Callable[[bytes], str]) -> str:
    """Return the text form of a binary array.

    Raises InvalidValue: 22P03 for a bad layout, 42804 for another element type than the array's,
    0A000 for more than one dimension, 54000 for a text too long; and what the element raises.
    """
    if len(data) < _HEADER.size:
        raise invalid_binary("array")
    dimensions, flags, actual_oid = _HEADER.unpack_from(data)
    if flags not in (0, 1) or dimensions < 0:
        raise invalid_binary("array")
    if actual_oid != element_oid:
        raise InvalidValue("binary data has an element type other than the array's", "42804")
    if dimensions == 0:
        if len(data) != _HEADER.size:
            raise invalid_binary("array")
        return "{}"
    if dimensions > 1:
        raise InvalidValue("arrays of several dimensions are not supported here", "0A000")
    elements, lower = _elements(data)
    texts: list[str] = []
    characters = 0
    for element in elements:
        text = "NULL" if element is None else _quoted(element_to_text(element))
        characters += len(text) + 1
        if characters > VALUE_TEXT_CHARACTERS_MAX:
            raise InvalidValue("array is too long as text", "54000")
        texts.append(text)
    if not texts:
        return "{}"
    bounds = "" if lower == 1 else f"[{lower}:{lower + len(texts) - 1}]="
    return f"{bounds}{{{','.join(texts)}}}"


def to_binary(text: str, element_oid: int, element_to_binary: Callable[[str], bytes]) -> bytes:
    """Return the binary form of an array literal of one dimension.

    Raises InvalidValue: 22P02 for a literal that does not parse, and what the element raises.
    """
    literal = text.strip(_SPACE)
    lower, upper = 1, None
    bounds = _BOUNDS.match(literal)
    if bounds is not None:
        lower, upper = int(bounds[1]), int(bounds[2])
        literal = literal[bounds.end() :]
    values = _split(literal)
    if upper is not None and (upper - lower + 1 != len(values) or abs(upper) >= _INT4_MAX):
        raise invalid("array")
    if not values:
        return _HEADER.pack(0, 0, element_oid)
    has_null = any(item is None for item in values)
    parts = [_HEADER.pack(1, int(has_null), element_oid), _DIMENSION.pack(len(values), lower)]
    for item in values:
        if item is None:
            parts.append(_NULL_LENGTH)
        else:
            element = element_to_binary(item)
            parts.append(_LENGTH.pack(len(element)) + element)
    return b"".join(parts)


def _elements(data: bytes) -> tuple[list[bytes | None], int]:
    if len(data) < _HEADER.size + _DIMENSION.size:
        raise invalid_binary("array")
    count, lower = _DIMENSION.unpack_from(data, _HEADER.size)
    position = _HEADER.size + _DIMENSION.size
    # Each element takes at least its length, so the count is bounded by the bytes there are.
    if not 0 <= count <= (len(data) - position) // _LENGTH.size or lower + count > _INT4_MAX:
        raise invalid_binary("array")
    elements: list[bytes | None] = []
    for _ in range(count):
        if len(data) - position < _LENGTH.size:
            raise invalid_binary("array")
        (size,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if size == -1:
            elements.append(None)
            continue
        if not 0 <= size <= len(data) - position:
            raise invalid_binary("array")
        elements.append(data[position : position + size])
        position += size
    if position != len(data):
        raise invalid_binary("array")
    return elements, lower


def _quoted(text: str) -> str:
    if text and text.upper() != "NULL" and _NEEDS_QUOTES.search(text) is None:
        return text
    return '"' + _ESCAPED.sub(r"\\\1", text) + '"'


def _split(literal: str) -> list[str | None]:
    """Return the elements of `{…}`, unquoted, None for NULL."""
    if not literal.startswith("{") or not literal.endswith("}"):
        raise invalid("array")
    if not literal[1:-1].strip(_SPACE):
        return []
    values: list[str | None] = []
    position = 1
    closing = ","
    while closing == ",":
        match = _ELEMENT.match(literal, position)
        if match is None:
            raise invalid("array")
        values.append(_unquoted(match[1], match[2]))
        closing = match[3]
        position = match.end()
    if position != len(literal):
        raise invalid("array")
    return values


def _unquoted(quoted: str | None, bare: str | None) -> str | None:
    if quoted is not None:
        return _UNESCAPE.sub(r"\1", quoted)
    assert bare is not None, "an element is either quoted or bare"
    word = bare.rstrip(_SPACE)
    if word.upper() == "NULL":
        return None
    if not word:
        raise invalid("array")
    return _UNESCAPE.sub(r"\1", word)
