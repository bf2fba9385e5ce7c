"""Names: exact CTE scoping, levels, aliases, and the answer for what is not there."""

from __future__ import annotations

import pytest

from proxy.faults import Fault, LimitFault, NotFoundFault, UnsupportedFault
from proxy.sql.bind import TARGETS_MAX
from proxy.sql.scope import ItemKind, RefKind, Select, SetOperation
from tests.proxy.sql.fixture import bound


def relations(sql: str) -> list[str]:
    items = bound(sql).items
    return sorted(
        f"{item.relation.schema}.{item.relation.name}"
        for item in items
        if item.relation is not None
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # Attack cases 1 to 5: each name means what PostgreSQL says it means.
        ("WITH orders AS (SELECT 1) SELECT * FROM (SELECT secret FROM public.orders) z", ["orders"]),
        ("SELECT (WITH orders AS (SELECT 1 x) SELECT max(x) FROM orders), o.secret FROM orders o",
         ["orders"]),
        ("WITH orders AS (SELECT * FROM orders) SELECT secret FROM orders", ["orders"]),
        ("WITH a AS (SELECT secret FROM orders), orders AS (SELECT 1) SELECT * FROM a", ["orders"]),
        ("WITH RECURSIVE orders AS (SELECT 1 i UNION ALL SELECT i + 1 FROM orders WHERE i < 3)"
         " SELECT * FROM orders", []),
        ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT id FROM orders) SELECT * FROM a",
         ["orders"]),
        ("SELECT \"id\" FROM \"orders\"", ["orders"]),
        ("SELECT id FROM ORDERS", ["orders"]),
        ('SELECT id FROM U&"\\006frders"', ["orders"]),
        ("TABLE orders", ["orders"]),
        ("SELECT 1 WHERE EXISTS (TABLE orders)", ["orders"]),
    ],
)  # fmt: skip
def test_relations_by_exact_scope(sql: str, expected: list[str]) -> None:
    assert relations(sql) == [f"public.{name}" for name in expected]


