"""FROM: units, what may be taken apart, lateral needs, columns of functions."""

from __future__ import annotations

import pytest

from proxy.faults import UnsupportedFault
from proxy.sql.scope import Select
from tests.proxy.sql.fixture import bound


def root(sql: str) -> Select:
    found = bound(sql).root
    assert isinstance(found, Select)
    return found


@pytest.mark.parametrize(
    ("from_clause", "units", "conditions"),
    [
        ("orders o, items i", [1, 1], 0),
        ("orders o JOIN items i ON i.order_id = o.id", [1, 1], 1),
        ("orders o JOIN items i ON true JOIN people p ON p.id = 1", [1, 1, 1], 2),
        ("orders o CROSS JOIN items i", [1, 1], 0),
        ("orders o LEFT JOIN items i ON i.order_id = o.id", [2], 0),
        ("orders o LEFT JOIN (items i JOIN people p ON p.id = i.qty) ON true, vp", [3, 1], 0),
        ("items a JOIN items b USING (line)", [2], 0),
        ("items a NATURAL JOIN items b", [2], 0),
        ("(orders o JOIN items i ON true) AS j", [2], 0),
    ],
)
def test_only_inner_joins_with_on_are_taken_apart(
    from_clause: str, units: list[int], conditions: int
) -> None:
    select = root(f"SELECT 1 FROM {from_clause}")

    assert [len(unit.items) for unit in select.units] == units
    assert len(select.join_conditions) == conditions


def test_nullable_sides_are_known() -> None:
    select = root("SELECT 1 FROM orders o LEFT JOIN items i ON true")
    join = select.units[0].join
    assert join is not None

    assert [item.name for item in join.nullable] == ["i"]


def test_a_lateral_unit_knows_what_it_reads() -> None:
    select = root("SELECT 1 FROM orders o, items i, LATERAL (SELECT o.id) z")
    orders, items, lateral = select.units

    assert lateral.needs == {id(orders)}
    assert not orders.needs
    assert not items.needs


@pytest.mark.parametrize(
    ("item", "columns"),
    [
        ("generate_series(1, 3)", ["generate_series"]),
        ("generate_series(1, 3) g", ["g"]),
        ("generate_series(1, 3) AS g(n)", ["n"]),
        ("unnest(ARRAY[1], ARRAY[2]) AS u(a, b)", ["a", "b"]),
        ("unnest(ARRAY[1]) WITH ORDINALITY", ["unnest", "ordinality"]),
        ("jsonb_each('{}')", ["key", "value"]),
        ("jsonb_each('{}') AS j(k)", ["k", "value"]),
        ("json_to_record('{}') AS r(a int, b text)", ["a", "b"]),
        ("ROWS FROM (generate_series(1, 2), jsonb_each('{}')) AS z", ["generate_series", "key", "value"]),
        ("(VALUES (1, 2)) v", ["column1", "column2"]),
        ("(SELECT 1 AS a) q", ["a"]),
        ("JSON_TABLE('[]', '$' COLUMNS (a int, NESTED PATH '$.n' COLUMNS (b int, NESTED PATH '$' COLUMNS (d int)), o FOR ORDINALITY))", ["a", "o", "b", "d"]),
        ("JSON_TABLE('[]', '$' COLUMNS (a int, e bool EXISTS)) AS j(x)", ["x", "e"]),
        ("XMLTABLE('/a' PASSING '<a/>' COLUMNS o FOR ORDINALITY, b text[]) x(n)", ["n", "b"]),
    ],
)  # fmt: skip
def test_columns_of_from_items(item: str, columns: list[str]) -> None:
    assert [output.name for output in root(f"SELECT * FROM {item}").outputs] == columns


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("JSON_TABLE(o.doc, '$' COLUMNS (a int))", "json_table"),
        ("XMLTABLE('/a' PASSING xmlparse(content o.note) COLUMNS a int)", "xmltable"),
    ],
)
def test_tables_of_documents_see_what_stands_to_their_left(item: str, name: str) -> None:
    select = root(f"SELECT {name}.a FROM orders o, {item}")
    orders, table = select.units

    assert table.needs == {id(orders)}
    assert select.outputs[0].name == "a"


def test_a_subquery_passed_to_json_table_is_refused() -> None:
    """PostgreSQL fails on it with an internal error; elsewhere in it subqueries are welcome."""
    with pytest.raises(UnsupportedFault, match="subquery in PASSING"):
        root("SELECT 1 FROM JSON_TABLE('1', '$' PASSING 1 + (SELECT 2) AS x COLUMNS (v int))")
    root(
        "SELECT 1 FROM JSON_TABLE((SELECT o.doc FROM orders o), '$' PASSING 1 AS x COLUMNS (v int))"
    )
