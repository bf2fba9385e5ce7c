"""The steps in their order: what comes out for data, and for the catalog."""

from __future__ import annotations

import pytest

from policies.model import RelationDecision, RelationKey
from proxy.faults import (
    DeniedFault,
    Fault,
    InternalFault,
    LimitFault,
    NotFoundFault,
    UnsupportedFault,
)
from proxy.sql.classify import classify
from proxy.sql.parse import parse
from proxy.sql.pipeline import (
    catalog_sql,
    is_heavy,
    local_names,
    rewrite,
    text_to_describe,
    type_schemas,
    with_suggestion,
)
from tests.proxy.sql.fixture import CATALOG, FACTS, decide, guarded


def test_a_statement_without_relations_has_no_source() -> None:
    assert guarded("SELECT 1").source == ""
    assert guarded("SELECT id FROM orders").source == "main"


def test_what_denies_a_relation_denies_the_statement() -> None:
    def denied(key: RelationKey) -> RelationDecision:
        raise DeniedFault("permission denied")

    (statement,) = parse("SELECT id FROM orders")
    with pytest.raises(DeniedFault):
        rewrite(classify(statement), CATALOG, denied, facts=FACTS, parameter_oids=())


@pytest.mark.parametrize(
    "type_name", ["orders", "public.orders", "orders[]", "_orders", "public._orders"]
)
def test_the_row_type_of_a_visible_table_is_told_to_be_unsupported(type_name: str) -> None:
    with pytest.raises(UnsupportedFault, match="the row type of a table is not supported"):
        guarded(f"SELECT json_populate_record(NULL::{type_name}, '{{}}')")


@pytest.mark.parametrize("type_name", ["secrets", "public.secrets", "hidden.orders"])
def test_the_row_type_of_a_hidden_table_does_not_exist(type_name: str) -> None:
    with pytest.raises(Fault) as caught:
        guarded(f"SELECT json_populate_record(NULL::{type_name}, '{{}}')")
    assert caught.value.sqlstate == "42704"


def test_catalog_and_policy_must_agree_about_columns() -> None:
    from dataclasses import replace

    def other(key: RelationKey) -> RelationDecision:
        decision = decide(key)
        return replace(decision, columns=decision.columns[:-1])

    (statement,) = parse("SELECT id FROM orders")
    with pytest.raises(InternalFault):
        rewrite(classify(statement), CATALOG, other, facts=FACTS, parameter_oids=())


def test_each_relation_is_decided_once() -> None:
    asked: list[RelationKey] = []

    def counting(key: RelationKey) -> RelationDecision:
        asked.append(key)
        return decide(key)

    (statement,) = parse("SELECT 1 FROM orders a, orders b, items i")
    rewrite(classify(statement), CATALOG, counting, facts=FACTS, parameter_oids=())

    assert len(asked) == 2


def test_catalog_statements_are_printed_and_redirected() -> None:
    (statement,) = parse("SELECT datname, current_user FROM pg_catalog.pg_database -- hidden")
    text = catalog_sql(classify(statement), FACTS)

    assert "pgv_database" in text
    assert "'alice'" in text
    assert "hidden" not in text


def test_a_statement_can_be_decided_again() -> None:
    (statement,) = parse("SELECT o.note, current_user FROM orders o WHERE o.note::int = 1")
    classified = classify(statement)
    texts = {
        rewrite(classified, CATALOG, decide, facts=FACTS, parameter_oids=()).rewritten.sql
        for _ in range(3)
    }

    assert len(texts) == 1


def test_types_of_a_class_by_name() -> None:
    assert type_schemas(CATALOG) == {}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM analytics.public.orders", "SELECT id FROM public.orders"),
        (
            "SELECT analytics.public.orders.id FROM analytics.public.orders",
            "SELECT public.orders.id FROM public.orders",
        ),
    ],
)
def test_the_own_database_may_be_named(sql: str, expected: str) -> None:
    assert local_names(parse(sql)[0], "analytics").text == expected


def test_another_database_may_not() -> None:
    with pytest.raises(UnsupportedFault, match="cross-database"):
        local_names(parse("SELECT id FROM evil.public.orders")[0], "analytics")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("itmes", 'Perhaps you meant "items".'),
        ("shop.items", 'Perhaps you meant "public.items".'),
        ("zebra", None),
    ],
)
def test_an_unknown_relation_gets_a_visible_near_miss(name: str, hint: str | None) -> None:
    (statement,) = parse(f"SELECT 1 FROM {name}")
    fault = NotFoundFault("relation does not exist")

    assert with_suggestion(fault, statement, CATALOG, ("public",)).hint == hint


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + ", ".join(["(SELECT max(id) FROM orders)"] * 300),
        f"SELECT 1 FROM orders WHERE id IN ({', '.join(map(str, range(70_000)))})",
    ],
)
def test_statements_that_would_hold_up_everybody_are_refused(sql: str) -> None:
    with pytest.raises(LimitFault) as caught:
        rewrite(classify(parse(sql)[0]), CATALOG, decide, facts=FACTS, parameter_oids=())

    assert caught.value.sqlstate == "54001"


@pytest.mark.parametrize("oid", [2205, 2210, 4096, 1033, 3734, 2276, 2970, 12_345])
def test_parameters_of_other_types_than_data_are_refused(oid: int) -> None:
    with pytest.raises(DeniedFault, match=r"parameter \$2"):
        guarded("SELECT $1, $2::text FROM orders", (25, oid))


@pytest.mark.parametrize("oid", [0, 16, 23, 25, 1007, 1700, 2249, 3802, 90_001])
def test_parameters_of_data_pass(oid: int) -> None:
    assert guarded("SELECT $1::text FROM orders", (oid,))


@pytest.mark.parametrize(
    "condition",
    [
        """note BETWEEN (note COLLATE "C") AND ('x' COLLATE "C")""",
        """(note IS NULL) IS TRUE AND note NOT BETWEEN ('a' COLLATE "C") AND 'b'""",
    ],
)
def test_forms_that_the_printer_gets_wrong_are_written_otherwise(condition: str) -> None:
    printed = described(f"COPY (SELECT id FROM orders WHERE {condition}) TO STDOUT")

    assert described(f"COPY ({printed}) TO STDOUT") == printed


def test_the_shadow_describes_the_text_itself_where_it_can() -> None:
    text = "SELECT  id FROM orders -- as it is"

    assert described(text) == text
    assert described(f"COPY ({text}\n) TO STDOUT") == "SELECT id FROM orders"


def test_xml_with_names_is_described_by_a_stand_in_under_its_label() -> None:
    text = described("SELECT xmlelement(name a, note, $1), xmlforest(id) AS f FROM orders")

    assert text == (
        'SELECT CASE WHEN ROW(note, $1) IS NULL THEN NULL::pg_catalog.xml END AS "xmlelement",'
        " CASE WHEN ROW(id) IS NULL THEN NULL::pg_catalog.xml END AS f FROM orders"
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM orders WHERE id = 1", False),
        ("SELECT * FROM orders, items, people", False),
        (f"SELECT id FROM orders WHERE id IN ({', '.join(['1'] * 2_000)})", True),
        (f"SELECT 1 FROM {', '.join(['orders'] * 60)}", True),
    ],
)
def test_what_takes_long_is_known_before(sql: str, expected: bool) -> None:
    assert is_heavy(classify(parse(sql)[0]), CATALOG, ("public",)) is expected


def described(sql: str) -> str:
    (statement,) = parse(sql)
    return text_to_describe(classify(statement))
