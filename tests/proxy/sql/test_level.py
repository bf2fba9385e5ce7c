"""Questions about one level: keys, aggregates, expressions."""

from __future__ import annotations

import pytest

from proxy.sql.level import contains_aggregate, flat_keys, is_output_key, level_expressions
from proxy.sql.scope import Select
from tests.proxy.sql.fixture import bound


def root(sql: str) -> Select:
    found = bound(sql).root
    assert isinstance(found, Select)
    return found


@pytest.mark.parametrize(
    ("expression", "is_aggregated"),
    [
        ("count(*)", True),
        ("1 + sum(qty)", True),
        ("qty", False),
        ("sum(qty) OVER ()", False),
        ("(SELECT count(*) FROM people)", False),
        ("percentile_disc(0.5) WITHIN GROUP (ORDER BY qty)", True),
    ],
)
def test_aggregates_of_this_level(expression: str, is_aggregated: bool) -> None:
    target = root(f"SELECT {expression} FROM items").node.target_list[0].res_target.val

    assert contains_aggregate(target) is is_aggregated


def test_window_functions_count_only_when_asked_for() -> None:
    target = root("SELECT rank() OVER (ORDER BY qty) FROM items").node.target_list[0].res_target.val

    assert contains_aggregate(target, or_window=True)
    assert not contains_aggregate(target)


def test_grouping_sets_are_taken_apart() -> None:
    node = root("SELECT 1 FROM items GROUP BY ROLLUP (sku, qty), GROUPING SETS ((line), ())").node

    assert len(flat_keys(node.group_clause)) == 3


@pytest.mark.parametrize(
    ("order", "is_output"), [("1", True), ("total", True), ("qty", False), ("qty + 1", False)]
)
def test_order_keys_that_name_outputs(order: str, is_output: bool) -> None:
    select = root(f"SELECT line AS total, sku FROM items ORDER BY {order}")

    assert is_output_key(select.node.sort_clause[0].sort_by.node, select) is is_output


def test_level_expressions_leave_out_stars_and_subqueries_own_levels() -> None:
    select = root(
        "SELECT *, qty + 1 FROM items JOIN people ON people.id = qty WHERE line = 2 ORDER BY 1"
    )

    assert len(level_expressions(select)) == 3
