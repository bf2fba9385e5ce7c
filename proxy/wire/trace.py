"""One readable line per message, in the manner of libpq's PQtrace, for golden files and debugging.

This file must not know a conversation: each message is printed by itself. Two modes. The regression
mode hides what differs between runs (OIDs, key data, source lines), as PQTRACE_REGRESS_MODE does.
INVARIANT I8: proofs of identity and cancel keys are never printed, in either mode.

A line: direction (F from the client, B from the server), length field, name, fields; between them
tabs. Strings are in double quotes, values in single ones with other than printable ASCII as \\xNN.
Format: libpq's fe-trace.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from proxy.wire import backend, frontend
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.message import BackendMessage, FrontendMessage, Message
from proxy.wire.type_oids import FIRST_OWN_OID

_REDACTED: Final = "REDACTED"
_HIDDEN: Final = "NNNN"
# Fields of an error that name a place in the server's source.
_SOURCE_PLACE: Final = frozenset("FLR")


def trace_lines(
    message: Message | RowBatch | CopyBatch, *, is_regression: bool = True
) -> list[str]:
    """Return the lines of one message or batch, without line ends; a batch has a line per frame."""
    if isinstance(message, RowBatch):
        rows = (backend.DataRow(row) for row in message.rows())
        return [trace_line(row, is_regression=is_regression) for row in rows]
    if isinstance(message, CopyBatch):
        portions = (backend.CopyData(portion) for portion in message.portions())
        return [trace_line(portion, is_regression=is_regression) for portion in portions]
    return [trace_line(message, is_regression=is_regression)]


def trace_line(message: Message, *, is_regression: bool = True) -> str:
    """Return the line of one message, without a line end."""
    assert isinstance(message, FrontendMessage | BackendMessage), "only messages have a direction"
    direction = "F" if isinstance(message, FrontendMessage) else "B"
    name = type(message).__name__
    # Packets of the startup phase have no type byte, so all of their bytes count.
    size = str(len(message.encode()) - len(message.TYPE))
    if is_regression and isinstance(message, backend.ErrorResponse | backend.NoticeResponse):
        # The length of an error varies with the server's source lines.
        size = "NN"
    fields = _FIELDS.get(type(message))
    words = [] if fields is None else fields(message, is_regression)
    return "\t".join([direction, size, name] + ([" " + " ".join(words)] if words else []))


def _string(text: str) -> str:
    return f'"{text}"' if text.isprintable() else '"' + _escaped(text.encode()) + '"'


def _escaped(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in data)


def _value(data: bytes | None) -> str:
    return "-1" if data is None else f"{len(data)} '{_escaped(data)}'"


def _values(values: tuple[bytes | None, ...]) -> list[str]:
    return [str(len(values)), *map(_value, values)]


def _codes(codes: tuple[int, ...]) -> list[str]:
    return [str(len(codes)), *map(str, codes)]


def _oid(oid: int, is_regression: bool) -> str:
    """Hide what differs between databases: the OIDs of their own objects."""
    return _HIDDEN if is_regression and oid >= FIRST_OWN_OID else str(oid)


Fields = Callable[..., list[str]]


def _startup(message: frontend.StartupMessage, _: bool) -> list[str]:
    words = [str(number) for number in message.version]
    for name, text in message.parameters.items():
        words += [_string(name), _string(text)]
    return words


def _parse(message: frontend.Parse, is_regression: bool) -> list[str]:
    oids = [_oid(oid, is_regression) for oid in message.parameter_oids]
    return [_string(message.statement), _string(message.sql), str(len(oids)), *oids]


def _bind(message: frontend.Bind, _: bool) -> list[str]:
    return [
        _string(message.portal),
        _string(message.statement),
        *_codes(message.parameter_formats),
        *_values(message.parameters),
        *_codes(message.result_formats),
    ]


def _target(message: frontend.Describe | frontend.Close, _: bool) -> list[str]:
    return [message.kind.decode(), _string(message.name)]


def _function_call(message: frontend.FunctionCall, is_regression: bool) -> list[str]:
    return [
        _oid(message.function_oid, is_regression),
        *_codes(message.argument_formats),
        *_values(message.arguments),
        str(message.result_format),
    ]


def _negotiate(message: backend.NegotiateProtocolVersion, _: bool) -> list[str]:
    version = [str(number) for number in message.version]
    options = message.unknown_options
    return [*version, str(len(options)), *map(_string, options)]


def _row_description(message: backend.RowDescription, is_regression: bool) -> list[str]:
    words = [str(len(message.fields))]
    for column in message.fields:
        words += [
            _string(column.name),
            _oid(column.table_oid, is_regression),
            str(column.column_number),
            _oid(column.type_oid, is_regression),
            str(column.type_size),
            str(column.type_modifier),
            str(column.format),
        ]
    return words


def _report(
    message: backend.ErrorResponse | backend.NoticeResponse, is_regression: bool
) -> list[str]:
    words: list[str] = []
    for code, text in message.fields.items():
        hidden = is_regression and code in _SOURCE_PLACE
        words += [code, '"SSSS"' if hidden else _string(text)]
    return [*words, "\\x00"]


def _parameter_description(message: backend.ParameterDescription, is_regression: bool) -> list[str]:
    return [str(len(message.oids)), *(_oid(oid, is_regression) for oid in message.oids)]


def _notification(message: backend.NotificationResponse, is_regression: bool) -> list[str]:
    process_id = _HIDDEN if is_regression else str(message.process_id)
    return [process_id, _string(message.channel), _string(message.payload)]


def _key(
    message: backend.BackendKeyData | frontend.CancelRequest, is_regression: bool
) -> list[str]:
    return [_HIDDEN if is_regression else str(message.process_id), _REDACTED]


def _copy_start(message: backend.CopyOutResponse | backend.CopyInResponse, _: bool) -> list[str]:
    return [str(message.format), *_codes(message.column_formats)]


def _copy_data(message: frontend.CopyData | backend.CopyData, _: bool) -> list[str]:
    return [f"'{_escaped(message.data)}'"]


_FIELDS: Final[Mapping[type[Message], Fields]] = {
    frontend.StartupMessage: _startup,
    frontend.CancelRequest: _key,
    frontend.PasswordMessage: lambda message, _: [_REDACTED],
    frontend.SASLInitialResponse: lambda message, _: [_string(message.mechanism), _REDACTED],
    frontend.SASLResponse: lambda message, _: [_REDACTED],
    frontend.Query: lambda message, _: [_string(message.sql)],
    frontend.Parse: _parse,
    frontend.Bind: _bind,
    frontend.Describe: _target,
    frontend.Close: _target,
    frontend.Execute: lambda message, _: [_string(message.portal), str(message.row_max)],
    frontend.FunctionCall: _function_call,
    frontend.CopyData: _copy_data,
    frontend.CopyFail: lambda message, _: [_string(message.reason)],
    backend.AuthenticationSASL: lambda message, _: [_string(name) for name in message.mechanisms],
    backend.AuthenticationSASLContinue: lambda message, _: [_REDACTED],
    backend.AuthenticationSASLFinal: lambda message, _: [_REDACTED],
    backend.NegotiateProtocolVersion: _negotiate,
    backend.BackendKeyData: _key,
    backend.ParameterStatus: lambda message, _: [_string(message.name), _string(message.value)],
    backend.ReadyForQuery: lambda message, _: [message.status.decode()],
    backend.RowDescription: _row_description,
    backend.DataRow: lambda message, _: _values(message.values),
    backend.CommandComplete: lambda message, _: [_string(message.tag)],
    backend.ErrorResponse: _report,
    backend.NoticeResponse: _report,
    backend.ParameterDescription: _parameter_description,
    backend.NotificationResponse: _notification,
    backend.CopyOutResponse: _copy_start,
    backend.CopyInResponse: _copy_start,
    backend.CopyData: _copy_data,
}
