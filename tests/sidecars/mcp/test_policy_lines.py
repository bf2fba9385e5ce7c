"""What EXPLAIN POLICY prints, read back: compared with the gate's own printing."""

from __future__ import annotations

from sidecars.mcp.policy_lines import read_policy, titles


def test_tables_rows_and_masks() -> None:
    found = read_policy(
        [
            "policy 0123456789ab",
            "sales.customers",
            "  rules: own regions",
            "  rows: those that the rules admit",
            "  column e: masked by mail: masked by email",
            "  column national_id: masked by null",
            "  something new",
            "sales.orders",
            "  rows: all",
        ]
    )

    assert titles(found) == ["sales.customers", "sales.orders"]
    assert found[0].rows == "those that the rules admit"
    assert found[0].masks["national_id"] == "null"
    assert found[1].masks == {}


def test_a_statement_over_no_table() -> None:
    assert read_policy(["policy 0123456789ab", "no table is read"]) == []
    assert read_policy([]) == []
