"""The allow-list over the whole tree, case by case; refusals as carefully as acceptances."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.sql.classify import Route, base_relations, classify, refusal
from proxy.sql.parse import parse

DENIED = [
    "SELECT query_to_xml('select secret from orders', true, false, '')",
    "SELECT * FROM query_to_xml('x', true, false, '')",
    "SELECT * FROM ROWS FROM (query_to_xml('x', true, false, ''), generate_series(1, 2)) z",
    "SELECT pg_catalog.\"query_to_xml\"('x', true, false, '')",
    "SELECT U&\"query\\005fto_xml\"('x', true, false, '')",
    "SELECT word FROM ts_stat('select to_tsvector(secret) from orders')",
    "SELECT pg_read_file('x')", "SELECT * FROM pg_ls_dir('.')", "SELECT lo_get(1)",
    "SELECT lo_import('x')", "SELECT pg_sleep(100)", "SELECT pg_advisory_lock(1)",
    "SELECT pg_terminate_backend(1)", "SELECT nextval('s')", "SELECT pg_notify('a', 'b')",
    "SELECT txid_current()", "SELECT ('x'::text).pg_sleep", "SELECT (1.0::float8).pg_sleep",
    "SELECT * INTO t2 FROM orders", "COPY orders TO '/tmp/x'", "COPY orders TO PROGRAM 'sh'",
    "WITH x AS (DELETE FROM orders RETURNING secret) SELECT * FROM x",
    "WITH x AS (INSERT INTO orders VALUES (1) RETURNING 1) SELECT * FROM x",
    "COPY (DELETE FROM orders RETURNING secret) TO STDOUT",
    "SELECT 1 OPERATOR(evil.=) 1", "SELECT id FROM orders ORDER BY id USING OPERATOR(evil.<)",
]  # fmt: skip
UNSUPPORTED = [
    "SELECT * FROM orders FOR UPDATE", "SELECT * FROM orders FOR SHARE OF orders",
    "SELECT * FROM orders TABLESAMPLE SYSTEM (1)",
    "VALUES (DEFAULT)", "SELECT merge_action()", "SELECT id FROM orders WHERE id = (VALUES (DEFAULT))",
    "SELECT xmlelement(name a, relname) FROM pg_class", "SELECT '<a/>'::xml, relname FROM pg_class",
    "SELECT relname FROM pg_class, xmltable('/a' PASSING '<a/>' COLUMNS b text) x",
    "COPY orders TO STDOUT (FORMAT csv, FORCE_NULL (id))",
    "SELECT c.relname FROM pg_catalog.pg_class c, orders", "SELECT pg_get_viewdef(1), id FROM orders",
]  # fmt: skip


@pytest.mark.parametrize("sql", DENIED)
def test_denied(sql: str) -> None:
    (statement,) = parse(sql)

    with pytest.raises(Fault) as caught:
        classify(statement)
    assert caught.value.sqlstate == "42501"


@pytest.mark.parametrize("sql", UNSUPPORTED)
def test_unsupported(sql: str) -> None:
    (statement,) = parse(sql)

    with pytest.raises(Fault) as caught:
        classify(statement)
    assert caught.value.sqlstate == "0A000"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders VALUES (1)", "UPDATE orders SET note = secret", "DELETE FROM orders",
        "MERGE INTO orders USING items ON true WHEN MATCHED THEN DELETE", "COPY orders FROM STDIN",
        "DO $$ BEGIN END $$", "CALL p()", "CREATE TABLE t (a int)", "DROP TABLE orders", "VACUUM",
        "CREATE TABLE t2 AS SELECT 1", "REFRESH MATERIALIZED VIEW m", "LOCK TABLE orders",
        "ALTER SYSTEM SET a = 1", "LOAD 'x'", "SET TRANSACTION SNAPSHOT 'x'", "GRANT SELECT ON t TO p",
    ],
)  # fmt: skip
def test_statement_kinds_that_never_run(sql: str) -> None:
    (statement,) = parse(sql)

    assert refusal(statement).sqlstate == "42501"
    with pytest.raises(Fault):
        classify(statement)


@pytest.mark.parametrize(
    "sql", ["LISTEN x", "NOTIFY x", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE TABLE t"]
)
def test_kinds_that_are_not_supported(sql: str) -> None:
    (statement,) = parse(sql)

    assert refusal(statement).sqlstate == "0A000"


@pytest.mark.parametrize(
    ("sql", "route"),
    [
        ("SELECT 1", Route.DATA),
        ("SELECT id FROM orders", Route.DATA),
        ("SELECT relname FROM pg_class", Route.CATALOG),
        ("SELECT * FROM information_schema.tables", Route.CATALOG),
        ("SELECT pg_get_indexdef(1)", Route.CATALOG),
        ("SELECT 'x'::regclass", Route.CATALOG),
        ("WITH pg_class AS (SELECT 1 AS a) SELECT a FROM pg_class", Route.DATA),
        ("SELECT current_user", Route.DATA),
    ],
)
def test_routes(sql: str, route: Route) -> None:
    (statement,) = parse(sql)

    assert classify(statement).route is route


def test_copy_of_a_table_becomes_a_query() -> None:
    (statement,) = parse("COPY orders (id, note) TO STDOUT (FORMAT csv, HEADER)")
    classified = classify(statement)
    assert classified.copy is not None

    assert classified.copy.format == "csv"
    assert len(classified.query.target_list) == 2


def test_base_relations_follow_exact_scope() -> None:
    (statement,) = parse(
        "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b, c"
    )

    assert sorted(base.relname for base in base_relations(statement.node)) == ["b", "c"]
