"""Which subqueries go to their source whole."""

from __future__ import annotations

import pytest

from proxy.sql.pipeline import Guarded
from proxy.sql.split import Keys
from tests.proxy.sql.two_sources import guarded

SPENT = "SELECT person, sum(total) AS spent FROM sales.orders GROUP BY person"


def tables(sql: str) -> list[str]:
    return [part.table for part in guarded(sql).parts]


def stage(found: Guarded) -> str:
    return found.parts[0].guarded.rewritten.sql.replace("pg_catalog.", "")


def test_a_sum_for_each_person_arrives_instead_of_every_order() -> None:
    found = guarded(f"SELECT p.name, s.spent FROM crm.people p JOIN ({SPENT}) s ON s.person = p.id")
    assert [part.table for part in found.parts] == ["s1", "t1"]
    assert stage(found) == (
        "SELECT person, sum(total) AS spent FROM (SELECT id, person, total, status, placed"
        " FROM sales.orders WHERE status <> 'late') orders GROUP BY person"
    )
    assert found.parts[0].asked.replace("pg_catalog.", "") == SPENT
    columns = [(one.name, one.type_name, one.type_oid) for one in found.parts[0].columns]
    assert columns == [("person", "integer", 23), ("spent", "numeric", 1700)]
    assert found.rewritten.sql.endswith(
        " JOIN (SELECT person, spent FROM pg_temp.s1) s ON s.person = p.id"
    )
    assert found.guards[0].key.name == "orders"


def test_caps_of_what_a_stage_reads_hold_for_the_answer() -> None:
    found = guarded(f"SELECT p.name FROM crm.people p JOIN ({SPENT}) s ON s.person = p.id")
    assert {one.decision.row_limit for one in found.rewritten.guards} == {None, 10}


def test_the_keys_of_a_narrow_stage_narrow_a_part() -> None:
    narrow = f"{SPENT} HAVING sum(total) > 100"
    join = "SELECT p.name FROM crm.people p JOIN ({}) s ON s.person = p.id"
    assert guarded(join.format(narrow)).parts[1].keys == Keys("s1", "person", 1007)
    assert guarded(join.format(SPENT)).parts[1].keys is None


@pytest.mark.parametrize(
    "sql",
    [
        f"WITH s AS ({SPENT}) SELECT name FROM crm.people JOIN s ON person = id",
        f"WITH s (who, what) AS ({SPENT}) SELECT what FROM crm.people JOIN s ON who = id",
        f"SELECT x.b FROM crm.people JOIN ({SPENT}) x (a, b) ON a = id",
        "SELECT name FROM crm.people WHERE id IN (SELECT DISTINCT person FROM sales.orders)",
        "SELECT name FROM crm.people WHERE id = (SELECT max(person) FROM sales.orders)",
        "SELECT name FROM crm.people UNION SELECT status FROM sales.orders GROUP BY 1",
        "SELECT name FROM crm.people, (SELECT person FROM sales.orders WHERE total > 3.5"
        " AND placed >= '2026-01-01' ORDER BY total DESC LIMIT 5) x WHERE person = id",
        "SELECT name FROM crm.people, (SELECT person AS a FROM sales.orders UNION"
        " SELECT o.person FROM sales.orders o) x WHERE a = id",
        "SELECT name FROM crm.people, (SELECT sum(total * 1.2 - id) AS a, person FROM sales.orders"
        " WHERE status LIKE 'l%' GROUP BY GROUPING SETS ((person), ())) x WHERE person = id",
        "SELECT name FROM crm.people, (WITH o AS (SELECT person FROM sales.orders) SELECT person,"
        " count(*) FROM o GROUP BY 1) x WHERE person = id",
        "SELECT name FROM crm.people, (SELECT o.person, count(*) FILTER (WHERE p.total > 1) AS n"
        " FROM sales.orders o LEFT JOIN sales.orders p USING (person) GROUP BY 1) x",
    ],
)  # fmt: skip
def test_taken(sql: str) -> None:
    assert tables(sql) == ["s1", "t1"]


@pytest.mark.parametrize(
    "query",
    [
        # of no use: as many rows leave it as it reads
        "SELECT person AS a FROM sales.orders",
        "SELECT person AS a FROM sales.orders UNION ALL SELECT person FROM sales.orders",
        # not closed
        "SELECT count(*) AS a FROM sales.orders WHERE person = p.id",
        # of two sources
        "SELECT count(*) AS a FROM sales.orders JOIN crm.people b ON b.id = person",
        # no two columns may have one name
        "SELECT count(*) AS a, sum(id) AS a FROM sales.orders",
        # types that are not known here
        "SELECT array_agg(id) AS a FROM sales.orders",
        "SELECT person AS a FROM sales.orders UNION SELECT id FROM sales.orders",
        # clocks, and what asks them
        "SELECT count(*) AS a FROM sales.orders WHERE placed > now()",
        "SELECT count(*) AS a FROM sales.orders WHERE placed > 'yesterday'",
        "SELECT count(*) AS a FROM sales.orders WHERE placed::date = current_date",
        # what may raise on a row that Postgres might never compute
        "SELECT max(1 / id) AS a FROM sales.orders",
        "SELECT max(status::integer) AS a FROM sales.orders",
        # functions, windows, locks and what else is not listed
        "SELECT max(round(total)) AS a FROM sales.orders",
        "SELECT count(*) OVER () AS a FROM sales.orders LIMIT 1",
        "SELECT string_agg(status, ',' ORDER BY id) AS a FROM sales.orders",
        "SELECT a FROM (VALUES (1)) v (a), sales.orders LIMIT 1",
        "SELECT generate_series(1, 2) AS a FROM sales.orders LIMIT 1",
        # a sum of floats depends on the order of rows
        "SELECT sum(1.5::float8) AS a FROM sales.orders",
    ],
)
def test_left_alone(query: str) -> None:
    sql = f"SELECT p.name FROM crm.people p CROSS JOIN LATERAL ({query}) x"
    assert "s1" not in tables(sql)


def test_a_collation_of_its_own_stays_at_home() -> None:
    found = tables(
        "SELECT status FROM sales.orders, (SELECT plain, count(*) FROM crm.people GROUP BY 1) x"
    )
    assert found == ["t1", "t2"]


def test_one_of_several_is_taken() -> None:
    recursive = (
        "WITH RECURSIVE w (i) AS (SELECT 1 UNION SELECT max(o.person) FROM w, sales.orders o"
        f" WHERE o.id = w.i GROUP BY o.id), s AS ({SPENT}) SELECT name FROM crm.people"
        " JOIN w ON w.i = people.id JOIN s ON s.person = people.id"
    )
    assert tables(recursive) == ["s1", "t1", "t2"]
