"""305 probes of Postgres' semantics, asked over a row that DuckDB reads from a file.

Each probe stands beside a file's table, so that the statement is one over files; what it computes
must be computed as PostgreSQL 16 does, or be refused.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest_asyncio

from tests.proxy.federation.answers import Connection, answer
from tests.proxy.federation.files_stage import FilesStage, files_staged
from tests.servers.postgres import Server

PROBES = [
    re.sub(r"^/\*.*?\*/\s*", "", line).rstrip(";")
    for line in Path(__file__).with_name("probes.sql").read_text().splitlines()
    if line and not line.startswith("--")
]
EQUAL_MIN = 270
ANSWERED_MIN = 285


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(postgres_of: Callable[[int], Server]) -> AsyncIterator[FilesStage]:
    async with files_staged(postgres_of(16)) as found:
        yield found


async def asked(connection: Connection, sql: str) -> object:
    """The answer, or the class of the SQLSTATE that it ends with."""
    try:
        return await answer(connection, sql)
    except psycopg.Error as error:
        return error.sqlstate


async def test_no_probe_is_answered_otherwise(stage: FilesStage) -> None:
    options = "-c TimeZone=UTC"
    equal, alike_failed, refused, different = 0, [], [], []
    async with (
        await psycopg.AsyncConnection.connect(stage.dsn(), autocommit=True) as gate,
        await psycopg.AsyncConnection.connect(
            stage.reference, autocommit=True, options=options
        ) as reference,
    ):
        for probe in PROBES:
            sql = f"SELECT probe.* FROM (SELECT 1 FROM web.events WHERE id = 0) f, ({probe}) probe"
            found, wanted = await asked(gate, sql), await asked(reference, sql)
            if found == wanted and isinstance(found, str):
                alike_failed.append((probe, found))
            elif found == wanted:
                equal += 1
            elif isinstance(found, str) and found[:2] in ("0A", "42"):
                refused.append(probe)
            else:
                different.append((probe, found, wanted))
    assert different == []
    # Those that PostgreSQL refuses must raise, and in its own words.
    assert equal + len(alike_failed) >= EQUAL_MIN, refused
    assert equal >= ANSWERED_MIN, alike_failed
    assert len(PROBES) == equal + len(alike_failed) + len(refused) == 305
