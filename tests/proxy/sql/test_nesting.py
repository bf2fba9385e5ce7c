"""A bound on depth that no spelling gets around, and that leaves long lists alone."""

from __future__ import annotations

import postgast
import pytest

from proxy.faults import LimitFault
from proxy.sql import nesting, tree
from proxy.sql.nesting import LINKS_MAX

MANY = 40_000  # levels that overflow the stack of a process, were they built


def is_too_deep(text: str) -> bool:
    return nesting.is_too_deep(token.token for token in postgast.scan(text).tokens)


LEFT_RECURSIVE = [
    ("SELECT 1", "+1"),
    ("SELECT a", "::a"),
    ("SELECT a", " COLLATE b"),
    ("SELECT a", " AT TIME ZONE b"),
    ("SELECT a", " IS NULL"),
    ("SELECT a", " ISNULL"),
    ("SELECT a", " IS JSON"),
    ("SELECT a", " IS DISTINCT FROM b IS NULL"),
    ("SELECT a", " IN (1, 2) IS NULL"),
    ("SELECT a", " LIKE b IS NULL"),
    ("SELECT a", " OPERATOR(pg_catalog.+) b"),
    ("SELECT a", " BETWEEN 1 AND 2 IS NULL"),
    ("SELECT a.and", " + a.and"),
    ("SELECT a", " + CASE WHEN a AND b THEN 1 END"),
    ("SELECT 1 FROM a ", " JOIN a ON x AND y"),
    ("SELECT 1 FROM a, a ", " NATURAL JOIN a"),
    ("SELECT 1, 2", " UNION SELECT 1, 2"),
    ("TABLE a", " INTERSECT TABLE a"),
    ("SELECT 1", " /* , */ EXCEPT SELECT ','"),
]


@pytest.mark.parametrize(("head", "link"), LEFT_RECURSIVE)
def test_every_left_recursion_is_counted(head: str, link: str) -> None:
    assert is_too_deep(head + link * (LINKS_MAX + 1))
    assert not is_too_deep(head + link * 40)


@pytest.mark.parametrize(("head", "link"), LEFT_RECURSIVE)
def test_what_would_overflow_the_stack_is_refused(head: str, link: str) -> None:
    text = head + link * (min(MANY, tree.STATEMENT_BYTES_MAX // len(link) - 10))
    with pytest.raises(LimitFault) as told:
        tree.parse_tree(text)

    assert told.value.sqlstate == "54001"


@pytest.mark.parametrize("depth", [1_000, 9_000])
def test_brackets_and_what_is_in_them_count_together(depth: int) -> None:
    links = "+1" * (LINKS_MAX // 1_000)

    assert is_too_deep("SELECT " + f"(1{links}+" * depth + "1" + ")" * depth)


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT 1 FROM a WHERE id IN ({', '.join(['-1'] * 20_000)})",
        f"VALUES {', '.join(['(1 + 2, a IS NULL)'] * 10_000)}",
        f"SELECT 1 FROM a WHERE {' OR '.join(['id = 1'] * 3_900)}",
        f"SELECT 1 FROM a WHERE {' OR '.join(['(id = 1 AND b = 2)'] * 10_000)}",
        f"SELECT CASE {' '.join(['WHEN id = 1 THEN NULL'] * 3_900)} END",
        f"SELECT {', '.join(['a + b'] * 10_000)} FROM a",
        "SELECT '" + "a + b = c, " * 50_000 + "'",
        ";".join(["SELECT 1 + 1"] * 10_000),
    ],
    ids=lambda text: text[:40],
)
def test_long_lists_are_not_deep(text: str) -> None:
    assert not is_too_deep(text)


def test_brackets_that_do_not_match_are_no_error_here() -> None:
    assert not is_too_deep("SELECT 1)))]] + (((")


def test_the_number_of_words_is_bounded() -> None:
    with pytest.raises(LimitFault) as told:
        tree.parse_tree("SELECT " + "1," * nesting.TOKENS_MAX + "1")

    assert told.value.sqlstate == "54001"


def test_a_text_that_is_no_sql_is_told_as_ever() -> None:
    with pytest.raises(Exception, match="unterminated quoted string") as told:
        tree.parse_tree("SELECT '" + "a" * tree.UNCOUNTED_BYTES_MAX)

    assert told.value.sqlstate == "42601"  # type: ignore[attr-defined]


REREAD = [
    "/*" * 100_000 + "*/" * 100_000 + " SELECT 1",
    "SELECT 1 " + "+" * 50_000 + "1",
    "SELECT 1 " + "+-" * 50_000 + "1",
    "SELECT " + ", ".join(["1" + "+" * 1_000 + "1"] * 100),
    " ".join(["/*" * 500 + "*/" * 500] * 200) + " SELECT 1",
]


@pytest.mark.parametrize("text", REREAD, ids=lambda text: text[:20])
def test_what_the_lexer_would_read_again_and_again_is_refused(text: str) -> None:
    with pytest.raises(LimitFault) as told:
        tree.parse_tree(text)

    assert told.value.sqlstate == "54001"


@pytest.mark.parametrize(
    "text",
    [
        "-" * 50_000 + "\nSELECT 1",
        "/" + "*" * 50_000 + "/ SELECT 1",
        "/*\n" + "+------------------------------------------+\n" * 500 + "*/ SELECT 1",
        "SELECT '" + "=" * 50_000 + "'",
        "SELECT 1 " + " /* a /* b */ */ " * 2_000,
    ],
    ids=lambda text: text[:20],
)
def test_banners_and_tables_of_dashes_are_read_once(text: str) -> None:
    assert not nesting.is_reread(text)
    assert len(tree.parse_tree(text).stmts) == 1
