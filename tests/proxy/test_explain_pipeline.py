"""EXPLAIN POLICY over statements that went through the real chain: nothing of a filter is told."""

from __future__ import annotations

import pytest

from proxy import explain
from tests.proxy.sql.fixture import FILTER, MASK, guarded

HIDDEN = ("members", "org", "tenant", "claim", "home", "CASE", "SELECT")
"""Words of the fixture's filter and mask that no statement here contains."""


def lines(sql: str) -> list[str]:
    return [line for (line,) in explain.rows(guarded(sql), "v" * 64)]


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ("SELECT 1", []),
        ("SELECT id FROM orders", ["public.orders"]),
        ("SELECT a.id FROM orders a JOIN orders b ON a.id = b.id", ["public.orders"]),
        ("WITH w AS (SELECT sku FROM items) SELECT * FROM w", ["public.items"]),
        ("SELECT 1 WHERE EXISTS (SELECT FROM people)", ["public.people"]),
        (
            "SELECT name FROM people UNION SELECT note FROM archive.orders",
            ["archive.orders", "public.people"],
        ),
    ],
)
def test_every_relation_that_is_read_is_told_once(sql: str, relations: list[str]) -> None:
    told = [line for line in lines(sql)[1:] if not line.startswith(" ")]

    assert told == (relations or ["no table is read"])


@pytest.mark.parametrize("sql", ["SELECT id FROM orders", "SELECT secret FROM orders"])
def test_names_of_rules_and_masks_but_no_text_of_them(sql: str) -> None:
    told = lines(sql)

    assert told[0] == "policy " + "v" * 12
    assert "  rules: mine" in told
    assert "  rows: those that the rules admit" in told
    assert "  column secret: masked by half" in told
    assert all(word in FILTER + MASK for word in HIDDEN)
    assert not any(word in line for line in told for word in HIDDEN)


def test_an_open_relation_has_all_rows_and_no_masks() -> None:
    assert lines("SELECT sku FROM items")[1:] == ["public.items", "  rules: open", "  rows: all"]
