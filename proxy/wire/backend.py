"""Messages that a server sends, one frozen class each, encoding and decoding.

This file must not know the order in which messages may come (`phase.py`) nor any socket. It holds
results and COPY, and gathers the rest from `backend_start` and `backend_report`: import from here.
`encode()` returns the whole message; `decode(body)` takes what follows the length field.
Formats: PostgreSQL documentation, §54.7.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from proxy.wire.backend_report import (
    ErrorResponse,
    NoticeResponse,
    NotificationResponse,
    ParameterStatus,
)
from proxy.wire.backend_start import (
    AuthenticationCleartextPassword,
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendKeyData,
    NegotiateProtocolVersion,
    decode_authentication,
)
from proxy.wire.body import BodyReader, count, frame, malformed, string, value
from proxy.wire.message import BackendMessage, EmptyMessage

__all__ = [
    "DECODERS",
    "AuthenticationCleartextPassword",
    "AuthenticationOk",
    "AuthenticationSASL",
    "AuthenticationSASLContinue",
    "AuthenticationSASLFinal",
    "BackendKeyData",
    "BackendMessage",
    "BindComplete",
    "CloseComplete",
    "CommandComplete",
    "CopyData",
    "CopyDone",
    "CopyInResponse",
    "CopyOutResponse",
    "DataRow",
    "EmptyQueryResponse",
    "ErrorResponse",
    "FieldDescription",
    "NegotiateProtocolVersion",
    "NoData",
    "NoticeResponse",
    "NotificationResponse",
    "ParameterDescription",
    "ParameterStatus",
    "ParseComplete",
    "PortalSuspended",
    "ReadyForQuery",
    "RowDescription",
    "decode_authentication",
]

_FIELD = struct.Struct(">IhIhiH")


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
class EmptyQueryResponse(EmptyMessage, BackendMessage):
    """Answers an empty query instead of CommandComplete."""

    TYPE: ClassVar[bytes] = b"I"


@dataclass(frozen=True, slots=True)
class ParseComplete(EmptyMessage, BackendMessage):
    """Parse is done."""

    TYPE: ClassVar[bytes] = b"1"


@dataclass(frozen=True, slots=True)
class BindComplete(EmptyMessage, BackendMessage):
    """Bind is done."""

    TYPE: ClassVar[bytes] = b"2"


@dataclass(frozen=True, slots=True)
class CloseComplete(EmptyMessage, BackendMessage):
    """Close is done."""

    TYPE: ClassVar[bytes] = b"3"


@dataclass(frozen=True, slots=True)
class NoData(EmptyMessage, BackendMessage):
    """What was described returns no rows."""

    TYPE: ClassVar[bytes] = b"n"


@dataclass(frozen=True, slots=True)
class PortalSuspended(EmptyMessage, BackendMessage):
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


# --- COPY ---


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
class CopyDone(EmptyMessage, BackendMessage):
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
