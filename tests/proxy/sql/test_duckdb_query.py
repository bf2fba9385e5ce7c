"""Levels, joins, groups and orders in DuckDB's SQL."""

from __future__ import annotations

import pytest

from proxy.sql import tree
from proxy.sql.bind import bind
from proxy.sql.duckdb_query import columns_used, direct_query, relation_name
from proxy.sql.pipeline import resolver
from proxy.sql.safety import Safety
from tests.proxy.sql.fixture import FACTS
from tests.proxy.sql.two_files import catalog


def translated(sql: str) -> str | None:
    node = tree.inner(tree.parse_tree(sql).stmts[0].stmt)
    bound = bind(node, resolver(catalog(), FACTS.schemas, FACTS.database))
    columns = [(output.name, "") for output in bound.root.outputs]
    found = direct_query(bound, Safety(bound, ()), columns)
    return None if found is None else found.sql.replace('"', "")


SAME = {
    "SELECT e.id FROM web.events e JOIN web.targets t ON t.target = e.id AND e.is_new": (
        "SELECT e.id AS id FROM (web.events AS e JOIN web.targets AS t ON"
        " ((t.target = e.id) AND e.is_new))"
    ),
    "SELECT e.id FROM web.events e LEFT JOIN web.targets t ON t.target = e.id": (
        "SELECT e.id AS id FROM (web.events AS e LEFT JOIN web.targets AS t ON (t.target = e.id))"
    ),
    "SELECT e.id FROM web.events e, web.targets t": (
        "SELECT e.id AS id FROM web.events AS e, web.targets AS t"
    ),
    "SELECT day AS d FROM web.events GROUP BY d ORDER BY d DESC": (
        "SELECT events.day AS d FROM web.events AS events GROUP BY events.day"
        " ORDER BY events.day DESC NULLS FIRST"
    ),
    "SELECT DISTINCT day FROM web.events ORDER BY 1 NULLS FIRST": (
        "SELECT DISTINCT events.day AS day FROM web.events AS events"
        " ORDER BY events.day ASC NULLS FIRST"
    ),
    "SELECT x.id FROM (SELECT id, country FROM web.events WHERE is_new OFFSET 0) x": (
        "SELECT x.id AS id FROM (SELECT events.id AS id, events.country AS country FROM web.events"
        " AS events WHERE events.is_new OFFSET 0) AS x"
    ),
    "SELECT x.id FROM (SELECT id, country FROM web.events WHERE is_new) x": (
        "SELECT x.id AS id FROM (SELECT events.id AS id FROM web.events AS events"
        " WHERE events.is_new) AS x"
    ),
    "SELECT sum(amount * (1 - amount)) FROM web.events HAVING count(*) > 1": (
        "SELECT sum(CAST((events.amount * CAST((CAST(1 AS DECIMAL(1,0)) - events.amount) AS"
        " DECIMAL(11,2))) AS DECIMAL(21,4))) AS sum FROM web.events AS events"
        " HAVING (count(*) > 1)"
    ),
}


@pytest.mark.parametrize("sql", SAME)
def test_what_means_the_same(sql: str) -> None:
    assert translated(sql) == SAME[sql]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT score FROM web.events GROUP BY score",
        "SELECT DISTINCT score FROM web.events",
        "SELECT raw FROM web.events ORDER BY raw",
        "SELECT sum(score) FROM web.events",
        "SELECT sum(wide * wide) FROM web.events",
        "SELECT id FROM web.events LIMIT 1 + 1",
        "SELECT id FROM web.events ORDER BY id USING >",
        "SELECT count(DISTINCT score) FROM web.events",
        "SELECT date_trunc('day', seen) FROM web.events",
        "SELECT date_trunc('millennium', at) FROM web.events",
        "SELECT 1",
        "SELECT max(id) OVER () FROM web.events",
        "SELECT e.id FROM web.events e NATURAL JOIN web.targets t",
        "SELECT e.id FROM web.events e CROSS JOIN LATERAL (SELECT e.id) t",
        "SELECT * FROM web.events",
    ],
)
def test_what_may_not(sql: str) -> None:
    assert translated(sql) is None


def test_names() -> None:
    assert relation_name(("a", 'b"c')) == '"a"."b""c"'
    node = tree.inner(tree.parse_tree("SELECT e.id FROM web.events e WHERE is_new").stmts[0].stmt)
    bound = bind(node, resolver(catalog(), FACTS.schemas, FACTS.database))
    assert columns_used(bound, bound.items[0]) == {"id", "is_new"}
