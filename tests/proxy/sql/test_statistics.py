"""What leaves a fence without its statistics, and what keeps them."""

from __future__ import annotations

import pytest

from proxy.catalog.virtual import Column
from proxy.sql.statistics import restless_columns
from tests.proxy.sql.fixture import guarded

JSONB, TEXT, INT8, RECORD_LIKE, ENUM = 3802, 25, 20, 90_001, 90_002


def exported(sql: str) -> str:
    return guarded(sql).rewritten.sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders WHERE doc @? '$.a'",
        "SELECT q.id FROM (SELECT id, doc AS d FROM orders) q WHERE q.d @? '$.a'",
        "SELECT q.id FROM (SELECT id, doc -> 'a' AS d FROM orders) q WHERE q.d @? '$.a'",
        "WITH q AS (SELECT id, doc AS d FROM orders) SELECT id FROM q WHERE d @? '$.a'",
        "SELECT plain FROM texts WHERE german < swedish",
        "SELECT plain FROM texts WHERE blurred ^@ 'x'",
        "SELECT doc FROM orders GROUP BY doc HAVING doc @? '$.a' OR count(*) > 3",
        "SELECT doc FROM orders GROUP BY doc HAVING CASE WHEN doc @? '$.a' THEN count(*) > 3 END",
    ],
)
def test_a_restless_column_leaves_the_core_as_a_computed_value(sql: str) -> None:
    text = exported(sql)

    assert "COALESCE(" in text
    assert text.index("COALESCE(") < text.index("OFFSET 0")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders WHERE note::int = 1 AND amount > 3",
        "SELECT id FROM orders WHERE note ~ 'x'",
        "SELECT id FROM orders WHERE doc @> '{\"a\": 1}' AND doc ? 'a'",
        "SELECT german FROM texts WHERE german < 'x'",
    ],
)
def test_a_calm_column_or_a_level_without_fence_keeps_them(sql: str) -> None:
    assert "COALESCE(" not in exported(sql)


def test_a_relation_with_a_fence_of_its_own() -> None:
    text = exported(
        "SELECT i.qty FROM items i LEFT JOIN orders o ON o.doc @? '$.a' AND 1 / o.id = 1"
    )

    assert "COALESCE(doc, doc) AS doc" in text
    assert "COALESCE(id, id)" not in text


def test_calm_types() -> None:
    columns = [
        Column("calm", INT8, "bigint", 1),
        Column("kind", ENUM, "shop.mood", 2, type_kind="e"),
        Column("words", TEXT, "text", 3),
        Column("german", TEXT, "text", 4, collation="de-x-icu"),
        Column("pair", RECORD_LIKE, "shop.pair", 5, type_kind="c"),
        Column("doc", JSONB, "jsonb", 6),
        Column("domain", 90_003, "shop.short", 7, type_kind="d", base_type_oid=TEXT),
    ]

    assert restless_columns(columns) == {"german", "pair", "doc", "domain"}
