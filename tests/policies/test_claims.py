"""Claims: what each type accepts, what is refused, and the text that reaches Postgres (attacks 85,
87).
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.claims import (
    BIGINT_MAX,
    CLAIM_ELEMENTS_MAX,
    CLAIM_TEXT_BYTES_MAX,
    CLAIM_TYPE_NAMES,
    ClaimType,
    ClaimValue,
    coerce,
    is_empty,
    to_text,
)
from policies.errors import ClaimRefused
from tests.policies.conftest import Execute

ACCEPTED: list[tuple[str, object, ClaimValue, str]] = [
    ("text", "t1", "t1", "t1"),
    ("text", "", "", ""),
    ("text", "t1' OR '1'='1", "t1' OR '1'='1", "t1' OR '1'='1"),
    ("text", "NULL", "NULL", "NULL"),
    ("text[]", [], (), "{}"),
    (
        "text[]",
        ["a", 'b"c', "d\\e", "", "NULL", "f,g", "{h}"],
        None,
        '{"a","b\\"c","d\\\\e","","NULL","f,g","{h}"}',
    ),
    ("bigint", 7, 7, "7"),
    ("bigint", BIGINT_MAX, BIGINT_MAX, str(BIGINT_MAX)),
    ("int8[]", [1, -2], (1, -2), '{"1","-2"}'),
    ("integer", -(2**31), -(2**31), "-2147483648"),
    ("numeric", Decimal("1.50"), Decimal("1.50"), "1.50"),
    ("numeric", 0.1, Decimal("0.1"), "0.1"),
    ("numeric", Decimal("1E+5"), Decimal("1E+5"), "100000"),
    ("boolean", True, True, "t"),
    ("bool[]", [False], (False,), '{"f"}'),
    ("date", "2025-01-31", "2025-01-31", "2025-01-31"),
    (
        "timestamptz",
        "2025-01-31T10:00:00+02:00",
        "2025-01-31T08:00:00+00:00",
        "2025-01-31T08:00:00+00:00",
    ),
    (
        "uuid",
        "B3B1C1A0-0000-4000-8000-00000000ABCD",
        "b3b1c1a0-0000-4000-8000-00000000abcd",
        "b3b1c1a0-0000-4000-8000-00000000abcd",
    ),
]


@pytest.mark.parametrize(("name", "value", "coerced", "text"), ACCEPTED)
def test_accepted(
    execute: Execute, name: str, value: object, coerced: ClaimValue, text: str
) -> None:
    type_ = ClaimType.parse(name)
    found = coerce("c", value, type_)
    assert coerced is None or found == coerced
    assert to_text(found, type_) == text
    rows = execute(
        "SELECT claim('c') IS NOT NULL, pg_typeof(claim('c'))::text", {"c": (found, type_)}
    )
    assert rows == [(True, type_.name)]


REFUSED: list[tuple[str, object]] = [
    ("text", 7),
    ("text", True),
    ("text", ["a"]),
    ("text", {"a": 1}),
    ("text", "a\x00b"),
    ("text", "\ud800"),
    ("text", "x" * (CLAIM_TEXT_BYTES_MAX + 1)),
    ("text", "ä" * (CLAIM_TEXT_BYTES_MAX // 2 + 1)),
    ("text[]", "a"),
    ("text[]", {"a": 1}),
    ("text[]", [None]),
    ("text[]", [["a"]]),
    ("text[]", ["a", 1]),
    ("text[]", ["a"] * (CLAIM_ELEMENTS_MAX + 1)),
    ("bigint", "7"),
    ("bigint", True),
    ("bigint", 7.0),
    ("bigint", BIGINT_MAX + 1),
    ("integer", 2**31),
    ("numeric", "1"),
    ("numeric", float("nan")),
    ("numeric", float("inf")),
    ("numeric", Decimal("NaN")),
    ("numeric", Decimal("1e2000")),
    ("numeric", 10**2000),
    ("numeric", True),
    ("boolean", 1),
    ("boolean", "true"),
    ("date", "20250131"),
    ("date", "2025-W05"),
    ("date", "2025-02-30"),
    ("date", "infinity"),
    ("date", 7),
    ("timestamptz", "2025-01-31T10:00:00"),
    ("timestamptz", "now"),
    ("timestamptz", "0001-01-01T00:00:00+14:00"),
    ("uuid", "b3b1c1a0000040008000000000000000"),
    ("uuid", "{b3b1c1a0-0000-4000-8000-00000000abcd}"),
    ("uuid", "x"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused_without_telling_the_value(name: str, value: object) -> None:
    with pytest.raises(ClaimRefused) as caught:
        coerce("c", value, ClaimType.parse(name))
    assert caught.value.claim == "c"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    shown = str(value)
    assert len(shown) < 4 or shown not in str(caught.value)


def test_homoglyphs_stay_what_they_are() -> None:
    cyrillic = "t\u0435nant"
    assert coerce("c", cyrillic, ClaimType.parse("text")) == cyrillic != "tenant"


def test_types() -> None:
    for name in CLAIM_TYPE_NAMES:
        type_ = ClaimType.parse(name)
        assert type_.is_array is name.endswith("[]")
        assert type_.element_name == type_.name.removesuffix("[]")
    with pytest.raises(ValueError, match="known: text"):
        ClaimType.parse("json")
    with pytest.raises(ValueError):
        ClaimType.parse("bytea")  # the type of key slots, which no policy can declare


def test_oids_are_postgres_own(execute: Execute) -> None:
    for name in (*CLAIM_TYPE_NAMES,):
        type_ = ClaimType.parse(name)
        rows = execute(f"SELECT '{type_.name}'::regtype::oid::int")
        assert rows == [(type_.oid,)]


@pytest.mark.parametrize(
    ("value", "empty"), [(None, True), ("", True), ((), False), (0, False), (False, False)]
)
def test_emptiness(value: ClaimValue, empty: bool) -> None:
    assert is_empty(value) is empty


def test_null_is_null() -> None:
    assert to_text(None, ClaimType.parse("text[]")) is None


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=6))
def test_array_literals_arrive_unchanged(values: list[str]) -> None:
    """Read back by the rules of the documentation, 8.15.6."""
    type_ = ClaimType.parse("text[]")
    literal = to_text(coerce("c", values, type_), type_)
    assert literal is not None
    as_json = literal.replace("{", "[", 1)[:-1] + "]" if values else "[]"
    # Inside quotes only quote and backslash are escaped, so control characters are read literally.
    assert json.loads(as_json, strict=False) == values


@pytest.mark.parametrize("values", [["a", "b\\", '"', "{}", ",", "NULL", "", " ", "ä😀", "\n\t"]])
def test_array_literals_arrive_unchanged_in_postgres(execute: Execute, values: list[str]) -> None:
    type_ = ClaimType.parse("text[]")
    assert execute("SELECT claim('c')", {"c": (tuple(values), type_)}) == [(values,)]


def test_an_empty_list_gives_no_rows(execute: Execute) -> None:
    type_ = ClaimType.parse("text[]")
    assert execute("SELECT 1 WHERE 'a' = ANY (claim('c'))", {"c": ((), type_)}) == []
