"""Messages that a client sends, one frozen class each, encoding and decoding.

This file must not know the order in which messages may come (`phase.py`) nor any socket. It holds
the session's messages and gathers those of the start from `frontend_start`: import from here.
`encode()` returns the whole message; `decode(body)` takes what follows the length field. Parse,
Bind, Describe and Execute are read by hand with `unpack_from`: they are every driver's hot path.
Formats: PostgreSQL documentation, §54.7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Self

from proxy.wire.body import (
    INT32,
    INVALID_ENCODING_SQLSTATE,
    UINT16,
    UINT32,
    BodyReader,
    count,
    frame,
    malformed,
    string,
    value,
)
from proxy.wire.errors import MalformedMessage
from proxy.wire.frontend_start import (
    CancelRequest,
    GSSENCRequest,
    PasswordMessage,
    SASLInitialResponse,
    SASLResponse,
    SSLRequest,
    StartupMessage,
)
from proxy.wire.limits import NAME_BYTES_MAX
from proxy.wire.message import EmptyMessage, FrontendMessage

__all__ = [
    "PORTAL",
    "STATEMENT",
    "Bind",
    "CancelRequest",
    "Close",
    "CopyData",
    "CopyDone",
    "CopyFail",
    "Describe",
    "Execute",
    "Flush",
    "FrontendMessage",
    "FunctionCall",
    "GSSENCRequest",
    "Parse",
    "PasswordMessage",
    "Query",
    "SASLInitialResponse",
    "SASLResponse",
    "SSLRequest",
    "StartupMessage",
    "Sync",
    "Terminate",
]

STATEMENT = b"S"
PORTAL = b"P"


@dataclass(frozen=True, slots=True)
class Query(FrontendMessage):
    """A simple query: text of any number of statements."""

    TYPE: ClassVar[bytes] = b"Q"
    sql: str

    def encode(self) -> bytes:
        return frame(b"Q", string(self.sql))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        if body.find(0) != len(body) - 1 or not body:
            raise malformed("Query", b"Q", "the text does not end with its only zero byte")
        return cls(_text(body[:-1], b"Q"))


@dataclass(frozen=True, slots=True)
class Parse(FrontendMessage):
    """Prepare `sql` as `statement` ("" is the unnamed one); OID 0 leaves a type open."""

    TYPE: ClassVar[bytes] = b"P"
    statement: str
    sql: str
    parameter_oids: tuple[int, ...] = ()

    def encode(self) -> bytes:
        oids = struct.pack(f">{len(self.parameter_oids)}I", *self.parameter_oids)
        number = count(len(self.parameter_oids))
        return frame(b"P", string(self.statement) + string(self.sql) + number + oids)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        try:
            name_end = body.index(0)
            sql_end = body.index(0, name_end + 1)
            (number,) = UINT16.unpack_from(body, sql_end + 1)
            oids: tuple[int, ...] = struct.unpack_from(f">{number}I", body, sql_end + 3)
        except (ValueError, struct.error):
            raise malformed("Parse", b"P", "it is cut short") from None
        if len(body) != sql_end + 3 + 4 * number:
            raise malformed("Parse", b"P", "bytes follow the last field")
        return cls(_name(body[:name_end], b"P"), _text(body[name_end + 1 : sql_end], b"P"), oids)


@dataclass(frozen=True, slots=True)
class Bind(FrontendMessage):
    """Make `portal` from `statement` and values.

    `parameter_formats` and `result_formats` are empty (all text), one code for all, or one each.
    """

    TYPE: ClassVar[bytes] = b"B"
    portal: str
    statement: str
    parameter_formats: tuple[int, ...] = ()
    parameters: tuple[bytes | None, ...] = field(default=(), repr=False)
    result_formats: tuple[int, ...] = ()

    def encode(self) -> bytes:
        parts = [string(self.portal), string(self.statement)]
        parts.append(_format_codes(self.parameter_formats))
        parts.append(count(len(self.parameters)))
        parts.extend(map(value, self.parameters))
        parts.append(_format_codes(self.result_formats))
        return frame(b"B", b"".join(parts))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        try:
            portal_end = body.index(0)
            statement_end = body.index(0, portal_end + 1)
            parameter_formats, position = _read_format_codes(body, statement_end + 1)
            parameters, position = _read_values(body, position)
            result_formats, position = _read_format_codes(body, position)
        except (ValueError, struct.error):
            raise malformed("Bind", b"B", "it is cut short") from None
        if position != len(body):
            raise malformed("Bind", b"B", "bytes follow the last field")
        if len(parameter_formats) > 1 and len(parameter_formats) != len(parameters):
            raise MalformedMessage(
                f"bind message has {len(parameter_formats)} parameter formats"
                f" but {len(parameters)} parameters",
                message_type=b"B",
            )
        return cls(
            _name(body[:portal_end], b"B"),
            _name(body[portal_end + 1 : statement_end], b"B"),
            parameter_formats,
            parameters,
            result_formats,
        )


@dataclass(frozen=True, slots=True)
class _NamedTarget(FrontendMessage):
    """What Describe and Close share: `kind` STATEMENT (b"S") or PORTAL (b"P"), and a name."""

    kind: bytes
    name: str

    def encode(self) -> bytes:
        return frame(self.TYPE, self.kind + string(self.name))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        kind = body[:1]
        if kind not in (STATEMENT, PORTAL) or body.find(0) != len(body) - 1:
            raise malformed(cls.__name__, cls.TYPE, "it must name a statement or a portal")
        return cls(kind, _name(body[1:-1], cls.TYPE))


@dataclass(frozen=True, slots=True)
class Describe(_NamedTarget):
    """Asks for the parameters and columns of a statement, or the columns of a portal."""

    TYPE: ClassVar[bytes] = b"D"


@dataclass(frozen=True, slots=True)
class Close(_NamedTarget):
    """Closes a statement or a portal; one that does not exist is no error."""

    TYPE: ClassVar[bytes] = b"C"


@dataclass(frozen=True, slots=True)
class Execute(FrontendMessage):
    """Run `portal`; `row_max` 0 means all rows."""

    TYPE: ClassVar[bytes] = b"E"
    portal: str = ""
    row_max: int = 0

    def encode(self) -> bytes:
        return frame(b"E", string(self.portal) + INT32.pack(self.row_max))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        end = len(body) - 5
        if end < 0 or body.find(0) != end:
            raise malformed("Execute", b"E", "its fields do not fit its length")
        (row_max,) = INT32.unpack_from(body, end + 1)
        # Postgres reads a limit below one as none (exec_execute_message).
        return cls(_name(body[:end], b"E"), max(row_max, 0))


@dataclass(frozen=True, slots=True)
class Flush(EmptyMessage, FrontendMessage):
    """Asks for the answers so far."""

    TYPE: ClassVar[bytes] = b"H"


@dataclass(frozen=True, slots=True)
class Sync(EmptyMessage, FrontendMessage):
    """Ends a pipeline: exactly one ReadyForQuery answers it."""

    TYPE: ClassVar[bytes] = b"S"


@dataclass(frozen=True, slots=True)
class Terminate(EmptyMessage, FrontendMessage):
    """The client leaves."""

    TYPE: ClassVar[bytes] = b"X"


@dataclass(frozen=True, slots=True)
class FunctionCall(FrontendMessage):
    """The fast path: calls a function by OID, past any SQL. No state accepts it."""

    TYPE: ClassVar[bytes] = b"F"
    function_oid: int
    argument_formats: tuple[int, ...] = ()
    arguments: tuple[bytes | None, ...] = field(default=(), repr=False)
    result_format: int = 0

    def encode(self) -> bytes:
        parts = [UINT32.pack(self.function_oid), _format_codes(self.argument_formats)]
        parts.append(count(len(self.arguments)))
        parts.extend(map(value, self.arguments))
        parts.append(UINT16.pack(self.result_format))
        return frame(b"F", b"".join(parts))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        function_oid = reader.uint32()
        formats = reader.format_codes()
        arguments = tuple(reader.value() for _ in range(reader.uint16()))
        result_format = reader.uint16()
        reader.end()
        if result_format > 1:
            raise reader.fail("a format code is neither 0 nor 1")
        return cls(function_oid, formats, arguments, result_format)


@dataclass(frozen=True, slots=True)
class CopyData(FrontendMessage):
    """A portion of COPY FROM STDIN; portions need not be rows."""

    TYPE: ClassVar[bytes] = b"d"
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"d", self.data)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(body)


@dataclass(frozen=True, slots=True)
class CopyDone(EmptyMessage, FrontendMessage):
    """COPY FROM STDIN is complete."""

    TYPE: ClassVar[bytes] = b"c"


@dataclass(frozen=True, slots=True)
class CopyFail(FrontendMessage):
    """The client gives COPY FROM STDIN up, with its reason."""

    TYPE: ClassVar[bytes] = b"f"
    reason: str

    def encode(self) -> bytes:
        return frame(b"f", string(self.reason))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        reason = reader.string()
        reader.end()
        return cls(reason)


# --- shared pieces ---


def _text(raw: bytes, message_type: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedMessage(
            'invalid byte sequence for encoding "UTF8"',
            INVALID_ENCODING_SQLSTATE,
            message_type=message_type,
        ) from None


def _name(raw: bytes, message_type: bytes) -> str:
    if len(raw) > NAME_BYTES_MAX:
        raise MalformedMessage(
            f"a statement or portal name has more than {NAME_BYTES_MAX} bytes",
            "42622",  # name_too_long
            message_type=message_type,
        )
    return _text(raw, message_type)


def _format_codes(codes: tuple[int, ...]) -> bytes:
    return count(len(codes)) + struct.pack(f">{len(codes)}H", *codes)


def _read_format_codes(body: bytes, position: int) -> tuple[tuple[int, ...], int]:
    (number,) = UINT16.unpack_from(body, position)
    if not number:
        return (), position + 2
    codes: tuple[int, ...] = struct.unpack_from(f">{number}H", body, position + 2)
    if max(codes) > 1:
        raise malformed("Bind", b"B", "a format code is neither 0 nor 1")
    return codes, position + 2 + 2 * number


def _read_values(body: bytes, position: int) -> tuple[tuple[bytes | None, ...], int]:
    (number,) = UINT16.unpack_from(body, position)
    position += 2
    values: list[bytes | None] = []
    size = len(body)
    for _ in range(number):
        (length,) = INT32.unpack_from(body, position)
        position += 4
        if length == -1:
            values.append(None)
            continue
        end = position + length
        if length < 0 or end > size:
            raise malformed("Bind", b"B", "a length exceeds the message")
        values.append(body[position:end])
        position = end
    return tuple(values), position
