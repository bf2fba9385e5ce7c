"""What DuckDB may be asked: conditions that mean the same there, and nothing near to one."""

from __future__ import annotations

import pytest

from proxy.sql import tree
from proxy.sql.bind import bind
from proxy.sql.duckdb import Expressions, Inexact, constant, quoted
from proxy.sql.pipeline import resolver
from proxy.sql.plan import FileSlot
from proxy.sql.safety import Safety
from tests.proxy.sql.fixture import FACTS
from tests.proxy.sql.two_files import catalog

OIDS = (23, 25, 1700, 1009, 1184, 114)


def expressions(condition: str) -> tuple[Expressions, tree.Node]:
    node = tree.inner(
        tree.parse_tree(f"SELECT 1 FROM web.events e WHERE {condition}").stmts[0].stmt
    )
    bound = bind(node, resolver(catalog(), FACTS.schemas, FACTS.database))
    return Expressions(bound, Safety(bound, OIDS)), node.where_clause


def translated(condition: str) -> str:
    made, node = expressions(condition)
    return made.condition(node).replace('"e".', "").replace('"', "")


SAME = {
    "id = 5": "(id = 5)",
    "id <> -5": "(id <> -5)",
    "amount > 1.5": "(amount > 1.5)",
    "amount = id": "(amount = id)",
    "country = 'de'": "(country = 'de')",
    "country <> 'it''s'": "(country <> 'it''s')",
    "country IN ('de', 'fr')": "((country = 'de') OR (country = 'fr'))",
    "id NOT IN (1, NULL)": "((NOT (id = 1)) AND (NOT (id = NULL)))",
    "id BETWEEN 1 AND 2": "((id >= 1) AND (id <= 2))",
    "NOT (id = 1 OR country IS NULL)": "(NOT ((id = 1) OR (country IS NULL)))",
    "country IS NOT NULL": "(country IS NOT NULL)",
    "raw IS NULL": "(raw IS NULL)",
    "text_number IS NULL": "(text_number IS NULL)",
    "is_new": "is_new",
    "is_new IS NOT TRUE": "(is_new IS DISTINCT FROM TRUE)",
    "country IS DISTINCT FROM 'de'": "(country IS DISTINCT FROM 'de')",
    "day >= '2026-01-02'": "(day >= DATE '2026-01-02')",
    "day = '2026-01-02'::date": "(day = DATE '2026-01-02')",
    "country LIKE 'd%'": "(country LIKE 'd%')",
    "country NOT LIKE '_e'": "(country NOT LIKE '_e')",
    "score > score": "(score > score)",
    "coalesce(country, 'xx') = 'xx'": "(coalesce(country, 'xx') = 'xx')",
    "id = 1.5": "(id = 1.5)",
    "id = $1": "(id = CAST($1 AS BIGINT))",
    "country = $2": "(country = CAST($1 AS VARCHAR))",
    "amount < $3": "(amount < $1)",
    "country = ANY($4)": "(country IN (SELECT unnest(CAST($1 AS VARCHAR[]))))",
}


@pytest.mark.parametrize("condition", SAME)
def test_what_means_the_same(condition: str) -> None:
    assert translated(condition) == SAME[condition]


@pytest.mark.parametrize(
    "condition",
    [
        "country < 'de'",  # the order of texts is a collation's
        "country BETWEEN 'a' AND 'b'",
        "country ILIKE 'd%'",
        r"country LIKE 'd\_'",  # DuckDB has no escape unless it is named
        "country ~ 'd'",
        "lower(country) = 'de'",
        "length(country) = 2",
        "id + 1 = 2",
        "id / 2 = 1",
        "id::text = '1'",
        "amount::int = 1",
        "score = 0.1",  # a numeric, or a float8 of it
        "real = score",
        "amount = 1234567890123456789012345.5",
        "day = 'today'",
        "day = '2026-1-2'",
        "day = at",
        "at = '2026-01-02'",  # midnight, if a timestamp: Postgres reads it
        "seen = $5",  # its text may name a time zone
        "raw = '\\x00'",
        "text_number = 1",  # a number that the file holds as a text
        "wide = 1",
        "took = '1 day'",
        "country = ANY(ARRAY['de'])",
        "id IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "row(id, country) = row(1, 'de')",
        "CASE WHEN is_new THEN true END",
        "now() > seen",
        "e IS NULL",
        "country",
        "id IS NOT NULL = is_new IS NULL",
    ],
)
def test_what_may_not(condition: str) -> None:
    try:
        made, node = expressions(condition)
    except Exception as error:
        pytest.fail(f"the test itself is wrong: {error}")
    if condition == "id IS NOT NULL = is_new IS NULL":
        assert made.condition(node)  # truth values compare as everywhere
        return
    with pytest.raises(Inexact):
        made.condition(node)


def test_parameters_are_bound_in_the_order_of_their_use() -> None:
    made, node = expressions("country LIKE $2 AND id = $1 AND country = $2 AND id <> $1")
    made.condition(node)
    assert made.slots == [
        FileSlot(2, 25, "text", is_pattern=True),
        FileSlot(1, 23, "integer"),
        FileSlot(2, 25, "text"),
    ]


def test_constants_and_names_are_quoted() -> None:
    assert constant("a'b\\c") == "'a''b\\c'"
    assert quoted('a"b') == '"a""b"'
    with pytest.raises(Inexact):
        constant("a\0b")
