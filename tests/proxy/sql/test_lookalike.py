"""Telling from the text what the parser would tell from the tree: never more than that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.faults import Fault
from proxy.sql.lookalike import Recipe, Shape, recipe, shape_of
from proxy.sql.parse import Kind, parse
from proxy.sql.template import Template, lift


def templated(text: str) -> Template | None:
    statements = parse(text)
    return lift(statements[0]) if statements[0].kind is Kind.QUERY else None


def learnt(text: str) -> tuple[Shape, Recipe] | None:
    """As a session learns a text that was parsed and decided."""
    shape, template = shape_of(text), templated(text)
    found = None if shape is None or template is None else recipe(text, shape, template)
    return None if shape is None or found is None else (shape, found)


def values_like(known: str, text: str) -> tuple[bytes, ...] | None:
    """The values of `text` if it is taken for one like `known`."""
    lesson, shape = learnt(known), shape_of(text)
    assert lesson is not None, "it cannot be learnt from"
    before, found = lesson
    if shape is None or shape.skeleton != before.skeleton:
        return None
    return found.values(shape) if found.fixed(shape) == found.fixed(before) else None


POINT = "SELECT a FROM t WHERE id = 5"


@pytest.mark.parametrize(
    ("known", "text", "values"),
    [
        (POINT, "SELECT a FROM t WHERE id = 123456789", (b"123456789",)),
        (POINT, "SELECT a FROM t WHERE id = 0", (b"0",)),
        (POINT + ";", "SELECT a FROM t WHERE id = 7;", (b"7",)),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = '; DROP'", (b"; DROP",)),
        ("SELECT a FROM t WHERE 5 < id AND b = ''", "SELECT a FROM t WHERE 6 < id AND b = '?'",
         (b"6", b"?")),
        ("SELECT a FROM t JOIN u ON t.a = 1 WHERE b = 2 LIMIT 3",
         "SELECT a FROM t JOIN u ON t.a = 8 WHERE b = 9 LIMIT 3", (b"8", b"9")),
    ],
)  # fmt: skip
def test_another_value_is_the_same_statement(
    known: str, text: str, values: tuple[bytes, ...]
) -> None:
    assert values_like(known, text) == values


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (POINT, "SELECT a FROM t WHERE id = '5'"),
        (POINT, "SELECT a FROM t WHERE id = -5"),
        (POINT, "SELECT a FROM t WHERE id = 1234567890"),
        (POINT, "SELECT a FROM t WHERE id = 5.0"),
        (POINT, "SELECT a FROM t WHERE id = 05"),
        (POINT, "SELECT a FROM t WHERE id = 5e1"),
        (POINT, "SELECT a FROM t WHERE id = 0x5"),
        (POINT, "SELECT a FROM t WHERE id = 1_0"),
        (POINT, "SELECT a FROM t WHERE id = $1"),
        (POINT, "SELECT a FROM t WHERE id = 5 "),
        (POINT, "select a FROM t WHERE id = 5"),
        (POINT, "SELECT a FROM t WHERE id = 5 -- 6"),
        (POINT, "SELECT a FROM t WHERE id = /* 6 */ 5"),
        (POINT, 'SELECT a FROM t WHERE "id" = 5'),
        (POINT, "SELECT a FROM t WHERE id = $$5$$"),
        (POINT, "SELECT ä FROM t WHERE id = 5"),
        (POINT + " LIMIT 1", POINT + " LIMIT 2"),
        ("SELECT 1 FROM t WHERE id = 5 GROUP BY 1", "SELECT 1 FROM t WHERE id = 5 GROUP BY 2"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = E'x'"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'x''y'"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'x\\'"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'x'\n'y'"),
        ("SELECT a FROM t WHERE b = 'x' AND c::float(5) = 1",
         "SELECT a FROM t WHERE b = 'x' AND c::float(50) = 1"),
        ("SELECT a FROM t WHERE d = date '2020-01-01' AND b = 1",
         "SELECT a FROM t WHERE d = date '2020-01-02' AND b = 1"),
    ],
)  # fmt: skip
def test_anything_else_is_another(known: str, text: str) -> None:
    assert values_like(known, text) is None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM t WHERE id = -5",
        "SELECT a FROM t WHERE b = 'x'\n'y'",
        "SELECT a FROM t WHERE id = 1234567890",
        "SELECT a FROM t WHERE id = $1",
        "SELECT a FROM t LIMIT 5",
        "SELECT a FROM t",
        "SELECT a FROM t WHERE id = 5 -- c",
        'SELECT a FROM "t" WHERE id = 5',
    ],
)
def test_what_cannot_be_shown_in_the_text_is_not_learnt(text: str) -> None:
    assert learnt(text) is None


def test_a_long_text_is_not_looked_at() -> None:
    assert shape_of("SELECT a FROM t WHERE id IN (" + "1, " * 2000 + "1)") is None


LITERALS = st.sampled_from(
    ["0", "5", "42", "999999999", "9999999999", "007", "1.5", ".5", "5.", "1e3", "-5", "+5", "''",
     "'x'", "'a b'", "'1'", "'-- x'", "'/*'", "'$1'", "'''' ", "E'x'", "N'x'", "B'1'", "'x'\n'y'",
     "'\\'", "NULL", "true", "$1", "a", "5::int", "float(5)"]
)  # fmt: skip
SHAPES = st.sampled_from(
    ["SELECT a FROM t WHERE id = {}", "SELECT a FROM t WHERE {} <> id AND b = {}",
     "SELECT a, {} FROM t WHERE b >= {} LIMIT 5", "SELECT a FROM t JOIN u ON t.i = {} AND u.x < {}",
     "SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE d = {}) ORDER BY {}",
     "SELECT count(*) FROM t WHERE a = {} GROUP BY b HAVING count(*) > {}",
     "SELECT a FROM t WHERE b={}AND c={}", "SELECT a FROM t WHERE b = a{} OR c = {}",
     "SELECT a FROM t WHERE x[{}] = 1 AND b = {};", "SELECT a FROM t WHERE b = {}-{}"]
)  # fmt: skip


@given(
    SHAPES, st.lists(LITERALS, min_size=2, max_size=2), st.lists(LITERALS, min_size=2, max_size=2)
)
@settings(max_examples=300)
def test_what_is_taken_for_alike_is_alike_to_the_parser(
    form: str, first: list[str], second: list[str]
) -> None:
    """The tree's own template is the judge: same key, same types, and the values that it has."""
    known, text = form.format(*first), form.format(*second)
    try:
        lesson = learnt(known)
    except Fault:
        return  # no statement
    if lesson is None:
        return
    values = values_like(known, text)
    if values is None:
        return
    before, after = templated(known), templated(text)
    assert before is not None
    assert after is not None
    assert after.key == before.key
    assert after.oids == before.oids
    assert after.values == values
