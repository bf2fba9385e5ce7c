"""Messages that a server sends, one frozen class each, encoding and decoding.

This file must not know the order in which messages may come (`protocol.py`) nor any socket.
`encode()` returns the whole message; `decode(body)` takes what follows the length field. A server
is a peer like any other: every length is checked, an error without an SQLSTATE is refused. Formats:
PostgreSQL documentation, §54.7 and §54.8.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from proxy.wire.body import INT32, BodyReader, count, frame, malformed, string, value
from proxy.wire.errors import UnencodableMessage, UnsupportedMessage
from proxy.wire.limits import CANCEL_KEY_BYTES_MAX, CANCEL_KEY_BYTES_MIN

_FIELD = struct.Struct(">IhIhiH")


class BackendMessage:
    """Marker: a server sends this."""

    __slots__ = ()
    TYPE: ClassVar[bytes] = b""

    def encode(self) -> bytes:
        """Return the whole message as bytes."""
        raise NotImplementedError


class _EmptyMessage(BackendMessage):
    """A message without fields."""

    __slots__ = ()

    def encode(self) -> bytes:
        return self.TYPE + b"\0\0\0\x04"

    @classmethod
    def decode(cls, body: bytes) -> Self:
        if body:
            raise malformed(cls.__name__, cls.TYPE, "it must be empty")
        return cls()


# --- authentication and start -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuthenticationOk(BackendMessage):
    """The client is who it says."""

    TYPE: ClassVar[bytes] = b"R"

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(0))


@dataclass(frozen=True, slots=True)
class AuthenticationCleartextPassword(BackendMessage):
    """Asks for a PasswordMessage."""

    TYPE: ClassVar[bytes] = b"R"

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(3))


@dataclass(frozen=True, slots=True)
class AuthenticationSASL(BackendMessage):
    """Offers SASL mechanisms, the preferred first."""

    TYPE: ClassVar[bytes] = b"R"
    mechanisms: tuple[str, ...]

    def encode(self) -> bytes:
        if not all(self.mechanisms):
            raise UnencodableMessage("a SASL mechanism needs a name")
        return frame(b"R", INT32.pack(10) + b"".join(map(string, self.mechanisms)) + b"\0")


@dataclass(frozen=True, slots=True)
class AuthenticationSASLContinue(BackendMessage):
    """A SASL challenge."""

    TYPE: ClassVar[bytes] = b"R"
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(11) + self.data)


@dataclass(frozen=True, slots=True)
class AuthenticationSASLFinal(BackendMessage):
    """The outcome of SASL; for SCRAM the server's own proof."""

    TYPE: ClassVar[bytes] = b"R"
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(12) + self.data)


# What a server may ask for and this package does not do, by name, for the error text.
UNSUPPORTED_AUTHENTICATION: Final[Mapping[int, str]] = {
    2: "Kerberos V5",
    5: "MD5 password",
    6: "SCM credential",
    7: "GSSAPI",
    8: "GSSAPI continuation",
    9: "SSPI",
}


def decode_authentication(body: bytes) -> BackendMessage:
    """Return the message that a body of type `R` holds.

    Raises MalformedMessage, or UnsupportedMessage for a method that this package does not do.
    """
    reader = BodyReader(body, "Authentication", b"R")
    code = reader.int32()
    message: BackendMessage
    match code:
        case 0:
            message = AuthenticationOk()
        case 3:
            message = AuthenticationCleartextPassword()
        case 10:
            mechanisms = []
            while mechanism := reader.string():
                mechanisms.append(mechanism)
            message = AuthenticationSASL(tuple(mechanisms))
        case 11:
            message = AuthenticationSASLContinue(reader.rest())
        case 12:
            message = AuthenticationSASLFinal(reader.rest())
        case _:
            method = UNSUPPORTED_AUTHENTICATION.get(code, f"number {code}")
            raise UnsupportedMessage(f"the server asks for an unsupported authentication: {method}")
    reader.end()
    return message


@dataclass(frozen=True, slots=True)
class NegotiateProtocolVersion(BackendMessage):
    """Offers an older minor version, and lists the `_pq_.` options that are not known.

    `version` is (major, minor). The documentation says "minor version", Postgres and libpq put the
    whole version number there; so does this class.
    """

    TYPE: ClassVar[bytes] = b"v"
    version: tuple[int, int]
    unknown_options: tuple[str, ...] = ()

    def encode(self) -> bytes:
        head = struct.pack(">HHi", *self.version, len(self.unknown_options))
        return frame(b"v", head + b"".join(map(string, self.unknown_options)))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        version = (reader.uint16(), reader.uint16())
        number = reader.int32()
        if not 0 <= number <= reader.remaining_bytes:
            raise reader.fail("a count exceeds the message")
        options = tuple(reader.string() for _ in range(number))
        reader.end()
        return cls(version, options)


