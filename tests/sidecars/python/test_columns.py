"""Columns: the form of the message, and the limit on its size."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import Any

import pytest

from sidecars.python.columns import Columns, TooLarge


def encoded(
    types: list[str], rows: list[tuple[Any, ...]]
) -> tuple[dict[str, Any], list[list[bytes]]]:
    """Header and buffers by column."""
    columns = Columns([f"c{n}" for n in range(len(types))], types, 10_000)
    columns.add(rows)
    content = columns.encode()
    length = int.from_bytes(content[:4], "little")
    header, at = json.loads(content[4 : 4 + length]), 4 + length
    buffers = []
    for column in header["columns"]:
        own = []
        for size in column["buffers"]:
            own.append(content[at : at + size])
            at += size
        buffers.append(own)
    assert at == len(content)
    return header, buffers


def test_numbers_lie_side_by_side() -> None:
    header, buffers = encoded(["int4", "float8", "bool"], [(1, 0.5, True), (None, None, None)])
    assert [one["kind"] for one in header["columns"]] == ["int", "float", "bool"]
    assert buffers[0] == [b"\0\1", (1).to_bytes(8, "little") + bytes(8)]
    assert buffers[2] == [b"\0\1", b"\1\0"]


def test_texts_lie_one_behind_the_other() -> None:
    _, (text,) = encoded(["text"], [("ä",), (None,), ("b",)])
    assert text[0] == b"\0\1\0"
    assert text[1] == b"".join(n.to_bytes(8, "little") for n in (2, 2, 3))
    assert text[2] == "äb".encode()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("numeric", decimal.Decimal("1.10"), b"1.10"),
        ("uuid", uuid.UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        ("_text", ["a", None], b'["a", null]'),
        ("time", datetime.time(1, 2), b"01:02:00"),
        ("bytea", b"\0\xff", b"\0\xff"),
    ],
)
def test_other_types_travel_exactly(kind: str, value: object, text: bytes) -> None:
    assert encoded([kind], [(value,)])[1][0][2] == text


def test_moments_are_counted_from_1970() -> None:
    utc = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    east = datetime.timezone(datetime.timedelta(hours=1))
    row = (
        datetime.date(1970, 1, 2),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999),
        utc.astimezone(east),
    )
    header, buffers = encoded(["date", "timestamp", "timestamptz"], [row])
    found = [int.from_bytes(own[1], "little", signed=True) for own in buffers]
    assert found == [86_400, -1, 0]
    assert [one["kind"] for one in header["columns"]] == ["date", "timestamp", "moment"]


def test_no_rows_and_no_columns() -> None:
    assert encoded(["text"], [])[0]["rows"] == 0
    assert encoded([], [])[0]["columns"] == []


def test_what_is_too_large_is_refused() -> None:
    columns = Columns(["a"], ["text"], 100)
    with pytest.raises(TooLarge, match="100 bytes"):
        columns.add([("x" * 101,)])
