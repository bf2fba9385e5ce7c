"""A claim from a table of a real source decides rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors
from structlog.testing import capture_logs

from policies.load import load
from tests.live.gate import DATABASE, POLICY, Gate, serving

LOOKUP = """{type: "text[]", lookup: {source: main, parameters: [subject],
    sql: "SELECT region FROM staff.regions WHERE login = $1"}}"""

STAFF = """
CREATE SCHEMA staff;
CREATE TABLE staff.regions (login text, region varchar(10));
INSERT INTO staff.regions VALUES ('alice', 'emea'), ('alice', 'apac'), ('carol', 'amer');
GRANT USAGE ON SCHEMA staff TO gate;
GRANT SELECT ON staff.regions TO gate;
"""

REGIONS = "SELECT DISTINCT region FROM shop.orders ORDER BY region"


def with_claim(directory: Path, claim: str) -> Path:
    path = directory / "policy-lookup.yaml"
    path.write_text(POLICY.replace('{type: "text[]", pointer: /regions}', claim))
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gate() -> AsyncIterator[Gate]:
    async with serving() as found:
        admin = await found.source.connect(DATABASE)
        await admin.execute(STAFF)
        await admin.close()
        await use(found, LOOKUP)
        yield found


async def use(gate: Gate, claim: str) -> None:
    gate.policy[0], _ = load([with_claim(gate.directory, claim)])
    await gate.worker.upkeep.reload_policy()


async def regions(gate: Gate, name: str) -> list[str]:
    token = gate.changed_token({"sub": name, "regions": ["emea", "amer", "apac"]})
    async with await psycopg.AsyncConnection.connect(gate.dsn("u", token=token)) as connection:
        found = await connection.execute(REGIONS)
        return [region for (region,) in await found.fetchall()]


async def test_a_claim_from_a_table_decides_rows(gate: Gate) -> None:
    await use(gate, LOOKUP)
    assert await regions(gate, "alice") == ["apac", "emea"]
    assert await regions(gate, "carol") == ["amer"]


async def test_who_has_no_row_there_is_denied(gate: Gate) -> None:
    await use(gate, LOOKUP)
    with pytest.raises(errors.InsufficientPrivilege):
        await regions(gate, "dave")
    # What reads like SQL is a value.
    with pytest.raises(errors.InsufficientPrivilege):
        await regions(gate, "x' OR 'a' = 'a")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT no_such FROM staff.regions WHERE login = $1", "SQLSTATE 42703"),
        ("SELECT login, region FROM staff.regions WHERE login = $1", "not of the declared type"),
        ("SELECT pg_sleep(60)::text WHERE $1 <> ''", "timeout"),
        ("DELETE FROM staff.regions WHERE login = $1", "SQLSTATE 0A000"),
        (
            "WITH d AS (DELETE FROM staff.regions RETURNING region) SELECT * FROM d WHERE $1 <> ''",
            "SQLSTATE 0A000",
        ),
        ("SELECT 'a' || i FROM generate_series(1, 20000) i WHERE $1 <> ''", "SQLSTATE 54000"),
    ],
)
async def test_a_lookup_that_fails_denies_and_is_told_to_the_operator(
    gate: Gate, sql: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await use(gate, LOOKUP.replace("SELECT region FROM staff.regions WHERE login = $1", sql))
    with capture_logs() as logs, pytest.raises(errors.InsufficientPrivilege):
        await regions(gate, "alice")
    (line,) = (one for one in logs if one["event"] == "claim not looked up")
    assert reason in line["reason"]
    assert "alice" not in str(line)
