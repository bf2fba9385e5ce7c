"""The gate answers for itself, and every built-in name gets its home."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.sql import tree
from proxy.sql.identity import answer, settle
from tests.proxy.sql.fixture import FACTS
from tests.servers.postgres import Server


def settled(expression: str, types: dict[str, str] | None = None) -> str:
    node = tree.parse_tree(f"SELECT {expression}").stmts[0].stmt.select_stmt
    settle(node, FACTS, types or {})
    return tree.print_tree(node).removeprefix("SELECT ")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("current_user", "'alice'::pg_catalog.name AS \"current_user\""),
        ("user", "'alice'::pg_catalog.name AS \"user\""),
        ("session_user", "'alice'::pg_catalog.name AS \"session_user\""),
        ("current_role", "'alice'::pg_catalog.name AS \"current_role\""),
        ("current_catalog", "'analytics'::pg_catalog.name AS \"current_catalog\""),
        ("current_database()", "'analytics'::pg_catalog.name AS current_database"),
        ("pg_catalog.current_database()", "'analytics'::pg_catalog.name AS current_database"),
        ("current_schema", "'public'::pg_catalog.name AS \"current_schema\""),
        ("current_schema()", "'public'::pg_catalog.name AS \"current_schema\""),
        ("pg_backend_pid() AS p", "7 AS p"),
        ("inet_server_port()", "NULL::int AS inet_server_port"),
        ("version()", "'PostgreSQL 16.14 (Sallyport)'::pg_catalog.text AS version"),
        ("pg_advisory_unlock_all()", "''::pg_catalog.void AS pg_advisory_unlock_all"),
        ("lower(current_user)", "pg_catalog.lower('alice'::pg_catalog.name)"),
        ("lower('x')", "pg_catalog.lower('x')"),
        ("'t'::bool", "true AS bool"),
        ("NOT 'f'::boolean", "NOT false"),
        ("'true'::bool", "'true'::boolean"),
        ("'t'::text", "'t'::pg_catalog.text"),
        ("'x'::text", "'x'::pg_catalog.text"),
        ("'x'::mood", "'x'::shop.mood"),
        ("'x'::shop.mood[]", "'x'::shop.mood[]"),
        ("1::int", "1::int"),
    ],
)
def test_identities_and_names(expression: str, expected: str) -> None:
    assert settled(expression, {"mood": "shop"}) == expected


def test_schemas_of_the_virtual_search_path() -> None:
    with_catalog = settled("current_schemas(true)")

    assert "'pg_catalog', 'public'" in with_catalog
    assert "pg_catalog'" not in settled("current_schemas(false)").replace("pg_catalog.name", "")


@pytest.mark.parametrize(
    ("expression", "sqlstate"),
    [
        ("no_such_function(1)", "42883"), ("evil.lower('x')", "42883"), ("lower(1, 2, 3)", "42883"),
        ("'x'::no_such_type", "42704"), ("'x'::evil.text", "42704"), ("'x'::hidden.mood", "42704"),
    ],
)  # fmt: skip
def test_unknown_names_are_refused_even_if_the_shadow_knew_them(
    expression: str, sqlstate: str
) -> None:
    with pytest.raises(Fault) as caught:
        settled(expression, {"mood": "shop"})

    assert caught.value.sqlstate == sqlstate


IDENTITIES = (
    "current_user", "session_user", "system_user", "current_database()", "current_schema()",
    "current_schemas(true)", "version()", "pg_backend_pid()", "pg_client_encoding()",
    "getdatabaseencoding()", "getpgusername()", "pg_is_in_recovery()", "pg_advisory_unlock_all()",
    "inet_server_port()", "inet_client_port()", "inet_server_addr()", "inet_client_addr()",
)  # fmt: skip


def test_every_answer_has_the_type_of_the_real_one(postgres_server: Server) -> None:
    with postgres_server.connect() as connection:
        for call in IDENTITIES:
            query = tree.select()
            query.target_list.append(tree.target(answer(call.split("(")[0], FACTS)))
            ours = connection.execute(tree.print_tree(query).encode()).description
            theirs = connection.execute(f"SELECT {call}".encode()).description
            assert ours is not None
            assert theirs is not None
            assert ours[0].type_code == theirs[0].type_code, call
