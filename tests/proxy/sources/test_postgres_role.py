"""The start-up check sees what the role may do, directly and through membership."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from proxy.sources import postgres_command, postgres_pins
from proxy.sources.postgres_command import Command
from proxy.sources.postgres_options import PostgresOptions
from proxy.sources.postgres_role import RoleReport, inspect_role, reasons_not_read_only
from tests.proxy.sources.live import borrowed, options_of, started
from tests.servers.postgres import Server

SET_UP = """
CREATE TABLE own_table (a int);
CREATE TABLE read_table (a int, b int);
CREATE TABLE write_table (a int);
CREATE TABLE column_table (a int, b int);
CREATE TABLE closed_table (a int);
CREATE VIEW read_view AS SELECT 1 AS a;
CREATE ROLE plain LOGIN PASSWORD 'secret';
CREATE ROLE bypasser LOGIN PASSWORD 'secret' BYPASSRLS;
CREATE ROLE chief LOGIN PASSWORD 'secret' SUPERUSER;
CREATE ROLE climber LOGIN PASSWORD 'secret' NOINHERIT IN ROLE chief;
CREATE ROLE landlord;
CREATE ROLE tenant LOGIN PASSWORD 'secret' IN ROLE landlord;
CREATE ROLE observer LOGIN PASSWORD 'secret' CREATEROLE CREATEDB IN ROLE pg_monitor;
ALTER TABLE own_table OWNER TO landlord;
GRANT SELECT ON read_table, write_table, read_view TO PUBLIC;
GRANT UPDATE ON write_table TO plain;
GRANT SELECT (a), INSERT (b) ON column_table TO plain;
"""
RELATIONS = tuple(
    ("public", name)
    for name in (
        "absent",
        "closed_table",
        "column_table",
        "own_table",
        "read_table",
        "read_view",
        "write_table",
    )
)


@pytest.fixture(scope="module")
def company(postgres_server: Server) -> Iterator[str]:
    roles = "plain, bypasser, climber, tenant, observer, chief, landlord"
    with postgres_server.database("roles"):
        import psycopg

        with psycopg.connect(postgres_server.dsn_of("roles"), autocommit=True) as connection:
            connection.execute(SET_UP)
        yield "roles"
    with postgres_server.connect() as connection:
        connection.execute(f"DROP ROLE {roles}")


async def report_of(server: Server, database: str, user: str) -> RoleReport:
    options = options_of(server, database=database, user=user)
    async with started(options) as source, borrowed(source) as connection:
        return await inspect_role(connection, RELATIONS)


async def test_a_plain_reader_may_start(postgres_server: Server, company: str) -> None:
    report = await report_of(postgres_server, company, "plain")
    assert report.role == "plain"
    assert report.server_version // 10_000 == postgres_server.major
    assert report.missing == (("public", "absent"),)
    assert report.unreadable == (("public", "closed_table"), ("public", "own_table"))
    assert report.writable == (("public", "column_table"), ("public", "write_table"))
    assert report.owned == ()
    assert report.reasons_to_refuse() == ()


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("bypasser", "role bypasser has BYPASSRLS"),
        ("chief", "role chief is a superuser"),
        ("climber", "role climber is a member of a superuser or BYPASSRLS role"),
        ("tenant", "role tenant owns public.own_table"),
    ],
)
async def test_who_may_not(postgres_server: Server, company: str, user: str, reason: str) -> None:
    report = await report_of(postgres_server, company, user)
    assert reason in report.reasons_to_refuse()


async def test_other_powers_are_reported(postgres_server: Server, company: str) -> None:
    report = await report_of(postgres_server, company, "observer")
    assert report.can_create_roles
    assert report.can_create_databases
    assert not report.can_replicate
    assert "pg_monitor" in report.predefined_roles
    assert report.reasons_to_refuse() == ()


async def test_an_old_server_is_a_reason(postgres_server: Server, company: str) -> None:
    report = await report_of(postgres_server, company, "plain")
    old = replace(report, server_version=130_022)
    assert not old.is_supported_version
    assert old.reasons_to_refuse() == ("the server is older than PostgreSQL 14",)


async def test_the_gates_sessions_cannot_write(postgres_major_server: Server) -> None:
    async with started(options_of(postgres_major_server)) as source:
        for _ in range(2):
            async with borrowed(source) as connection:
                assert await reasons_not_read_only(connection) == ()
                assert connection.status == b"I"


async def test_a_server_that_ignores_the_start_up_parameter_is_found_out(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    born = postgres_pins.born_settings

    def writing(options: PostgresOptions) -> dict[str, str | None]:
        return born(options) | {"default_transaction_read_only": "off"}

    monkeypatch.setattr(postgres_pins, "born_settings", writing)
    monkeypatch.setattr(postgres_pins, "_CONSTANT", {})
    async with started(options_of(postgres_server)) as source, borrowed(source) as connection:
        assert await reasons_not_read_only(connection) == (
            "the session is not read-only at the server",
        )


async def test_a_transaction_that_could_write_is_found_out(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        postgres_command, "begin", lambda *_: Command("BEGIN READ WRITE", ("BEGIN",))
    )
    async with started(options_of(postgres_server)) as source:
        async with borrowed(source) as connection:
            assert await reasons_not_read_only(connection) == (
                "a transaction of the gate is not read-only at the server",
            )
        async with borrowed(source) as connection:
            found = await connection.backend.query(
                "SELECT pg_catalog.to_regclass('pg_temp.sallyport_write_probe')", (), ()
            )
            assert found == [(None,)]
