"""The ways to ask one statement over the wire, and what of the answer must not depend on hidden rows."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from proxy.wire import backend
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.frontend import (
    Bind,
    Close,
    Describe,
    Execute,
    FrontendMessage,
    Parse,
    Query,
    Sync,
)
from tests.fuzz.parameters import Parameter
from tests.live.wire import Message

Round = tuple[FrontendMessage, ...]
"""Messages up to one ReadyForQuery."""

WAYS = ("simple", "simple", "named", "named", "pipeline", "portal", "cursor", "copy", "prepared")
WITHOUT_PARAMETERS = frozenset({"simple", "cursor", "copy", "prepared"})
# The sixth execution of a statement may be the first with a generic plan.
EXECUTIONS = (2, 2, 2, 7)
_COPY_SIGNATURE_BYTES = 11 + 4 + 4  # signature, flags, length of the extension area
_AFTER_AN_ERROR = (backend.RowDescription, backend.ParameterDescription, backend.ErrorResponse)


def rounds(
    way: str, sql: str, parameters: Sequence[Parameter], source: random.Random
) -> list[Round]:
    """The conversation that asks `sql` in one of the WAYS."""
    match way:
        case "simple":
            return [(Query(sql),)]
        case "copy":
            form = source.choice(["text", "csv", "binary"])
            return [(Query(f"COPY ({sql}) TO STDOUT (FORMAT {form})"),)]
        case "cursor":
            fetches = "FETCH 3 FROM c; FETCH FORWARD 2 FROM c; FETCH ALL FROM c; CLOSE c"
            declare = f"BEGIN; DECLARE c NO SCROLL CURSOR FOR {sql}; {fetches}; COMMIT"
            return [(Query(declare),), (Query("ROLLBACK"),)]
        case "prepared":
            texts = (f"PREPARE p AS {sql}", "EXECUTE p", "EXECUTE p", "DEALLOCATE ALL")
            return [(Query(text),) for text in texts]
    oids = tuple(parameter.oid for parameter in parameters)
    name = source.choice(["", "s"])
    parse: Round = (Parse(name, sql, oids), Describe(b"S", name))
    if way == "portal":
        bind = _bind(name, parameters, 0, source)
        pieces: Round = (
            replace(bind, portal="p"),
            *(Execute("p", count) for count in (2, 3, 0)),
            Close(b"P", "p"),
        )
        begin, end = (Query("BEGIN"),), (Query("ROLLBACK"),)
        return [begin, (*parse, *pieces, Sync()), end, (Close(b"S", name), Sync())]
    executions: list[Round] = [
        (_bind(name, parameters, number, source), Describe(b"P", ""), Execute("", 0))
        for number in range(source.choice(EXECUTIONS))
    ]
    if way == "pipeline":
        together = tuple(message for one in executions for message in one)
        return [(*parse, *together, Sync()), (Close(b"S", name), Sync())]
    return [
        (*parse, Sync()),
        *((*one, Sync()) for one in executions),
        (Close(b"S", name), Sync()),
    ]


def _bind(
    name: str, parameters: Sequence[Parameter], execution: int, source: random.Random
) -> Bind:
    formats = tuple(source.randint(0, 1) for _ in parameters)
    values = tuple(
        parameter.encoded(execution, code)
        for parameter, code in zip(parameters, formats, strict=True)
    )
    return Bind("", name, formats, values, source.choice([(), (0,), (1,)]))


@dataclass(frozen=True)
class Seen:
    """What may be compared of one conversation.

    Rows as a multiset unless the statement orders them. Of one with an error neither rows nor tags:
    how many rows came before it is the plan's choice.
    """

    messages: tuple[str, ...]
    rows: tuple[tuple[bytes | None, ...], ...]
    sqlstates: frozenset[str]

    @classmethod
    def of(cls, answer: Iterable[Message], *, is_ordered: bool) -> Seen:
        """Everything that came back, in its comparable form."""
        given = list(answer)
        states = frozenset(m.sqlstate for m in given if isinstance(m, backend.ErrorResponse))
        rows: list[tuple[bytes | None, ...]] = []
        told: list[str] = []
        copied: list[bytes] = []
        for message in given:
            if isinstance(message, RowBatch):
                rows += message.rows()
            elif isinstance(message, CopyBatch):
                copied += message.portions()
            elif not states or isinstance(message, _AFTER_AN_ERROR):
                told.append(repr(message))
        rows += _copied_rows(copied)
        if states:
            return cls(tuple(told), (), states)
        return cls(tuple(told), tuple(rows if is_ordered else sorted(rows, key=repr)), states)


def _copied_rows(portions: list[bytes]) -> list[tuple[bytes | None, ...]]:
    """Each line of text or csv; of the binary format each tuple."""
    data = b"".join(portions)
    if not data.startswith(b"PGCOPY\n"):
        return [(portion,) for portion in portions]
    position = _COPY_SIGNATURE_BYTES
    rows = []
    while position < len(data):
        start = position
        (fields,) = struct.unpack_from(">h", data, position)
        position += 2
        for _ in range(max(fields, 0)):
            (size,) = struct.unpack_from(">i", data, position)
            position += 4 + max(size, 0)
        rows.append((data[start:position],))
    return rows


def difference(left: Seen, right: Seen) -> str:
    """What differs, in words; empty if nothing does."""
    if left.messages != right.messages:
        pairs = zip(left.messages, right.messages, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if first is None:
            return f"{len(left.messages)} messages | {len(right.messages)} messages"
        return f"{first[0]} | {first[1]}"
    if left.rows != right.rows:
        more, less = (
            Counter(left.rows) - Counter(right.rows),
            Counter(right.rows) - Counter(left.rows),
        )
        return f"rows only here {list(more)[:3]!r} | only there {list(less)[:3]!r}"
    return ""