@dataclass(frozen=True, slots=True)
class BackendKeyData(BackendMessage):
    """What a client needs to cancel. `secret_key` has 4 bytes in protocol 3.0, 4 to 256 in 3.2."""

    TYPE: ClassVar[bytes] = b"K"
    process_id: int
    secret_key: bytes = field(repr=False)

    def encode(self) -> bytes:
        if not CANCEL_KEY_BYTES_MIN <= len(self.secret_key) <= CANCEL_KEY_BYTES_MAX:
            raise UnencodableMessage("a cancel key has 4 to 256 bytes")
        return frame(b"K", INT32.pack(self.process_id) + self.secret_key)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        process_id = reader.int32()
        secret_key = reader.rest()
        if not CANCEL_KEY_BYTES_MIN <= len(secret_key) <= CANCEL_KEY_BYTES_MAX:
            raise reader.fail("a cancel key has 4 to 256 bytes")
        return cls(process_id, secret_key)


@dataclass(frozen=True, slots=True)
class ParameterStatus(BackendMessage):
    """Reports a setting."""

    TYPE: ClassVar[bytes] = b"S"
    name: str
    value: str

    def encode(self) -> bytes:
        return frame(b"S", string(self.name) + string(self.value))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        name, setting = reader.string(), reader.string()
        reader.end()
        return cls(name, setting)


@dataclass(frozen=True, slots=True)
class ReadyForQuery(BackendMessage):
    """`status`: b"I" idle, b"T" in a transaction, b"E" in a failed one."""

    TYPE: ClassVar[bytes] = b"Z"
    status: bytes

    def encode(self) -> bytes:
        return b"Z\0\0\0\x05" + self.status

    @classmethod
    def decode(cls, body: bytes) -> Self:
        if body not in (b"I", b"T", b"E"):
            raise malformed("ReadyForQuery", b"Z", "unknown transaction status")
        return cls(body)


# --- results ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One column: where it comes from (0 for nowhere), its type, its format code (0 or 1)."""

    name: str
    table_oid: int
    column_number: int
    type_oid: int
    type_size: int
    type_modifier: int = -1
    format: int = 0


@dataclass(frozen=True, slots=True)
class RowDescription(BackendMessage):
    """The columns of what follows, or of what was described."""

    TYPE: ClassVar[bytes] = b"T"
    fields: tuple[FieldDescription, ...]

    def encode(self) -> bytes:
        parts = [count(len(self.fields))]
        for column in self.fields:
            parts.append(string(column.name))
            parts.append(
                _FIELD.pack(
                    column.table_oid,
                    column.column_number,
                    column.type_oid,
                    column.type_size,
                    column.type_modifier,
                    column.format,
                )
            )
        return frame(b"T", b"".join(parts))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        fields = []
        for _ in range(reader.uint16()):
            name = reader.string()
            column = FieldDescription(name, *_FIELD.unpack(reader.take(_FIELD.size)))
            if column.format > 1:
                raise reader.fail("a format code is neither 0 nor 1")
            fields.append(column)
        reader.end()
        return cls(tuple(fields))


@dataclass(frozen=True, slots=True)
class DataRow(BackendMessage):
    """One row; None is NULL."""

    TYPE: ClassVar[bytes] = b"D"
    values: tuple[bytes | None, ...] = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"D", count(len(self.values)) + b"".join(map(value, self.values)))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        values = tuple(reader.value() for _ in range(reader.uint16()))
        reader.end()
        return cls(values)


@dataclass(frozen=True, slots=True)
class CommandComplete(BackendMessage):
    """The end of one statement, such as `SELECT 5`."""

    TYPE: ClassVar[bytes] = b"C"
    tag: str

    def encode(self) -> bytes:
        return frame(b"C", string(self.tag))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        tag = reader.string()
        reader.end()
        return cls(tag)


@dataclass(frozen=True, slots=True)
class EmptyQueryResponse(_EmptyMessage):
    """Answers an empty query instead of CommandComplete."""

    TYPE: ClassVar[bytes] = b"I"


@dataclass(frozen=True, slots=True)
class ParseComplete(_EmptyMessage):
    """Parse is done."""

    TYPE: ClassVar[bytes] = b"1"


@dataclass(frozen=True, slots=True)
class BindComplete(_EmptyMessage):
    """Bind is done."""

    TYPE: ClassVar[bytes] = b"2"


@dataclass(frozen=True, slots=True)
class CloseComplete(_EmptyMessage):
    """Close is done."""

    TYPE: ClassVar[bytes] = b"3"


@dataclass(frozen=True, slots=True)
class NoData(_EmptyMessage):
    """What was described returns no rows."""

    TYPE: ClassVar[bytes] = b"n"


@dataclass(frozen=True, slots=True)
class PortalSuspended(_EmptyMessage):
    """Execute stopped at its row limit; more may follow."""

    TYPE: ClassVar[bytes] = b"s"


