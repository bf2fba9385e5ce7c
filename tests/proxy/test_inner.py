"""Queries inside PREPARE and DECLARE, found in the client's own text."""

from __future__ import annotations

import pytest

from proxy.inner import fresh, inner_statement
from proxy.sql import tree
from proxy.sql.parse import Kind, parse


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("DECLARE c CURSOR FOR SELECT 1", "SELECT 1"),
        ("declare \"for\" cursor for select 'for' as x", "select 'for' as x"),
        ("DECLARE c /* FOR SELECT 2 */ CURSOR FOR VALUES (1)", "VALUES (1)"),
        ("PREPARE p AS SELECT 1 AS as_is", "SELECT 1 AS as_is"),
        ('PREPARE "as" (int) AS SELECT $1', "SELECT $1"),
        (
            "PREPARE p AS WITH a AS (SELECT 1) SELECT * FROM a",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ),
    ],
)
def test_the_clients_own_slice(text: str, query: str) -> None:
    (statement,) = parse(text)
    found = inner_statement(statement)

    assert found.text == query
    assert text[found.offset :] == query
    assert found.kind is Kind.QUERY


def test_offsets_count_from_the_whole_string() -> None:
    text = "SELECT 1; PREPARE p AS SELECT é"
    found = inner_statement(parse(text)[1])

    assert text[found.offset :] == "SELECT é"


def test_another_kind_of_statement_inside_is_seen() -> None:
    (statement,) = parse("PREPARE p AS DELETE FROM t")

    assert inner_statement(statement).kind is Kind.WRITE


def test_a_fresh_tree_is_equal_and_another() -> None:
    (statement,) = parse("  SELECT a FROM t  ")
    again = fresh(statement)

    assert again.node is not statement.node
    assert tree.same_tree(again.node, statement.node)
    assert again.offset == statement.offset
