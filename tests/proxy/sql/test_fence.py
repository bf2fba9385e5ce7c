"""Where fences stand: the rule of each level, beyond what the golden pairs show."""

from __future__ import annotations

import pytest

from proxy.sql.fence import place_fences
from proxy.sql.safety import Safety
from tests.proxy.sql.fixture import bound, guarded


def fences(sql: str) -> int:
    statement = bound(sql)
    return place_fences(statement, Safety(statement, (20, 25))).count


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders WHERE id = 1",
        "SELECT 1 / id FROM orders",
        "SELECT n FROM (SELECT id, note::int n FROM orders) q WHERE id = 3",
        "SELECT note::int FROM orders UNION ALL SELECT qty FROM items",
        "SELECT count(*) FROM orders HAVING sum(id) / count(*) > 1",
        "SELECT tenant FROM orders GROUP BY tenant ORDER BY sum(id) / count(*)",
        "SELECT string_agg(note, ',' ORDER BY note) FROM orders",
        "SELECT sum(1 / id) FILTER (WHERE note::int = 1) FROM orders",
        "SELECT 1 WHERE 1 / 0 = 1",
        "SELECT * FROM generate_series(1, 3) g WHERE 1 / g = 1",
    ],
)
def test_no_fence_where_nothing_unsafe_can_reach_a_hidden_row(sql: str) -> None:
    assert fences(sql) == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders ORDER BY 1 / id",
        "SELECT note::int AS n FROM orders ORDER BY n",
        "SELECT DISTINCT ON (note::int) id FROM orders",
        "SELECT count(DISTINCT note::int) FROM orders",
        "SELECT string_agg(note, ',' ORDER BY note::int) FROM orders",
        "SELECT sum(id) OVER w FROM orders WINDOW w AS (ORDER BY note::int)",
        "SELECT JSON_ARRAYAGG(id ORDER BY note::int) FROM orders",
        "SELECT JSON_ARRAYAGG(id) OVER (ORDER BY note::int) FROM orders",
        "SELECT id FROM orders o WHERE (SELECT JSON_ARRAYAGG(i.sku) OVER () FROM items i) IS NULL",
        "SELECT 1 FROM orders GROUP BY ROLLUP (tenant, note::int)",
        "SELECT note::int FROM orders EXCEPT SELECT 1",
        "SELECT (SELECT 1 / o.id) FROM orders o WHERE (SELECT 1 / o.id) = 1",
        "SELECT id FROM orders WHERE id IN (SELECT 1 / qty FROM items)",
        "SELECT o.id FROM orders o, (SELECT max(1 / x) m FROM (VALUES (0)) v(x)) q WHERE o.id = 2",
        "WITH c AS (SELECT 1 / qty AS x FROM items) SELECT * FROM c, orders WHERE c.x = orders.id",
        "SELECT id FROM vp",
        "SELECT id FROM calc WHERE inv = 20",
        # Each of these printed a hidden value once.
        "WITH RECURSIVE w AS (SELECT id, note::int AS n FROM orders UNION ALL SELECT 0, 0)"
        " SELECT * FROM w WHERE n = 7",
        "SELECT 1 FROM (SELECT (o).*, o.note::int AS n FROM orders o) q(c1) WHERE q.n = 7",
        "SELECT (o).*, o.note::int FROM orders o ORDER BY 9",
        "SELECT note FROM orders GROUP BY note HAVING note::int"
        " + length(JSON_ARRAY(SELECT max(line) FROM items)::text) = 7",
        "SELECT note FROM orders o GROUP BY note HAVING EXISTS (SELECT 1 FROM items i GROUP BY i.sku"
        " HAVING i.sku::int + max(o.id) = 3)",
        "SELECT id FROM orders o WHERE id = 2 AND EXISTS (SELECT 1 FROM (VALUES (o.amount), (1.5::float8))"
        " v(x) WHERE v.x IS NOT NULL)",
        "SELECT id FROM orders o WHERE id = 2 AND EXISTS (SELECT 1 FROM (VALUES (o.amount), (1.5::float8)"
        + ", (1)" * 1_001
        + ") v(x) WHERE v.x IS NOT NULL)",
        "SELECT german FROM texts WHERE current_user < german",
        "SELECT german FROM texts WHERE german = 'x'::name",
        "SELECT id FROM orders WHERE id = 2 AND ARRAY(SELECT x FROM (VALUES (ARRAY['a'])) v(x)) IS NULL",
        "SELECT id FROM orders o WHERE id = 2 AND 5 IN (SELECT count(*) OVER w FROM items a"
        " WINDOW w AS (ORDER BY a.line ROWS BETWEEN -1 PRECEDING AND CURRENT ROW))",
    ],
)
def test_a_fence_where_an_unsafe_expression_could(sql: str) -> None:
    assert fences(sql) > 0


def test_a_forced_arm_is_fenced_on_both_sides() -> None:
    sql = (
        "SELECT * FROM (SELECT note::int n FROM orders UNION ALL SELECT sku::int FROM items) q"
        " WHERE n = 7"
    )

    assert fences(sql) == 2


def test_one_core_holds_the_join_and_nothing_is_lateral() -> None:
    """A fence per relation costs twice as much over an unindexed key, LATERAL forty times."""
    sql = guarded(
        "SELECT o.id FROM items i JOIN orders o ON o.id = i.order_id"
        " WHERE i.qty = 3 AND o.note::int = 7"
    ).rewritten.sql
    core, _, above = sql.partition("OFFSET 0")

    assert "LATERAL" not in sql
    assert "OFFSET 0" not in above
    assert "qty = 3" in core
    assert "order_id" in core
    assert "::int = 7" in above
