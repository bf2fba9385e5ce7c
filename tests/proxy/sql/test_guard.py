"""Golden pairs: a statement, and what a source would run, with guards shortened."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.faults import UnsupportedFault
from tests.proxy.sql.fixture import guarded, shortened

GOLDEN = Path(__file__).parent / "golden" / "guard.sql"


def cases() -> list[tuple[str, str, str]]:
    found = []
    for block in GOLDEN.read_text().strip().split("\n\n"):
        title, sql, expected = block.split("\n")
        found.append((title.removeprefix("# "), sql, expected.removeprefix("=> ")))
    return found


@pytest.mark.parametrize(("title", "sql", "expected"), cases(), ids=[case[0] for case in cases()])
def test_golden_pairs(title: str, sql: str, expected: str) -> None:
    assert shortened(guarded(sql).rewritten.sql) == expected


def test_the_fence_is_seen_where_the_title_says_so() -> None:
    for title, sql, _ in cases():
        if title.startswith(("flat", "fence")):
            assert (guarded(sql).rewritten.fence_count > 0) == title.startswith("fence"), title


def test_claims_are_parameters_after_the_clients_own() -> None:
    rewritten = guarded("SELECT secret FROM orders WHERE id = $1 AND note = $2", (20, 25)).rewritten

    assert [slot.name for slot in rewritten.claim_slots] == ["home", "sub"]
    assert "$3::text" in rewritten.sql
    assert "$4::text" in rewritten.sql


def test_one_claim_is_one_parameter_however_often_it_is_used() -> None:
    rewritten = guarded("SELECT a.id FROM orders a JOIN orders b ON a.id = b.id").rewritten

    assert len(rewritten.claim_slots) == 2
    assert len(rewritten.guards) == 2


def test_a_prefix_of_our_aliases_in_the_statement_is_avoided() -> None:
    sql = 'SELECT id AS "sp0_0" FROM orders WHERE note::int = 1'

    assert "sp1_0" in guarded(sql).rewritten.sql


def test_a_whole_row_under_group_by_is_refused() -> None:
    with pytest.raises(UnsupportedFault):
        guarded("SELECT o, count(*) FROM orders o GROUP BY o.id")


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("SELECT id FROM orders WHERE note = 'x'", {"orders": ("id", "note")}),
        ("SELECT count(*) FROM orders", {"orders": ()}),
        ("SELECT * FROM items", {"items": ("order_id", "line", "sku", "qty")}),
        ("SELECT i FROM items i", {"items": ("order_id", "line", "sku", "qty")}),
        ("SELECT a.sku FROM items a JOIN (SELECT 1 AS line) b USING (line)", {"items": ("line", "sku")}),
        ("SELECT (SELECT max(qty) FROM items WHERE order_id = o.id) FROM orders o",
         {"items": ("order_id", "qty"), "orders": ("id",)}),
        ("SELECT q.n FROM (SELECT note::int AS n, tenant FROM orders) q WHERE q.n = 1",
         {"orders": ("tenant", "note")}),
        ("SELECT x.c4 FROM orders AS x(c1, c2, c3, c4)", {"orders": ("secret",)}),
    ],
)  # fmt: skip
def test_the_columns_that_a_statement_reads_are_told(
    sql: str, read: dict[str, tuple[str, ...]]
) -> None:
    guards = guarded(sql).rewritten.guards

    assert {
        one.key.name: one.columns_read for one in guards if one.columns_read or "count" in sql
    } == read


def test_labels_of_the_client_cannot_capture_our_columns() -> None:
    sql = "SELECT id AS c2, tenant, count(*) FROM orders WHERE note::int > 0 GROUP BY c2, tenant"

    assert "sp0_c1 AS c2" in guarded(sql).rewritten.sql


def test_a_row_of_columns_is_refused_where_it_would_become_a_row_in_a_row() -> None:
    assert "ROW(i.*)" in guarded("SELECT ROW(i.*) FROM items i").rewritten.sql
    with pytest.raises(UnsupportedFault):
        guarded("SELECT ROW(i.*) FROM items i WHERE 1 / qty = 1")


def test_merged_columns_are_exported_by_a_name_that_is_one() -> None:
    sql = (
        "SELECT * FROM (items a JOIN items b USING (line)) JOIN items c ON c.line = a.line"
        " WHERE 1 / b.qty = 1"
    )

    assert "a.line AS sp0_c" in guarded(sql).rewritten.sql
