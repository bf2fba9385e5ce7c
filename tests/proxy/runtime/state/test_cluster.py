"""The embedded state database: durable, private, one owner, others beside it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from proxy.runtime.config_model import State
from proxy.runtime.state import claims
from proxy.runtime.state.cluster import reached, running
from proxy.runtime.state.database import StateUnavailable, opened, prepare
from proxy.runtime.state.place import StateError


async def test_embedded_it_outlives_its_owner_and_serves_beside_it(tmp_path: Path) -> None:
    state = State(directory=tmp_path / "state")
    async with running(state) as place:
        await prepare(place)
        connection = await place.connect()
        settings = {
            name: await connection.fetchval("SELECT current_setting($1)", name)
            for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses")
        }
        await claims.put(connection, "alice", "tier", "1", by="x")
        await connection.close()
        assert settings == {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "listen_addresses": "",
        }
        # A command comes while it runs; a second owner must not.
        async with reached(state) as beside:
            assert beside == place
        with pytest.raises(StateError, match="another process"):
            async with running(state):
                pass
    # A command comes while nothing runs.
    async with reached(state) as alone:
        connection = await alone.connect()
        assert len(await claims.listed(connection)) == 1
        await connection.close()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


async def test_a_database_of_the_operators_own() -> None:
    async with running(State(dsn="postgresql://a@b/c")) as place:
        assert place.dsn == "postgresql://a@b/c"


async def again(ask: Callable[[], Awaitable[object]]) -> object:
    """Ask until it is answered."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await ask()
            except StateUnavailable:
                await asyncio.sleep(0.1)


async def test_when_it_dies_it_comes_back_with_everything(tmp_path: Path) -> None:
    state = State(directory=tmp_path / "state")
    async with running(state) as place:
        await prepare(place)
        async with opened(place) as database:
            connection = await place.connect()
            await claims.put(connection, "alice", "tier", "1", by="x")
            await connection.close()
            os.kill(
                int((tmp_path / "state/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL
            )
            await asyncio.sleep(0.5)
            assert await again(lambda: claims.fetch(database, "alice", ["tier"])) == {"tier": 1}


async def test_a_successor_takes_it_over(tmp_path: Path) -> None:
    state = State(directory=tmp_path / "state")
    before = running(state)
    place = await before.__aenter__()
    await prepare(place)
    async with running(state, is_successor=True) as after, opened(after) as database:
        assert after == place
        assert await claims.fetch(database, "alice", ["tier"]) == {}
        await before.__aexit__(None, None, None)
        assert await again(lambda: claims.fetch(database, "alice", ["tier"])) == {}
        with pytest.raises(StateError, match="another process"):
            async with running(state):
                pass
