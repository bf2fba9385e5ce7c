"""Printing, walking and building trees."""

from __future__ import annotations

import random

import pytest
from postgast import pg_query_pb2 as pb

from proxy.faults import InternalFault, LimitFault
from proxy.sql import tree
from tests.fuzz.generator import Generator


def select(sql: str) -> tree.Node:
    return tree.parse_tree(sql).stmts[0].stmt.select_stmt


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT interval '1 day 2:03'", "SELECT 7/2, 2^3^2, -2^2, 5#3", "SELECT a ~~* b, NOT a = b",
        "SELECT $x$ ' $y$ $x$, E'\\x41\\101', U&'d\\0061t', 'a'\n'b', B'01', N'x'",
        "SELECT a ? 'k', a ?| ARRAY['x'], a @> '{}'", "SELECT -(-1), - -1, +1, 1::int, (1)::text",
        "SELECT (a).b, (a.b).c, a[1], a[1:2], (f(x)).*", "SELECT count(*) FILTER (WHERE a) OVER w"
        " FROM t WINDOW w AS (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        "SELECT extract(year FROM d), substring(a FROM 1 FOR 2), trim(BOTH 'x' FROM a),"
        " overlay(a PLACING 'b' FROM 1), position('a' IN b), a AT TIME ZONE 'UTC', a COLLATE \"C\"",
        "SELECT * FROM a LEFT JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x, LATERAL f(a.x) WITH"
        " ORDINALITY AS g(p, q)", "SELECT 1 FROM t GROUP BY GROUPING SETS ((a), ROLLUP (b, c), ())",
        "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) SEARCH DEPTH FIRST BY x SET o CYCLE x SET"
        " y USING z SELECT * FROM r", "SELECT 1 ORDER BY 1 FETCH FIRST 3 ROWS WITH TIES",
        "(SELECT 1 UNION SELECT 2) EXCEPT ALL SELECT 3 ORDER BY 1 LIMIT 2 OFFSET 1",
        "SELECT json_object('a': 1), json_array(1, 2), a IS JSON, x IS DISTINCT FROM y",
        "SELECT CASE a WHEN 1 THEN 2 ELSE 3 END, ROW(1, 2), (1, 2) = (3, 4), a BETWEEN SYMMETRIC 1 AND 2",
    ],
)  # fmt: skip
def test_what_is_printed_reads_back_as_the_same_tree(sql: str) -> None:
    node = select(sql)

    assert tree.same_tree(select(tree.print_tree(node)), node)


def test_generated_statements_read_back_as_the_same_tree() -> None:
    generator = Generator(random.Random(4))
    for _ in range(150):
        node = select(generator.statement().sql)
        assert tree.same_tree(select(tree.print_tree(node)), node)


def test_a_walk_reaches_every_corner() -> None:
    sql = (
        "SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM r1)) OVER (PARTITION BY (SELECT 1 FROM r2))"
        " FROM ROWS FROM (f((SELECT 1 FROM r3)), g()) z, LATERAL (TABLE r4) y"
        " GROUP BY GROUPING SETS ((a, (SELECT 1 FROM r5))) HAVING (SELECT true FROM r6)"
        " ORDER BY (SELECT 1 FROM r7) LIMIT (SELECT 1 FROM r8) OFFSET (SELECT 1 FROM r9)"
    )
    names = {m.relname for m in tree.walk(select(sql)) if m.DESCRIPTOR.name == "RangeVar"}

    assert names == {f"r{number}" for number in range(1, 10)}


def test_conjuncts_are_flattened() -> None:
    where = select("SELECT 1 WHERE a AND (b AND c) AND (d OR e)").where_clause

    assert len(tree.conjuncts(where)) == 4
    assert tree.conjuncts(None) == []


@pytest.mark.parametrize("text", ["1, 2", "1 FROM t", "1 AS x", "1; SELECT 2", "", "1 WHERE true"])
def test_a_policy_expression_is_exactly_one_expression(text: str) -> None:
    with pytest.raises(InternalFault):
        tree.expression(text)


def test_type_names_come_from_the_grammar() -> None:
    assert tree.print_tree(_one(tree.cast(tree.null(), "text[]"))) == "SELECT NULL::text[]"
    assert "numeric(10, 2)" in tree.print_tree(_one(tree.cast(tree.null(), "numeric(10,2)")))


def _one(value: tree.Node) -> tree.Node:
    query = tree.select()
    query.target_list.append(tree.target(value))
    return query


def test_no_position_is_left_anywhere() -> None:
    text = "WITH c AS (SELECT 1 AS a) SELECT a, f(b) FROM c JOIN t ON c.a = t.a WHERE b IN (1, 2)"
    stripped = tree.strip_locations(tree.parse_tree(text))
    left = {
        field.name
        for message in tree.walk(stripped)
        for field, _ in message.ListFields()
        if field.name in tree._LOCATION_FIELDS
    }
    assert left == set()
    spaced = tree.strip_locations(tree.parse_tree(text.replace(" ", "  ")))
    assert stripped == spaced
    assert stripped.SerializeToString() == spaced.SerializeToString()
    assert stripped != tree.strip_locations(tree.parse_tree(text.replace("2", "3")))


def test_a_tree_deeper_than_the_parser_makes_has_a_fault() -> None:
    node = inner = pb.Node()
    for _ in range(tree.TREE_DEPTH_MAX):
        inner = inner.type_cast.arg
    inner.a_const.isnull = True
    with pytest.raises(LimitFault):
        tree.strip_locations(node)