@pytest.mark.parametrize(
    ("sql", "sqlstate", "message"),
    [
        ("SELECT id FROM hidden", "42P01", 'relation "hidden" does not exist'),
        ("SELECT id FROM evil.orders", "42P01", 'relation "evil.orders" does not exist'),
        ('SELECT id FROM "Orders"', "42P01", 'relation "Orders" does not exist'),
        ("SELECT nope FROM orders", "42703", 'column "nope" does not exist'),
        ("SELECT o.nope FROM orders o", "42703", "column o.nope does not exist"),
        ("SELECT ctid FROM orders", "42703", 'column "ctid" does not exist'),
        ("SELECT orders.xmin FROM orders", "42703", "column orders.xmin does not exist"),
        ("SELECT tableoid FROM orders", "42703", 'column "tableoid" does not exist'),
        ("SELECT q.id FROM orders o", "42P01", 'missing FROM-clause entry for table "q"'),
        ("SELECT id FROM orders, items i, people p WHERE p.id = 1", "42702",
         'column reference "id" is ambiguous'),
    ],
)  # fmt: skip
def test_absent_and_hidden_names_have_one_answer(sql: str, sqlstate: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        bound(sql)

    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


def test_a_position_points_into_the_clients_text() -> None:
    with pytest.raises(NotFoundFault) as caught:
        bound("SELECT 'ü', nope FROM orders")

    assert caught.value.position == 13


def test_a_reference_belongs_to_the_level_that_owns_its_item() -> None:
    statement = bound("SELECT (SELECT max(qty) FROM items WHERE order_id = o.id) FROM orders o")
    root = statement.root
    assert isinstance(root, Select)

    assert [ref.entry.name for ref in root.refs if ref.entry] == ["id"]
    assert root.refs[0].entry is not None
    assert root.refs[0].entry.item is root.items[0]


def test_outputs_carry_labels_and_columns() -> None:
    root = bound("SELECT id, note AS n, lower(note), 1 FROM orders").root

    assert [output.name for output in root.outputs] == ["id", "n", "lower", "?column?"]


def test_a_star_is_every_visible_column_in_order() -> None:
    root = bound("SELECT i.*, o.id FROM items i, orders o").root

    assert [output.name for output in root.outputs] == ["order_id", "line", "sku", "qty", "id"]


def test_using_columns_are_merged_and_come_first() -> None:
    root = bound("SELECT * FROM items a JOIN items b USING (line)").root

    assert [output.name for output in root.outputs][:2] == ["line", "order_id"]
    assert len(root.outputs) == 7


def test_order_by_prefers_outputs_and_group_by_inputs() -> None:
    ordered = bound("SELECT note AS tenant FROM orders ORDER BY tenant").root
    grouped = bound("SELECT max(note) AS tenant FROM orders GROUP BY tenant").root
    assert isinstance(ordered, Select)
    assert isinstance(grouped, Select)

    assert [ref.entry.name for ref in ordered.refs if ref.entry] == ["note"]
    assert [ref.entry.name for ref in grouped.refs if ref.entry] == ["note", "tenant"]


def test_set_operations_name_their_outputs_after_the_left_arm() -> None:
    root = bound("SELECT id FROM orders UNION SELECT qty FROM items").root

    assert isinstance(root, SetOperation)
    assert [output.name for output in root.outputs] == ["id"]


def test_a_bare_alias_is_a_whole_row() -> None:
    root = bound("SELECT o FROM orders o").root
    assert isinstance(root, Select)

    assert [ref.kind for ref in root.refs] == [RefKind.WHOLE_ROW]


def test_the_recursive_terms_own_reference_is_its_working_table() -> None:
    statement = bound(
        "WITH RECURSIVE r AS (SELECT id FROM people UNION ALL SELECT p.id FROM r"
        " JOIN people p ON p.manager_id = r.id) SELECT * FROM r"
    )

    working = [item.is_working_table for item in statement.items if item.kind is ItemKind.CTE]
    assert sorted(working) == [False, True]


def test_unequal_arms_are_refused() -> None:
    with pytest.raises(Fault, match="same number of columns"):
        bound("SELECT 1 UNION SELECT 1, 2")


def test_writes_inside_with_are_refused() -> None:
    with pytest.raises(UnsupportedFault):
        bound("WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (raw).* FROM orders", "SELECT (jsonb_array_elements(doc)).* FROM orders",
        "SELECT x.* FROM (SELECT array_agg(o) a FROM orders o) q, unnest(q.a) x",
        "SELECT ((o).doc).* FROM orders o",
        "SELECT count((o).*) FROM orders o", "VALUES (1, 2), ((SELECT 1), 2)" " UNION SELECT (o).*, 1 FROM orders o WHERE false",
        "SELECT * FROM orders o, LATERAL (VALUES (o.*, 1)) v",
    ],
)  # fmt: skip
def test_rows_taken_apart_are_refused_where_columns_cannot_be_counted(sql: str) -> None:
    with pytest.raises(Fault):
        bound(sql)


def test_a_row_of_an_alias_taken_apart_is_its_star() -> None:
    root = bound("SELECT (i).*, 1 AS one FROM items i").root

    assert [output.name for output in root.outputs] == ["order_id", "line", "sku", "qty", "one"]


def test_recursive_is_only_permission() -> None:
    statement = bound("WITH RECURSIVE w AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT a FROM w")
    (cte,) = statement.root.ctes

    assert not cte.is_recursive
    assert cte.outputs[0].arms is not None


def test_a_select_list_is_as_long_as_postgres_has_it() -> None:
    assert len(bound(f"SELECT {', '.join(['qty'] * TARGETS_MAX)} FROM items").root.outputs)
    with pytest.raises(LimitFault) as told:
        bound(f"SELECT {', '.join(['*'] * TARGETS_MAX)} FROM items")

    assert told.value.sqlstate == "54011"
