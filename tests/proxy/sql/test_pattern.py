"""Patterns: refused, checked at Bind, or kept from the planner; and the leak that this closes."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.sql import tree
from proxy.sql.pattern import settle_patterns
from tests.proxy.sql.fixture import guarded, shortened
from tests.servers.postgres import Server


def settled(condition: str) -> tuple[str, frozenset[int]]:
    node = tree.parse_tree(f"SELECT 1 FROM t WHERE {condition}").stmts[0].stmt.select_stmt
    parameters = settle_patterns(node, (25, 1043, 17))
    return tree.print_tree(node).split(" WHERE ")[1], parameters


@pytest.mark.parametrize(
    ("condition", "expected", "parameters"),
    [
        ("a LIKE 'x%'", "a LIKE 'x%'", set()),
        ("a ILIKE 'x%'::text", "a ILIKE 'x%'::text", set()),
        ("a NOT LIKE $1", "a NOT LIKE $1", {1}),
        ("a ~~ $2 AND b LIKE $1", "a ~~ $2 AND b LIKE $1", {1, 2}),
        ("a LIKE 'x' || '%'", "a LIKE (SELECT 'x' || '%')", set()),
        ("a LIKE $3", "a LIKE (SELECT $3)", set()),
        ("a LIKE 'x\\_%'", "a LIKE (SELECT E'x\\\\_%')", set()),
        ("a LIKE 'x'::name", "a LIKE (SELECT 'x'::name)", set()),
        ("a LIKE b", "a LIKE (SELECT b)", set()),
        ("a LIKE q.p || '%'", "a LIKE (SELECT q.p || '%')", set()),
        ("a LIKE lower($1)", "a LIKE (SELECT lower($1))", set()),
        ("a LIKE ANY (ARRAY['x%', 'y'])", "a LIKE ANY(ARRAY['x%', 'y'])", set()),
        (
            "a LIKE ANY (SELECT 'x')",
            "a LIKE ANY((SELECT ARRAY(SELECT 'x'))::pg_catalog.text[])",
            set(),
        ),
        ("a LIKE ANY ($1)", "a LIKE ANY((SELECT $1)::pg_catalog.text[])", set()),
        ("a LIKE CASE WHEN b LIKE c THEN 'x' END",
         "a LIKE (SELECT CASE WHEN b LIKE (SELECT c) THEN 'x' END)", set()),
        ("a = 'x\\'", "a = E'x\\\\'", set()),
    ],
)  # fmt: skip
def test_patterns_are_settled(condition: str, expected: str, parameters: set[int]) -> None:
    text, found = settled(condition)

    assert (text.replace("~~ANY", "LIKE ANY").replace("~~ ANY", "LIKE ANY"), found) == (
        expected,
        parameters,
    )


@pytest.mark.parametrize(
    ("condition", "sqlstate"),
    [
        ("a LIKE 'x%\\'", "22025"),
        ("a ~~* 'x\\'", "22025"),
        ("a LIKE ANY (ARRAY['x', 'y\\'])", "22025"),
        ("textlike(a, 'x')", "42501"),
        ("pg_catalog.notlike(a, 'x')", "42501"),
        ("\"like\"(a, 'x')", "42501"),
        ("ROW(a, a) LIKE ANY (SELECT 'x', 'y')", "0A000"),
    ],
)
def test_what_cannot_be_settled_is_refused(condition: str, sqlstate: str) -> None:
    with pytest.raises(Fault) as caught:
        settled(condition)

    assert caught.value.sqlstate == sqlstate


def test_statistics_are_not_tried(postgres_server: Server) -> None:
    """The leak on a live server, and the same through the guard's forms."""
    with postgres_server.database("pattern_statistics") as dsn:
        import psycopg

        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (a text)")
            connection.execute("INSERT INTO t SELECT 'hidden' FROM generate_series(1, 100)")
            connection.execute("ANALYZE t")
            fenced = "SELECT * FROM (SELECT a FROM t WHERE a = 'visible' OFFSET 0) q WHERE "
            for condition in ("a LIKE 'hid%\\'", "a LIKE 'hid%' || '\\'"):
                with pytest.raises(psycopg.errors.InvalidEscapeSequence):
                    connection.execute((fenced + condition).encode())
            for condition in (
                "a LIKE 'hid%' || '\\'",
                "a LIKE CASE WHEN true THEN 'hid%\\' ELSE a END",
                "a LIKE ANY ('{hid%\\\\}'::text[])",
            ):
                text, _ = settled(condition)
                assert connection.execute((fenced + text).encode()).fetchall() == []
            pulled = "SELECT * FROM (SELECT a FROM t WHERE a = 'visible' OFFSET 0) q, (SELECT 'hid%\\' p) z WHERE "
            assert connection.execute((pulled + settled("a LIKE z.p")[0]).encode()).fetchall() == []


def test_the_pipeline_settles_patterns() -> None:
    rewritten = guarded("SELECT id FROM orders WHERE note LIKE $1 AND 1 / id = 1", (25,)).rewritten

    assert rewritten.pattern_parameters == {1}
    assert "(SELECT" in shortened(
        guarded("SELECT 1 FROM orders WHERE note LIKE tenant").rewritten.sql
    )


def test_types_through_many_levels_are_found_once() -> None:
    levels = ["a0 AS (SELECT id AS x FROM orders)"]
    levels += [
        f"a{n} AS (SELECT coalesce(x, x) AS x FROM a{n - 1} WHERE x = x)" for n in range(1, 40)
    ]

    assert guarded(f"WITH {', '.join(levels)} SELECT x FROM a39").rewritten.sql


def test_endless_data_flow_is_refused() -> None:
    levels = ["a0 AS (SELECT id AS x FROM orders)"]
    levels += [f"a{n} AS (SELECT x + 1 AS x FROM a{n - 1} WHERE x = x)" for n in range(1, 900)]

    with pytest.raises(Fault) as caught:
        guarded(f"WITH {', '.join(levels)} SELECT x FROM a899 WHERE x = 1")
    assert caught.value.sqlstate == "54001"
