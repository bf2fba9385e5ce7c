"""What is asked of each source, and what remains."""

from __future__ import annotations

import pytest

from policies.model import RelationKey
from proxy.sql.pipeline import Guarded
from proxy.sql.safety import Safety
from proxy.sql.split import (
    MERGE,
    MERGE_SCHEMA,
    Keys,
    PartColumn,
    point_at_tables,
    take_apart,
)
from tests.proxy.sql.two_sources import bound, guarded, parts

PEOPLE = "(SELECT id, name, born, grade, login, german, plain FROM crm.people) part"
ORDERS = "(SELECT id, person, total, status, placed FROM sales.orders WHERE status <> 'late') part"
JOIN = "FROM crm.people p JOIN sales.orders o ON o.person = p.id"


def test_one_source_is_not_split() -> None:
    found = guarded("SELECT id FROM crm.people")
    assert (found.source, found.parts) == ("crm", ())


def test_each_source_is_asked_for_the_columns_that_are_read() -> None:
    assert parts(f"SELECT p.name, o.total {JOIN}") == [
        f"SELECT part.id AS id, part.name AS name FROM {PEOPLE}",
        f"SELECT part.person AS person, part.total AS total FROM {ORDERS}",
    ]


def test_what_remains_reads_the_tables_alone_in_the_shape_of_the_relations() -> None:
    found = guarded(f"SELECT p.name, o.total {JOIN}")
    assert found.source == MERGE
    assert found.rewritten.sql == (
        "SELECT p.name, o.total FROM (SELECT id, name, NULL AS born, NULL AS grade, NULL AS login,"
        " NULL AS german, NULL AS plain FROM pg_temp.t1) p JOIN (SELECT NULL AS id, person, total,"
        " NULL AS status, NULL AS placed FROM pg_temp.t2) o ON o.person = p.id"
    )
    assert [part.table for part in found.parts] == ["t1", "t2"]
    assert [guard.key for guard in found.guards] == [
        RelationKey("crm", "crm", "people"),
        RelationKey("sales", "sales", "orders"),
    ]
    assert found.sql.count(";\n") == 2


def test_caps_of_the_policy_hold_for_the_answer() -> None:
    found = guarded(f"SELECT p.name {JOIN}")
    limits = {guard.decision.row_limit for guard in found.rewritten.guards}
    assert limits == {None, 10}


def test_types_of_a_source_travel_as_text() -> None:
    found = guarded(f"SELECT p.grade {JOIN}")
    assert "part.grade::text AS grade" in found.parts[0].guarded.rewritten.sql
    assert "grade::crm.grade AS grade" in found.rewritten.sql
    assert found.parts[0].columns == (
        PartColumn("id", "integer", is_text=False),
        PartColumn("grade", "text", is_text=True),
    )


def test_a_relation_named_twice_is_fetched_once_and_whole() -> None:
    sql = (
        "SELECT a.name, b.born FROM crm.people a, crm.people b, sales.orders o"
        " WHERE a.id = o.person AND b.id = a.id + 1 AND a.name = 'x'"
    )
    assert parts(sql)[0] == (
        f"SELECT part.id AS id, part.name AS name, part.born AS born FROM {PEOPLE}"
    )


COPIED = {
    "p.id = 5": "part.id = 5",
    "p.id IN (1, 2)": "part.id IN (1, 2)",
    "p.id BETWEEN 1 AND 9": "part.id BETWEEN 1 AND 9",
    "p.name = 'x'": "part.name = 'x'",
    "p.name LIKE 'x%'": "part.name LIKE 'x%'",
    "p.name IS NULL": "part.name IS NULL",
    "p.born >= '2020-01-01'": "part.born >= '2020-01-01'",
    "(p.id = 1 OR p.name <> 'y')": "part.id = 1 OR part.name <> 'y'",
    "NOT p.id = 1": "NOT part.id = 1",
    "p.id = $1": "part.id = $1",
    "p.id::text = '1'": "part.id::text = '1'",
    "p.grade = 'low'": "part.grade = 'low'",
}
KEPT = [
    "p.id = o.id",  # of two relations
    "lower(p.name) = 'x'",  # letters are the database's own
    "p.name < 'x'",  # and so is their order
    "p.name BETWEEN 'a' AND 'b'",
    "p.born < now()",  # each server has a clock
    "p.born < 'today'",
    "1 / p.id = 1",  # may raise
    "p.id = (SELECT max(id) FROM crm.people)",
    "p.grade > 'low'",
]


@pytest.mark.parametrize(("condition", "copied"), COPIED.items())
def test_a_condition_that_every_server_answers_alike_is_copied(condition: str, copied: str) -> None:
    sql = f"SELECT o.id {JOIN} WHERE {condition}"
    asked, _ = parts(sql, (23,) if "$1" in condition else ())
    assert asked.endswith(f" WHERE {copied}") or asked.endswith(f" WHERE ({copied})")
    # Copied, not moved.
    assert " WHERE " in guarded(sql, (23,) if "$1" in condition else ()).rewritten.sql


@pytest.mark.parametrize("condition", KEPT)
def test_any_other_condition_is_not(condition: str) -> None:
    asked = parts(f"SELECT o.id {JOIN} WHERE {condition}")[0]
    if "crm.people)" in condition:
        return  # the relation is named twice then: nothing is copied into it, as tested above
    assert " WHERE " not in asked


