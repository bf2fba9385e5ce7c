"""The benchmark's policy is a real one: it loads, and says what the peer's native policies say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import company
from policies.load import load


def test_the_policy_loads(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(company.POLICY)
    policy = load([path])[0]
    assert {key.name for key in policy.tables} == {*company.GUARDED_TABLES, "pgbench_accounts"}


@pytest.mark.parametrize("table", company.GUARDED_TABLES)
def test_each_guarded_table_has_a_native_policy(table: str) -> None:
    sql = company.row_level_security()
    assert f"ALTER TABLE bench.{table} ENABLE ROW LEVEL SECURITY" in sql
    assert f"CREATE POLICY seen ON bench.{table} TO {company.PEER_ROLE} " in sql
