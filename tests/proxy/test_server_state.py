"""The server and its state database: embedded beside it, broken, away; and many workers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import psycopg
import pytest

from proxy import server
from proxy.runtime.config_model import State
from proxy.runtime.state import register
from proxy.runtime.state.cluster import reached, running
from proxy.runtime.state.database import prepare
from proxy.runtime.state.history import history
from proxy.runtime.state.login import Kind
from proxy.runtime.state.place import StateError, StatePlace
from proxy.server import opened
from proxy.upkeep import StartRefused
from tests.live.gate import Gate, prepared
from tests.servers import postgres

LISTEN = {"port": 0, "workers": 2, "drain_seconds_max": 1}
CLAIMS = {"sub": "alice", "roles": ["analyst"], "regions": ["emea"]}


async def record(_: str, __: register.Listed) -> None:
    """Recording is tested with the commands."""


async def create(connection: asyncpg.Connection, name: str) -> str:
    wanted = register.NewLogin(Kind.TOKEN, name, dict(CLAIMS), timedelta(days=1), "", "operator")
    _, text = await register.create(connection, wanted, record)
    return text.reveal()


async def connect(gate: Gate, user: str, text: str) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(gate.dsn(user, token=text), autocommit=True)


async def test_embedded_with_two_workers_and_a_command_beside_them() -> None:
    async with prepared(listen=LISTEN, state={"directory": "state"}) as files:
        state = State(directory=files.directory / "state")
        async with opened(files.configuration) as found:
            gate = files.gate(found.port)
            async with reached(state) as place:
                admin = await place.connect()
                text = await create(admin, "bi")
                sessions = [await connect(gate, "token.bi", text) for _ in range(8)]
                assert {one.info.backend_pid >> 24 for one in sessions} == {0, 1}
                await register.revoke(admin, Kind.TOKEN, "bi", by="x", record=record)
                async with asyncio.timeout(10):
                    for one in sessions:
                        await until_over(one)
                with pytest.raises(psycopg.OperationalError, match="authentication failed"):
                    await connect(gate, "token.bi", text)
                # Both workers loaded the policy; that is one piece of news.
                (load,) = await history(admin, 10)
                assert load.is_accepted
                assert [Path(file.path).name for file in load.files] == ["policy.yaml"]
                await admin.close()
        # It is still there after a restart, and stopped with its owner.
        async with running(state) as place:
            admin = await place.connect()
            assert [one.state for one in await register.listed(admin, Kind.TOKEN)] == ["revoked"]
            await admin.close()


async def until_over(connection: psycopg.AsyncConnection) -> None:
    """Wait until the gate has ended an idle connection."""
    while True:
        try:
            await connection.execute("SELECT 1")
        except psycopg.OperationalError:
            await connection.close()
            return
        await asyncio.sleep(0.05)


async def test_a_broken_migration_refuses_to_start(tmp_path: Path) -> None:
    async with running(State(directory=tmp_path / "state")) as place:
        await prepare(place)
        admin = await place.connect()
        await admin.execute("UPDATE sallyport.migration SET digest = 'another'")
        await admin.close()
    settings = {"directory": str(tmp_path / "state")}
    async with prepared(listen=LISTEN, state=settings) as files:
        with pytest.raises(StartRefused, match="changed after it had run"):
            async with opened(files.configuration):
                pass


async def test_one_that_is_away_at_the_start_is_prepared_when_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PREPARE_SECONDS", 0.3)
    (tmp_path / "password").write_text(postgres.PASSWORD)
    with postgres.running(16) as database:
        dsn = f"postgresql://{database.user}@127.0.0.1:{database.port}/postgres?sslmode=disable"
        settings = {"dsn": dsn, "password": {"file": str(tmp_path / "password")}}
        database.stop()
        async with (
            prepared(listen={**LISTEN, "workers": 1}, state=settings) as files,
            opened(files.configuration) as found,
        ):
            gate = files.gate(found.port)
            with pytest.raises(psycopg.OperationalError, match="cannot be checked now"):
                await connect(gate, "token.bi", "x")
            by_jwt = await connect(gate, "alice", gate.token())
            await by_jwt.close()
            database.start()
            async with asyncio.timeout(30):
                text = await first_token(State(dsn=dsn), tmp_path)
                while True:
                    try:
                        by_token = await connect(gate, "token.bi", text)
                        break
                    except psycopg.OperationalError:
                        await asyncio.sleep(0.2)
            await by_token.close()


async def first_token(state: State, folder: Path) -> str:
    """A token, as soon as the server has made the tables."""
    assert state.dsn is not None
    place = StatePlace(state.dsn, str(folder / "password"))
    admin = await place.connect()
    while True:
        try:
            text = await create(admin, "bi")
        except (asyncpg.PostgresError, StateError):
            await asyncio.sleep(0.2)
            continue
        await admin.close()
        return text
