"""What a server reports: errors, notices, notifications, settings.

This file must not know which error is meant, nor which text may be shown to whom. A server is a
peer like any other: a report without an SQLSTATE is refused.
Formats: PostgreSQL documentation, §54.7 and §54.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from proxy.wire.body import INT32, BodyReader, frame, string
from proxy.wire.errors import UnencodableMessage
from proxy.wire.message import BackendMessage


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


def _report_fault(fields: Mapping[str, str]) -> str | None:
    """Say what an error or notice lacks, or None."""
    if not {"S", "C", "M"} <= fields.keys():
        return "a severity, an SQLSTATE and a message are required"
    sqlstate = fields["C"]
    if len(sqlstate) != 5 or not (sqlstate.isascii() and sqlstate.isalnum()):
        return "the SQLSTATE has not five letters or digits"
    if not all(len(code) == 1 and "!" <= code <= "~" for code in fields):
        return "a field code is not one printable ASCII character"
    return None
