"""Values that may be bound in DuckDB: canonical ones, and nothing that Postgres reads otherwise."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.sources.base import Arguments
from proxy.sources.files_values import NotBindable, bound_values
from proxy.sql.plan import FileSlot


def bound(kind: str, oid: int, value: bytes | None, value_format: int = 0) -> object:
    slot = FileSlot(1, oid, kind)
    ((_, content),) = bound_values([slot], Arguments((value,), (value_format,)), ())
    return content


@pytest.mark.parametrize(
    ("kind", "oid", "value", "content"),
    [
        ("integer", 23, b"-5", "-5"), ("numeric", 1700, b"1.50", "1.50"), ("text", 25, b" x\n", " x\n"),
        ("boolean", 16, b"true", "t"), ("date", 1082, b"2024-02-29", "2024-02-29"),
        ("timestamp", 1114, b"2024-02-29 01:02:03.5", "2024-02-29 01:02:03.5"),
        ("text[]", 1009, b'{a,"b,\\"c","null"}', ["a", 'b,"c', "null"]),
        ("integer[]", 1016, b"{1,-2}", ["1", "-2"]), ("text[]", 1009, b"{}", []),
        ("text", 25, None, None),
    ],
)  # fmt: skip
def test_canonical_spellings(kind: str, oid: int, value: bytes, content: object) -> None:
    assert bound(kind, oid, value) == content


@pytest.mark.parametrize(
    ("kind", "oid", "value"),
    [
        ("integer", 23, b" 5"), ("integer", 20, b"0x10"), ("integer", 23, b"1_000"),
        ("numeric", 1700, b"NaN"), ("numeric", 1700, b"1e5"), ("boolean", 16, b"on"),
        ("date", 1082, b"2023-02-29"), ("date", 1082, b"today"), ("date", 1082, b"infinity"),
        ("timestamp", 1114, b"2024-01-01 00:00:00+02"), ("timestamp", 1114, b"2024-01-01"),
        ("text[]", 1009, b"{a,NULL}"), ("text[]", 1009, b"{{a}}"), ("text[]", 1009, b"[0:0]={a}"),
        ("text[]", 1009, b"{a,}"), ("text", 25, b"\xff"), ("double", 701, b"1e-7"),
        ("uuid", 2950, b"{00000000-0000-0000-0000-000000000000}"),
    ],
)  # fmt: skip
def test_what_postgres_alone_can_read(kind: str, oid: int, value: bytes) -> None:
    with pytest.raises(NotBindable):
        bound(kind, oid, value)


def test_binary_integers_and_texts() -> None:
    assert bound("integer", 23, (7).to_bytes(4, "big"), 1) == "7"
    assert bound("text", 25, "é".encode(), 1) == "é"
    with pytest.raises(NotBindable):
        bound("numeric", 1700, b"\0\1", 1)
    with pytest.raises(NotBindable):
        bound("integer", 23, b"\0", 1)


def test_claims_follow_the_arguments() -> None:
    slots = [FileSlot(3, 1009, "text[]"), FileSlot(1, 25, "text"), FileSlot(2, 1700, "numeric")]
    arguments = Arguments((b"x",))
    assert bound_values(slots, arguments, (Decimal("1.5"), ("a", "b"))) == [
        ("text[]", ["a", "b"]), ("text", "x"), ("numeric", "1.5"),
    ]  # fmt: skip
    with pytest.raises(NotBindable):
        bound_values([FileSlot(4, 25, "text")], arguments, (None, None))


def test_a_pattern_with_an_escape_is_for_postgres() -> None:
    slot = FileSlot(1, 25, "text", is_pattern=True)
    assert bound_values([slot], Arguments((b"a%",)), ()) == [("text", "a%")]
    with pytest.raises(NotBindable):
        bound_values([slot], Arguments((b"a\\%",)), ())
