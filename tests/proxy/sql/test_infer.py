"""Types that are known without asking anybody."""

from __future__ import annotations

import pytest

from proxy.sql.infer import Types
from proxy.sql.scope import Select
from tests.proxy.sql.fixture import bound


@pytest.mark.parametrize(
    ("expression", "oid"),
    [
        ("id", 20), ("note", 25), ("secret", 25), ("1", 23), ("1.5", 1700), ("9999999999", 20),
        ("true", 16), ("'x'", 705), ("NULL", 705), ("'1'::int", 23), ("$1", 20), ("$9", 0),
        ("id = 3", 16), ("note IS NULL", 16), ("coalesce(note, 'x')", 25), ("coalesce(note, id)", 0),
        ("doc ->> 'a'", 25), ("doc -> 'a'", 3802), ("note || 'x'", 25), ("count(*)", 20),
        ("placed - interval '1 day'", 1184), ("lower(note)", 25), ("'{1}'::int[]", 0),
        ("(SELECT max(id) FROM items, orders)", 20), ("(SELECT sku FROM items)", 25),
        ("CASE WHEN true THEN id END", 20), ("nullif(id, 3)", 20), ("CURRENT_DATE", 1082),
    ],
)  # fmt: skip
def test_types(expression: str, oid: int) -> None:
    statement = bound(f"SELECT {expression} FROM orders")
    assert isinstance(statement.root, Select)
    value = statement.root.node.target_list[0].res_target.val

    assert Types(statement, (20,)).type_of(value) == oid


def test_values_have_the_type_of_all_their_rows() -> None:
    statement = bound("SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, NULL)) v(a, b)")
    types = Types(statement, ())

    assert [types.output_type(output) for output in statement.root.outputs] == [23, 25]


def test_set_operations_have_a_type_where_their_arms_agree() -> None:
    agreeing = bound("SELECT id FROM orders UNION SELECT id FROM archive.orders")
    differing = bound("SELECT id FROM orders UNION SELECT qty FROM items")

    assert Types(agreeing, ()).output_type(agreeing.root.outputs[0]) == 20
    assert Types(differing, ()).output_type(differing.root.outputs[0]) == 0
