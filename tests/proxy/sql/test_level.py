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
        ("length(JSON_ARRAY(SELECT max(id) FROM people)::text)", False),
        ("percentile_disc(0.5) WITHIN GROUP (ORDER BY qty)", True),
    ],
)
def test_aggregates_of_this_level(expression: str, is_aggregated: bool) -> None:
    statement = bound(f"SELECT {expression} FROM items")
    assert isinstance(statement.root, Select)
    target = statement.root.node.target_list[0].res_target.val

    assert contains_aggregate(target, statement.root, statement.refs) is is_aggregated


def test_window_functions_count_only_when_asked_for() -> None:
    statement = bound("SELECT rank() OVER (ORDER BY qty) FROM items")
    assert isinstance(statement.root, Select)
    target = statement.root.node.target_list[0].res_target.val

    assert contains_aggregate(target, statement.root, statement.refs, or_window=True)
    assert not contains_aggregate(target, statement.root, statement.refs)


def test_an_aggregate_over_outer_columns_belongs_to_their_level() -> None:
    statement = bound("SELECT (SELECT max(o.id) FROM items) FROM orders o")
    inner = statement.levels()[1]
    target = inner.node.target_list[0].res_target.val

    assert not contains_aggregate(target, inner, statement.refs)
    assert isinstance(statement.root, Select)
    assert contains_aggregate(target, statement.root, statement.refs)


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
