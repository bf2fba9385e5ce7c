"""Goal: names of shared tables lead to their twins wherever they are written; nothing else moves.

Method: pairs of statements, before and after, through the parser and the printer.
"""

from __future__ import annotations

import postgast
import pytest

from proxy.catalog import route
from proxy.faults import DeniedFault


def redirected(sql: str) -> str:
    tree = postgast.parse(sql)
    statement = tree.stmts[0].stmt
    route.redirect(getattr(statement, statement.WhichOneof("node")))
    text: str = postgast.deparse(tree)
    return text


PAIRS = [
    ("SELECT 1", "SELECT 1"),
    ("SELECT * FROM pg_class c", "SELECT * FROM pg_class c"),
    ("SELECT * FROM pg_database", "SELECT * FROM pg_catalog.pgv_database pg_database"),
    ("SELECT d.oid FROM pg_catalog.pg_database d", "SELECT d.oid FROM pg_catalog.pgv_database d"),
    (
        "SELECT pg_catalog.pg_database.datname FROM pg_catalog.pg_database",
        "SELECT pg_database.datname FROM pg_catalog.pgv_database pg_database",
    ),
    (
        "SELECT (SELECT count(*) FROM pg_shdepend) FROM a WHERE EXISTS (TABLE pg_auth_members)",
        "SELECT (SELECT count(*) FROM pg_catalog.pgv_shdepend pg_shdepend) FROM a"
        " WHERE EXISTS (SELECT * FROM pg_catalog.pgv_auth_members pg_auth_members)",
    ),
    (
        "WITH pg_database AS (SELECT 1) SELECT * FROM pg_database",
        "WITH pg_database AS (SELECT 1) SELECT * FROM pg_database",
    ),
    (
        "WITH pg_database AS (SELECT 1) SELECT * FROM pg_catalog.pg_database d",
        "WITH pg_database AS (SELECT 1) SELECT * FROM pg_catalog.pgv_database d",
    ),
    ("SELECT 'pg_database'::regclass", "SELECT 'pg_database'::regclass"),
    ("SELECT * FROM other.pg_database", "SELECT * FROM other.pg_database"),
    ("SELECT current_catalog", "SELECT pg_catalog.current_database()"),
    ("SELECT ('a' || b)::regclass", "SELECT pg_catalog.pgv_relation_name('a' || b)::regclass"),
    (
        "SELECT 'db.public.t'::regclass::oid",
        "SELECT pg_catalog.pgv_relation_name('db.public.t')::regclass::oid",
    ),
    ("SELECT 'public.t'::regclass", "SELECT 'public.t'::regclass"),
    ("SELECT c.oid::regclass FROM pg_class c", "SELECT c.oid::regclass FROM pg_class c"),
    ("SELECT * FROM information_schema.tables", "SELECT * FROM information_schema.tables"),
]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_redirect(before: str, after: str) -> None:
    assert redirected(before) == after


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM pg_authid",
        "SELECT 1 WHERE EXISTS (SELECT FROM pg_catalog.pg_shadow)",
        "WITH x AS (SELECT * FROM pg_hba_file_rules) SELECT 1",
        "SELECT * FROM pg_catalog.pgv_database",
        "SELECT * FROM pg_catalog.no_such",
        "SELECT * FROM information_schema._pg_user_mappings",
    ],
)
def test_relations_off_the_list_are_refused(sql: str) -> None:
    with pytest.raises(DeniedFault) as caught:
        redirected(sql)
    assert caught.value.sqlstate == "42501"
    assert caught.value.message.startswith("permission denied for table ")


@pytest.mark.parametrize(
    ("schema", "name", "expected"),
    [
        (None, "pg_class", True),
        ("", "pg_class", True),
        ("", "pg_authid", True),
        ("pg_catalog", "anything", True),
        ("information_schema", "tables", True),
        ("", "tables", False),
        ("public", "pg_class", False),
        ("", "pg_stat_statements", False),
        ("", "orders", False),
    ],
)
def test_is_catalog_relation(schema: str | None, name: str, expected: bool) -> None:
    assert route.is_catalog_relation(schema, name) is expected


def test_every_relation_is_in_one_list_only() -> None:
    lists = [route._STRUCTURE, route._FIGURES, route.REDIRECTED, frozenset(route._REFUSED)]
    assert sum(map(len, lists)) == len(frozenset().union(*lists))
    assert all(route._REFUSED.values())
