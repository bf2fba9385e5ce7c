"""Rows taken apart: `(expression).*` and functions in FROM whose result is a row."""

from __future__ import annotations

import pytest

from policies.model import VisibleColumn
from proxy.catalog.virtual import (
    Column,
    Relation,
    SourceCatalog,
    TypeAttribute,
    TypeDefinition,
    class_catalog,
)
from proxy.faults import Fault
from proxy.sql.bind import bind
from proxy.sql.identity import SessionFacts, settle
from proxy.sql.parse import parse
from proxy.sql.pipeline import resolver, type_schemas
from proxy.sql.shape import shapes

ADDRESS = TypeDefinition(
    20_000, "app", "address", "c", array_oid=20_001,
    attributes=(TypeAttribute("street", 25, "text"), TypeAttribute("place", 20_010, "app.place")),
)  # fmt: skip
PLACE = TypeDefinition(
    20_010, "app", "place", "c",
    attributes=(TypeAttribute("x", 701, "float8"), TypeAttribute("y", 701, "float8")),
)  # fmt: skip
ROW = TypeDefinition(
    20_020, "public", "secrets", "c", attributes=PLACE.attributes, is_row_type=True
)
USERS = Relation(
    "main", "public", "users", "r",
    (
        Column("id", 23, "integer", 1), Column("home", 20_000, "app.address", 2, type_kind="c"),
        Column("old", 20_001, "app.address[]", 3), Column("doc", 3802, "jsonb", 4),
        Column("whole", 20_020, "secrets", 5, type_kind="c"),
    ),
)  # fmt: skip
SOURCE = SourceCatalog(
    "main", 160014, {USERS.key: USERS}, {one.oid: one for one in (ADDRESS, PLACE, ROW)}
)
CATALOG = class_catalog(
    [SOURCE], {USERS.key: [VisibleColumn(column.name, None) for column in USERS.columns]}
)
FACTS = SessionFacts(user="alice", database="d", schemas=("public", "app"))


def outputs(sql: str) -> list[str]:
    (statement,) = parse(sql)
    settle(statement.node, FACTS, type_schemas(CATALOG), relations=CATALOG.relations)
    bound = bind(statement.node, resolver(CATALOG, FACTS.schemas, "d"), shapes=shapes(CATALOG))
    return [output.name for output in bound.root.outputs]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT (u.home).* FROM users u", ["street", "place"]),
        ("SELECT (home).*, id FROM users", ["street", "place", "id"]),
        ("SELECT ((u.home).place).* FROM users u", ["x", "y"]),
        ("SELECT (u.old[1]).* FROM users u", ["street", "place"]),
        ("SELECT (q.h).* FROM (SELECT home AS h FROM users) q", ["street", "place"]),
        ("SELECT (q.u).* FROM (SELECT u FROM users u) q", ["id", "home", "old", "doc", "whole"]),
        ("SELECT (jsonb_each(doc)).* FROM users", ["key", "value"]),
        ("SELECT ('(a,)'::app.address).*", ["street", "place"]),
        ("SELECT (unnest(old)).* FROM users", ["street", "place"]),
        ("SELECT (jsonb_populate_record(NULL::app.place, '{}')).*", ["x", "y"]),
        ("SELECT (coalesce(u.home, u.old[1])).* FROM users u", ["street", "place"]),
        ("WITH c AS (SELECT home FROM users) SELECT (c.home).* FROM c", ["street", "place"]),
        ("SELECT x.* FROM users, unnest(old) x", ["street", "place"]),
        ("SELECT * FROM unnest('{}'::app.address[]) AS x(a)", ["a", "place"]),
        ("SELECT x.* FROM users, unnest(old) WITH ORDINALITY x", ["street", "place", "ordinality"]),
        ("SELECT x.place FROM users, unnest(old) x", ["place"]),
        ("SELECT * FROM unnest(ARRAY[1, 2]) x", ["x"]),
        ("SELECT x.* FROM unnest($1) x", ["x"]),
        ("SELECT x.* FROM unnest(string_to_array('a', ',')) x", ["x"]),
    ],
)
def test_every_field_has_its_name(sql: str, names: list[str]) -> None:
    assert outputs(sql) == names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (u.whole).* FROM users u",
        "SELECT (u.id).* FROM users u",
        "SELECT (q.a).* FROM (SELECT array_agg(home) AS a FROM users) q",
        "SELECT x.* FROM (SELECT array_agg(home) AS a FROM users) q, unnest(q.a) x",
        "SELECT x FROM (SELECT array_agg(home) AS a FROM users) q, unnest(q.a) AS x(b)",
        "SELECT (jsonb_array_elements(doc)).* FROM users",
    ],
)
def test_a_row_of_unknown_width_is_refused(sql: str) -> None:
    with pytest.raises(Fault):
        outputs(sql)


def test_many_copies_of_a_long_expression_are_refused() -> None:
    numbers = ", ".join(["1"] * 6_000)

    with pytest.raises(Fault, match="too complex"):
        outputs(f"SELECT (jsonb_each(jsonb_build_array({numbers}))).*")