@pytest.mark.parametrize(
    ("join", "people", "orders"),
    [("JOIN", True, True), ("LEFT JOIN", True, False), ("RIGHT JOIN", False, True), ("FULL JOIN", False, False)],
)  # fmt: skip
def test_no_condition_reaches_rows_that_an_outer_join_may_fill(
    join: str, people: bool, orders: bool
) -> None:
    sql = (
        f"SELECT 1 FROM crm.people p {join} sales.orders o ON o.person = p.id"
        " WHERE p.id = 1 AND o.id = 2"
    )
    asked = parts(sql)
    assert any(text.endswith(" WHERE part.id = 1") for text in asked) is people
    assert any(text.endswith(" WHERE part.id = 2") for text in asked) is orders


def test_a_renamed_column_is_asked_for_by_its_own_name() -> None:
    sql = "SELECT l FROM crm.people AS p (key, l), sales.orders o WHERE p.key = 3 AND o.id = 1"
    assert parts(sql)[0] == (
        f"SELECT part.id AS id, part.name AS name FROM {PEOPLE} WHERE part.id = 3"
    )


def test_only_is_kept() -> None:
    asked, _ = parts("SELECT p.id FROM ONLY crm.people p, sales.orders o")
    assert "FROM ONLY crm.people" in asked


def test_nothing_read_is_nothing_asked_for() -> None:
    assert parts("SELECT count(*) FROM crm.people, sales.orders") == [
        f"SELECT FROM {PEOPLE}",
        f"SELECT FROM {ORDERS}",
    ]


def test_the_steps_one_by_one() -> None:
    statement = bound(f"SELECT p.name {JOIN}")
    wanted = take_apart(statement, Safety(statement, ()), 0)
    assert [one.relation.name for one in wanted] == ["people", "orders"]
    decisions = point_at_tables(statement, wanted)
    assert set(decisions) == {
        RelationKey(MERGE, MERGE_SCHEMA, "t1"),
        RelationKey(MERGE, MERGE_SCHEMA, "t2"),
    }
    assert {item.relation.name for item in statement.items if item.relation} == {"t1", "t2"}


def test_a_part_is_a_guarded_statement_of_its_own() -> None:
    for part in guarded(f"SELECT p.name {JOIN}").parts:
        assert isinstance(part.guarded, Guarded)
        assert len(part.guarded.rewritten.guards) == 1


# Keys


def narrowed(sql: str) -> list[str | None]:
    """What each part is asked for when keys are few, in the order of fetching."""
    return [
        None if part.narrowed is None else part.narrowed.rewritten.sql.replace("pg_catalog.", "")
        for part in guarded(sql).parts
    ]


def test_the_narrower_part_comes_first_and_gives_the_other_its_keys() -> None:
    found = guarded(f"SELECT p.name {JOIN} WHERE o.id = 7")
    assert [part.guarded.source for part in found.parts] == ["sales", "crm"]
    assert found.parts[0].keys is None
    assert found.parts[1].keys == Keys("t1", "person", 1007)
    assert narrowed(f"SELECT p.name {JOIN} WHERE o.id = 7")[1] == (
        f"SELECT part.id AS id, part.name AS name FROM {PEOPLE} WHERE part.id = ANY($1)"
    )


def test_the_array_of_keys_comes_after_the_clients_parameters() -> None:
    (_, other) = guarded(f"SELECT p.name {JOIN} WHERE o.id = $1", (20,)).parts
    assert other.narrowed is not None
    assert other.narrowed.rewritten.sql.endswith(" WHERE part.id = ANY($2)")
    assert other.narrowed.rewritten.parameter_count == 2


UNNARROWED = [
    f"SELECT p.name {JOIN}",  # nothing is narrow
    f"SELECT p.name {JOIN} AND p.id > 5 OR o.id = 1",
    "SELECT 1 FROM crm.people p LEFT JOIN sales.orders o ON o.person = p.id WHERE p.id = 1",
    "SELECT 1 FROM crm.people p, sales.orders o WHERE o.person = p.id + 1 AND p.id = 1",
    "SELECT 1 FROM crm.people p, sales.orders o WHERE o.person > p.id AND p.id = 1",
    "SELECT 1 FROM crm.people p, sales.orders o WHERE o.id = p.id AND p.id = 1",  # bigint, integer
    "SELECT 1 FROM crm.people p, crm.people q, sales.orders o"
    " WHERE o.person = p.id AND q.id = 2 AND o.id = 5 AND p.name = 'x'",
]


@pytest.mark.parametrize("sql", UNNARROWED)
def test_what_is_not_narrowed(sql: str) -> None:
    assert set(narrowed(sql)) == {None}


def test_a_subquery_is_narrowed_by_the_level_around_it_and_not_the_other_way() -> None:
    inner = "EXISTS (SELECT FROM sales.orders o WHERE o.person = p.id AND o.status = 'x')"
    assert narrowed(f"SELECT 1 FROM crm.people p WHERE {inner} AND p.id = 1") != [None, None]
    assert narrowed(f"SELECT 1 FROM crm.people p WHERE NOT {inner}") == [None, None]