@dataclass(frozen=True, slots=True)
class ParameterDescription(BackendMessage):
    """The types of a statement's parameters."""

    TYPE: ClassVar[bytes] = b"t"
    oids: tuple[int, ...]

    def encode(self) -> bytes:
        return frame(b"t", count(len(self.oids)) + struct.pack(f">{len(self.oids)}I", *self.oids))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        oids = tuple(reader.uint32() for _ in range(reader.uint16()))
        reader.end()
        return cls(oids)


# --- errors and what comes unasked --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Report(BackendMessage):
    """What ErrorResponse and NoticeResponse share: fields by their one-letter code.

    `S` severity, `C` SQLSTATE and `M` message are always there (docs, §54.8); unknown codes are
    kept.
    """

    fields: Mapping[str, str]

    def encode(self) -> bytes:
        if (reason := _report_fault(self.fields)) is not None:
            raise UnencodableMessage(reason)
        body = b"".join(code.encode() + string(text) for code, text in self.fields.items())
        return frame(self.TYPE, body + b"\0")

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        fields: dict[str, str] = {}
        while (code := reader.take(1)) != b"\0":
            name = code.decode("latin-1")
            if name in fields:
                raise reader.fail("a field comes twice")
            fields[name] = reader.string()
        reader.end()
        if (reason := _report_fault(fields)) is not None:
            raise reader.fail(reason)
        return cls(fields)

    @property
    def sqlstate(self) -> str:
        """The SQLSTATE, five characters."""
        return self.fields["C"]

    @property
    def message(self) -> str:
        """The primary message, in whatever words the server chose."""
        return self.fields["M"]


@dataclass(frozen=True, slots=True)
class ErrorResponse(_Report):
    """An error; severity FATAL or PANIC ends the connection."""

    TYPE: ClassVar[bytes] = b"E"


@dataclass(frozen=True, slots=True)
class NoticeResponse(_Report):
    """A warning or note; may come at any time."""

    TYPE: ClassVar[bytes] = b"N"


@dataclass(frozen=True, slots=True)
class NotificationResponse(BackendMessage):
    """What NOTIFY sent to a listener."""

    TYPE: ClassVar[bytes] = b"A"
    process_id: int
    channel: str
    payload: str

    def encode(self) -> bytes:
        return frame(
            b"A", INT32.pack(self.process_id) + string(self.channel) + string(self.payload)
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        message = cls(reader.int32(), reader.string(), reader.string())
        reader.end()
        return message


# --- COPY ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _CopyResponse(BackendMessage):
    """What the two starts of COPY share: a format (0 text or CSV, 1 binary), and one by column."""

    format: int
    column_formats: tuple[int, ...]

    def encode(self) -> bytes:
        codes = struct.pack(f">{len(self.column_formats)}H", *self.column_formats)
        return frame(self.TYPE, bytes([self.format]) + count(len(self.column_formats)) + codes)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        overall = reader.take(1)[0]
        column_formats = reader.format_codes()
        reader.end()
        if overall > 1:
            raise reader.fail("a format code is neither 0 nor 1")
        return cls(overall, column_formats)


@dataclass(frozen=True, slots=True)
class CopyOutResponse(_CopyResponse):
    """COPY TO STDOUT begins."""

    TYPE: ClassVar[bytes] = b"H"


@dataclass(frozen=True, slots=True)
class CopyInResponse(_CopyResponse):
    """The server waits for COPY FROM STDIN."""

    TYPE: ClassVar[bytes] = b"G"


@dataclass(frozen=True, slots=True)
class CopyData(BackendMessage):
    """One portion of COPY TO STDOUT."""

    TYPE: ClassVar[bytes] = b"d"
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"d", self.data)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(body)


@dataclass(frozen=True, slots=True)
class CopyDone(_EmptyMessage):
    """COPY TO STDOUT is complete."""

    TYPE: ClassVar[bytes] = b"c"


DECODERS: Final[Mapping[int, Callable[[bytes], BackendMessage]]] = {
    ord("R"): decode_authentication,
    **{
        message.TYPE[0]: message.decode
        for message in (
            NegotiateProtocolVersion,
            BackendKeyData,
            ParameterStatus,
            ReadyForQuery,
            RowDescription,
            DataRow,
            CommandComplete,
            EmptyQueryResponse,
            ParseComplete,
            BindComplete,
            CloseComplete,
            NoData,
            PortalSuspended,
            ParameterDescription,
            ErrorResponse,
            NoticeResponse,
            NotificationResponse,
            CopyOutResponse,
            CopyInResponse,
            CopyData,
            CopyDone,
        )
    },
}


def _report_fault(fields: Mapping[str, str]) -> str | None:
    """Say what an error or notice lacks, or None."""
    if not {"S", "C", "M"} <= fields.keys():
        return "a severity, an SQLSTATE and a message are required"
    sqlstate = fields["C"]
    if len(sqlstate) != 5 or not (sqlstate.isascii() and sqlstate.isalnum()):
        return "the SQLSTATE has not five letters or digits"
    if not all(len(code) == 1 and "\0" < code < "\x80" for code in fields):
        return "a field code is not one ASCII character"
    return None
