"""Answers that the gate gives itself, and faults, in the form that the client reads.

Rows of sources are relayed as `RowBatch` bytes and never touched (design §3.5); this file is for
the few rows of our own (SHOW, EXPLAIN POLICY) and for error and notice messages.

This file must not know sessions, SQL or sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from proxy.faults import Fault
from proxy.wire.backend import DataRow, ErrorResponse, FieldDescription, NoticeResponse

TEXT_OID = 25
TEXT_SIZE = -1
"""typlen of text: a varying length."""

MESSAGE_CHARACTERS_MAX = 8_000
"""Longest text of one error field; a client's own identifiers are quoted in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement of the gate's own returns: no `fields` means a command without a result."""

    tag: str
    fields: tuple[FieldDescription, ...] | None = None
    rows: tuple[tuple[str | None, ...], ...] = ()


def text_fields(*names: str) -> tuple[FieldDescription, ...]:
    """Columns of type text that belong to no table."""
    return tuple(
        FieldDescription(
            name=name, table_oid=0, column_number=0, type_oid=TEXT_OID, type_size=TEXT_SIZE
        )
        for name in names
    )


def encode_rows(rows: Iterable[Sequence[str | None]]) -> list[bytes]:
    """DataRow frames of texts. Text has the same bytes in text and in binary format."""
    return [
        DataRow(tuple(None if value is None else value.encode() for value in row)).encode()
        for row in rows
    ]


def with_formats(
    fields: tuple[FieldDescription, ...], formats: tuple[int, ...]
) -> tuple[FieldDescription, ...]:
    """The columns as a Bind with these result formats makes them: none, one for all, or each.

    Raises Fault 08P01 when their number does not fit.
    """
    if not formats:
        return tuple(replace(one, format=0) if one.format else one for one in fields)
    if len(formats) == 1:
        formats = formats * len(fields)
    if len(formats) != len(fields):
        raise Fault(
            f"bind message has {len(formats)} result formats but query has {len(fields)} columns",
            sqlstate="08P01",
        )
    return tuple(replace(one, format=code) for one, code in zip(fields, formats, strict=True))


_ROUTINES = (
    ("26000", "prepared statement", "FetchPreparedStatement"),
    ("0A000", "cached plan must not change result type", "RevalidateCachedQuery"),
)
"""SQLSTATE, begin of the message, and Postgres' own routine: pgjdbc and postgres.js know by the
routine that a statement has only to be prepared again, and do so without a word."""


def error_message(fault: Fault, *, is_fatal: bool = False) -> ErrorResponse:
    """The ErrorResponse that tells `fault` (PostgreSQL documentation, "Error and Notice
    Fields")."""
    severity = "FATAL" if is_fatal else fault.severity
    fields = {"S": severity, "V": severity, "C": fault.sqlstate, "M": _clean(fault.message)}
    if fault.detail is not None:
        fields["D"] = _clean(fault.detail)
    if fault.hint is not None:
        fields["H"] = _clean(fault.hint)
    if fault.position is not None:
        fields["P"] = str(fault.position)
    for sqlstate, begin, routine in _ROUTINES:
        if fault.sqlstate == sqlstate and fault.message.startswith(begin):
            fields["R"] = routine
    return ErrorResponse(fields)


def notice_message(text: str, sqlstate: str, severity: str = "WARNING") -> NoticeResponse:
    """A NoticeResponse of `severity` (WARNING, NOTICE)."""
    return NoticeResponse({"S": severity, "V": severity, "C": sqlstate, "M": _clean(text)})


def _clean(text: str) -> str:
    """Fields end with a zero byte, and clients print them: neither NUL nor unbounded length."""
    return text.replace("\0", "?")[:MESSAGE_CHARACTERS_MAX]
