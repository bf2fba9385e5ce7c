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
