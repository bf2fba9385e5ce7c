"""A real Postgres on which the SQL of masks and decisions is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest

from policies.claims import ClaimType, ClaimValue, to_text
from tests.servers.postgres import Server

Row = tuple[object, ...]
Execute = Callable[..., list[Row]]


def bind_claims(
    sql: str, values: Mapping[str, tuple[ClaimValue, ClaimType]]
) -> tuple[str, list[str | None]]:
    """Replace each `claim('x')` by a typed parameter, as the guard does."""
    parameters: list[str | None] = []
    for name, (value, type_) in values.items():
        call = f"claim('{name}')"
        if call in sql:
            parameters.append(to_text(value, type_))
            sql = sql.replace(call, f"CAST(${len(parameters)} AS {type_.name})")
    assert "claim(" not in sql, f"a claim has no value: {sql}"
    return sql, parameters


@pytest.fixture(scope="session")
def connection(postgres_server: Server) -> Iterator[psycopg.Connection[Row]]:
    with (
        postgres_server.database("policies") as dsn,
        psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as connection,
    ):
        connection.execute("SET search_path TO pg_catalog")
        yield connection


@pytest.fixture
def execute(connection: psycopg.Connection[Row]) -> Execute:
    """Run SQL whose claims are given as name -> (value, type); rows as tuples."""

    def run(
        sql: str, claims: Mapping[str, tuple[ClaimValue, ClaimType]] | None = None
    ) -> list[Row]:
        text, parameters = bind_claims(sql, claims or {})
        cursor = connection.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []

    return run
