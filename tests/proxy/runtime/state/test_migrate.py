"""Forward-only migrations against a real Postgres: all or nothing, once, in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from proxy.runtime.state import migrate
from proxy.runtime.state.migrate import Migration, read
from proxy.runtime.state.place import StateError, StatePlace
from tests.proxy.runtime.state.conftest import connected

FIRST = Migration(1, "first", "CREATE TABLE sallyport.one (id int)")
SECOND = Migration(
    2, "second", "CREATE TABLE sallyport.two (id int); INSERT INTO sallyport.two VALUES (1)"
)
BROKEN = Migration(3, "broken", "CREATE TABLE sallyport.three (id int); SELECT no_such_column")


async def tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace('sallyport')"
    )
    return {row["relname"] for row in rows}


async def test_what_is_missing_is_applied_once(empty_place: StatePlace) -> None:
    async with connected(empty_place) as connection:
        assert await migrate.migrate(connection, [FIRST]) == [1]
        assert await migrate.migrate(connection, [FIRST, SECOND]) == [2]
        assert await migrate.migrate(connection, [FIRST, SECOND]) == []
        assert await connection.fetchval("SELECT count(*) FROM sallyport.two") == 1


async def test_a_broken_one_changes_nothing(empty_place: StatePlace) -> None:
    async with connected(empty_place) as connection:
        with pytest.raises(StateError, match="0003_broken failed, nothing was changed"):
            await migrate.migrate(connection, [FIRST, SECOND, BROKEN])
        assert await tables(connection) == set()
        # Nor when it comes later.
        await migrate.migrate(connection, [FIRST])
        with pytest.raises(StateError):
            await migrate.migrate(connection, [FIRST, SECOND, BROKEN])
        assert await tables(connection) == {"migration", "one"}


async def test_two_processes_that_start_at_once(empty_place: StatePlace) -> None:
    slow = Migration(1, "slow", "SELECT pg_sleep(0.3); " + FIRST.text)

    async def start() -> list[int]:
        async with connected(empty_place) as connection:
            return await migrate.migrate(connection, [slow, SECOND])

    applied = await asyncio.gather(*(start() for _ in range(4)))

    assert sorted(applied) == [[], [], [], [1, 2]]


async def test_a_changed_migration_is_refused(empty_place: StatePlace) -> None:
    async with connected(empty_place) as connection:
        await migrate.migrate(connection, [FIRST])
        changed = Migration(1, "first", FIRST.text + " -- other")
        with pytest.raises(StateError, match="changed after it had run"):
            await migrate.migrate(connection, [changed, SECOND])
        assert await tables(connection) == {"migration", "one"}


async def test_a_newer_database_is_refused(empty_place: StatePlace) -> None:
    async with connected(empty_place) as connection:
        await migrate.migrate(connection, [FIRST, SECOND])
        with pytest.raises(StateError, match="newer than this program"):
            await migrate.migrate(connection, [FIRST])


@pytest.mark.parametrize("names", [["0002_late.sql"], ["1_x.sql"], ["0001_a.sql", "0003_b.sql"]])
def test_names_without_gaps(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(StateError, match="the next one is"):
        read(tmp_path)


def test_our_own_are_in_order() -> None:
    assert [step.number for step in read()] == list(range(1, len(read()) + 1))
    assert read()
