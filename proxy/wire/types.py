"""Built-in types: their OIDs and sizes, and their values between binary, text and SQL literal.

This file must not know where a value comes from. It is used to turn a client's binary parameter
into the text that Postgres would print, to check a parameter before it travels, to encode a result
in the format a client asked for, and to print the few literals that no parameter can carry.

Text forms are those of Postgres with DateStyle ISO, IntervalStyle postgres, TimeZone UTC,
extra_float_digits 1 and bytea_output hex. From text only such forms are read, not everything that
Postgres' input functions understand (`tomorrow`, `1_000`): a type's own input stays the source's
work. OIDs and sizes: pg_type.dat; formats: the types' send and receive functions.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.wire import type_arrays, type_numbers, type_times
from proxy.wire.errors import InvalidValue
from proxy.wire.type_values import INVALID_BINARY, fixed, invalid

BOOL_OID: Final = 16
BYTEA_OID: Final = 17
CHAR_OID: Final = 18
NAME_OID: Final = 19
INT8_OID: Final = 20
INT2_OID: Final = 21
INT4_OID: Final = 23
TEXT_OID: Final = 25
OID_OID: Final = 26
JSON_OID: Final = 114
FLOAT4_OID: Final = 700
FLOAT8_OID: Final = 701
UNKNOWN_OID: Final = 705
BPCHAR_OID: Final = 1042
VARCHAR_OID: Final = 1043
DATE_OID: Final = 1082
TIME_OID: Final = 1083
TIMESTAMP_OID: Final = 1114
TIMESTAMPTZ_OID: Final = 1184
INTERVAL_OID: Final = 1186
TIMETZ_OID: Final = 1266
NUMERIC_OID: Final = 1700
UUID_OID: Final = 2950
JSONB_OID: Final = 3802

TEXT_FORMAT: Final = 0
BINARY_FORMAT: Final = 1

# NAMEDATALEN - 1.
NAME_TYPE_BYTES_MAX: Final = 63

_JSONB_VERSION: Final = b"\x01"
_HEX = re.compile(r"\\x(?:[0-9a-fA-F]{2})*")
_OCTAL = re.compile(r"\\[0-3][0-7]{2}")
_BYTEA_PART = re.compile(rb"\\\\|\\[0-3][0-7]{2}|[^\\]")


@dataclass(frozen=True, slots=True)
class BuiltinType:
    """One type. `size` in bytes, -1 for variable (pg_type.typlen); OIDs of itself and its array.

    `to_text` reads the binary form, `to_binary` the text form; both raise InvalidValue.
    """

    name: str
    oid: int
    array_oid: int
    size: int
    to_text: Callable[[bytes], str]
    to_binary: Callable[[str], bytes]


def _bool_to_text(data: bytes) -> str:
    # Any byte but zero is true (boolrecv).
    return "t" if fixed(data, 1, "boolean") != b"\0" else "f"


def _bool_to_binary(text: str) -> bytes:
    folded = text.strip(" ").lower()
    # Unique prefixes count, so "o" is neither on nor off (parse_bool_with_len).
    if folded and ("true".startswith(folded) or "yes".startswith(folded) or folded in ("on", "1")):
        return b"\x01"
    if folded and (
        "false".startswith(folded) or "no".startswith(folded) or folded in ("of", "off", "0")
    ):
        return b"\0"
    raise invalid("boolean")


def _text_to_text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidValue('invalid byte sequence for encoding "UTF8"', "22021") from None
    if "\0" in text:
        raise InvalidValue('invalid byte sequence for encoding "UTF8": 0x00', "22021")
    return text


def _text_to_binary(text: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise InvalidValue("text is not valid Unicode", "22021") from None
    if b"\0" in data:
        raise InvalidValue('invalid byte sequence for encoding "UTF8": 0x00', "22021")
    return data


def _name_to_text(data: bytes) -> str:
    if len(data) > NAME_TYPE_BYTES_MAX:
        raise InvalidValue("identifier too long", "42622")
    return _text_to_text(data)


def _name_to_binary(text: str) -> bytes:
    data = _text_to_binary(text)
    # Input truncates between characters (namein, pg_mbcliplen).
    return data[:NAME_TYPE_BYTES_MAX].decode(errors="ignore").encode()


def _char_to_text(data: bytes) -> str:
    byte = fixed(data, 1, '"char"')[0]
    if byte == 0:
        return ""
    return chr(byte) if byte < 0x80 else f"\\{byte:03o}"


def _char_to_binary(text: str) -> bytes:
    if _OCTAL.fullmatch(text):
        return bytes([int(text[1:], 8)])
    # Input takes the first byte and drops the rest without a word (charin).
    return _text_to_binary(text)[:1] or b"\0"


def _bytea_to_text(data: bytes) -> str:
    return "\\x" + data.hex()


def _bytea_to_binary(text: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text[2:])
    data = _text_to_binary(text)
    parts = _BYTEA_PART.findall(data)
    if text.startswith("\\x") or sum(map(len, parts)) != len(data):
        raise invalid("bytea")
    return b"".join(_bytea_byte(part) for part in parts)


def _bytea_byte(part: bytes) -> bytes:
    if part == b"\\\\":
        return b"\\"
    return bytes([int(part[1:], 8)]) if part.startswith(b"\\") else part


def _uuid_to_text(data: bytes) -> str:
    return str(uuid.UUID(bytes=fixed(data, 16, "uuid")))


_UUID = re.compile(r"(\{)?[0-9a-fA-F]{4}(?:-?[0-9a-fA-F]{4}){7}(?(1)\})")


def _uuid_to_binary(text: str) -> bytes:
    if _UUID.fullmatch(text) is None:
        raise invalid("uuid")
    return uuid.UUID(text).bytes


def _refuse_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _check_json(text: str) -> str:
    """Refuse what is not JSON; the text itself travels, so nothing is lost in reading it."""
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise invalid("json") from None
    return text


def _json_to_text(data: bytes) -> str:
    return _check_json(_text_to_text(data))


def _json_to_binary(text: str) -> bytes:
    return _text_to_binary(_check_json(text))


def _jsonb_to_text(data: bytes) -> str:
    if data[:1] != _JSONB_VERSION:
        raise InvalidValue("unsupported jsonb version number", INVALID_BINARY)
    return _json_to_text(data[1:])


def _jsonb_to_binary(text: str) -> bytes:
    return _JSONB_VERSION + _json_to_binary(text)


# name, OID, OID of its array, size, binary to text, text to binary
_TABLE: Final = (
    BuiltinType("bool", BOOL_OID, 1000, 1, _bool_to_text, _bool_to_binary),
    BuiltinType("bytea", BYTEA_OID, 1001, -1, _bytea_to_text, _bytea_to_binary),
    BuiltinType("char", CHAR_OID, 1002, 1, _char_to_text, _char_to_binary),
    BuiltinType("name", NAME_OID, 1003, 64, _name_to_text, _name_to_binary),
    BuiltinType("int2", INT2_OID, 1005, 2, *type_numbers.INT2),
    BuiltinType("int4", INT4_OID, 1007, 4, *type_numbers.INT4),
    BuiltinType("text", TEXT_OID, 1009, -1, _text_to_text, _text_to_binary),
    BuiltinType("bpchar", BPCHAR_OID, 1014, -1, _text_to_text, _text_to_binary),
    BuiltinType("varchar", VARCHAR_OID, 1015, -1, _text_to_text, _text_to_binary),
    BuiltinType("int8", INT8_OID, 1016, 8, *type_numbers.INT8),
    BuiltinType("float4", FLOAT4_OID, 1021, 4, *type_numbers.FLOAT4),
    BuiltinType("float8", FLOAT8_OID, 1022, 8, *type_numbers.FLOAT8),
    BuiltinType("oid", OID_OID, 1028, 4, *type_numbers.OID),
    BuiltinType("timestamp", TIMESTAMP_OID, 1115, 8, *type_times.TIMESTAMP),
    BuiltinType("date", DATE_OID, 1182, 4, *type_times.DATE),
    BuiltinType("time", TIME_OID, 1183, 8, *type_times.TIME),
    BuiltinType("timestamptz", TIMESTAMPTZ_OID, 1185, 8, *type_times.TIMESTAMPTZ),
    BuiltinType("interval", INTERVAL_OID, 1187, 16, *type_times.INTERVAL),
    BuiltinType("numeric", NUMERIC_OID, 1231, -1, *type_numbers.NUMERIC),
    BuiltinType("timetz", TIMETZ_OID, 1270, 12, *type_times.TIMETZ),
    BuiltinType("json", JSON_OID, 199, -1, _json_to_text, _json_to_binary),
    BuiltinType("uuid", UUID_OID, 2951, 16, _uuid_to_text, _uuid_to_binary),
    BuiltinType("jsonb", JSONB_OID, 3807, -1, _jsonb_to_text, _jsonb_to_binary),
)

BUILTIN_TYPES: Final[Mapping[int, BuiltinType]] = {entry.oid: entry for entry in _TABLE}
# By the array's OID: the element's type.
ELEMENT_TYPES: Final[Mapping[int, BuiltinType]] = {entry.array_oid: entry for entry in _TABLE}


def type_size(oid: int) -> int:
    """Return pg_type.typlen for RowDescription: bytes, or -1 for variable and for unknown types."""
    entry = BUILTIN_TYPES.get(oid)
    return -1 if entry is None else entry.size


def binary_to_text(oid: int, data: bytes) -> str:
    """Return the text that Postgres would print for a value in binary format.

    Raises InvalidValue: 22P03 for bytes that the type does not allow, 22008 for a date or time out
    of range, 22021 for text that is not UTF-8, 0A000 for a type that is not in the table above.
    """
    entry = BUILTIN_TYPES.get(oid)
    if entry is not None:
        return entry.to_text(data)
    element = ELEMENT_TYPES.get(oid)
    if element is None:
        raise _unknown(oid)
    return type_arrays.to_text(data, element.oid, element.to_text)


def text_to_binary(oid: int, text: str) -> bytes:
    """Return the binary format of a value in Postgres' text form (see above for which forms).

    Raises InvalidValue: 22P02, 22003, 22008, 22021, or 0A000 as `binary_to_text` does.
    """
    entry = BUILTIN_TYPES.get(oid)
    if entry is not None:
        return entry.to_binary(text)
    element = ELEMENT_TYPES.get(oid)
    if element is None:
        raise _unknown(oid)
    return type_arrays.to_binary(text, element.oid, element.to_binary)


def parameter_text(oid: int, format_code: int, data: bytes | None) -> str | None:
    """Return a parameter of a Bind as text, None for NULL, whichever format it came in.

    A text parameter is checked for encoding only: what its type makes of it is the source's work.
    Raises InvalidValue.
    """
    if data is None:
        return None
    if format_code == TEXT_FORMAT:
        return _text_to_text(data)
    return binary_to_text(oid, data)


def quote_literal(text: str) -> str:
    r"""Return `text` as a string literal that no character can leave.

    Quotes are doubled. A backslash is an ordinary character only while standard_conforming_strings
    is on; a text that holds one is therefore written as E'…' with backslashes doubled, which means
    the same under either setting (as PQescapeLiteral does). Raises InvalidValue (22021) for a NUL,
    which would end the statement early, and for a lone surrogate, which no encoding can carry.
    """
    _text_to_binary(text)
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def _unknown(oid: int) -> InvalidValue:
    return InvalidValue(f"type with OID {oid} is not supported in binary format", "0A000")
