"""The pool against a real Postgres that goes away and comes back."""

from __future__ import annotations

import asyncio

import pytest

from proxy.runtime.state.database import StateDatabase, StateUnavailable, opened, prepare
from proxy.runtime.state.login import CHANNEL, mock_key
from proxy.runtime.state.place import StateError, StatePlace
from tests.proxy.runtime.state.conftest import connected
from tests.servers import postgres


async def test_statements_and_the_clock_of_contact(place: StatePlace) -> None:
    now = [100.0]
    async with opened(place, lambda: now[0]) as state:
        now[0] += 5
        assert state.silence_seconds == 5
        assert [tuple(row) for row in await state.fetch("SELECT $1::int + 1", 1)] == [(2,)]
        assert state.silence_seconds == 0


async def test_many_at_once(state: StateDatabase) -> None:
    answers = await asyncio.gather(*(state.fetch("SELECT $1::int", n) for n in range(200)))
    assert [rows[0][0] for rows in answers] == list(range(200))


async def test_a_database_that_is_not_there_is_one_fault() -> None:
    async with opened(StatePlace("postgresql://nobody@127.0.0.1:1/none")) as state:
        with pytest.raises(StateUnavailable) as caught:
            await state.fetch("SELECT 1")
    assert caught.value.sqlstate == "57P03"
    assert "127.0.0.1" not in str(caught.value)


async def test_it_comes_back_by_itself(tmp_path: object) -> None:
    with postgres.running(16) as server:
        place = StatePlace(server.dsn_of(tls=False).replace(f":{server.password}@", "@"))
        place = StatePlace(place.dsn, password_environment="STATE_PASSWORD")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STATE_PASSWORD", server.password)
            async with opened(place) as state:
                await state.fetch("SELECT 1")
                server.stop()
                with pytest.raises(StateUnavailable):
                    await state.fetch("SELECT 1")
                server.start()
                assert (await state.fetch("SELECT 7"))[0][0] == 7


async def test_notifications_are_heard_and_so_is_the_end(
    state: StateDatabase, place: StatePlace
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with (
        state.listening(CHANNEL, heard.put_nowait),
        connected(place) as connection,
        asyncio.timeout(10),
    ):
        await connection.execute("SELECT pg_notify($1, '17')", CHANNEL)
        assert await heard.get() == "17"
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await heard.get() == ""


async def test_what_is_made_once_stays(place: StatePlace, state: StateDatabase) -> None:
    before = await mock_key(state)
    assert await prepare(place) == []
    assert await mock_key(state) == before
    assert len(before) == 32


async def test_a_place_that_cannot_be_prepared() -> None:
    with pytest.raises(StateError, match="cannot be reached"):
        await prepare(StatePlace("postgresql://nobody@127.0.0.1:1/none"))
