"""The watch on a real state database: what ends which session, and when nobody can tell."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from proxy.runtime.state import register
from proxy.runtime.state.admission import Credential
from proxy.runtime.state.database import StateDatabase, opened, prepare
from proxy.runtime.state.login import Kind
from proxy.runtime.state.place import StatePlace
from proxy.runtime.state.revocation import REVOKED, SILENT, RevocationWatch, Watched
from proxy.runtime.tasks import spawn
from tests.proxy.runtime.state.conftest import Recorded, new_login
from tests.servers import postgres

HERE = ipaddress.ip_address("10.1.2.3")


class Session:
    """A live session that notes how it ended."""

    def __init__(self, name: str, secret_id: str) -> None:
        self.reasons: list[str] = []
        self.ended = asyncio.Event()
        self.watched = Watched(Credential(f"token.{name}", secret_id), HERE, self.end)

    def end(self, reason: str) -> None:
        self.reasons.append(reason)
        self.ended.set()


@asynccontextmanager
async def watching(database: StateDatabase, silence: float = 60) -> AsyncIterator[RevocationWatch]:
    watch = RevocationWatch(database, silence_seconds_max=silence)
    task = spawn(watch.run(), name="watch")
    try:
        yield watch
    finally:
        task.cancel()


async def login(connection: asyncpg.Connection, recorded: Recorded, name: str) -> Session:
    listed, _ = await register.create(connection, new_login(name), recorded)
    return Session(name, listed.secrets[0])


async def test_the_revoked_one_ends_and_no_other(
    connection: asyncpg.Connection,
    state: StateDatabase,
    recorded: Recorded,
) -> None:
    async with watching(state) as watch, asyncio.timeout(10):
        first = await login(connection, recorded, "first")
        second = await login(connection, recorded, "second")
        for session in (first, second):
            watch.enter(session.watched)
        await asyncio.sleep(0.2)
        await register.revoke(connection, Kind.TOKEN, "first", by="x", record=recorded)
        await first.ended.wait()
        assert (first.reasons, second.reasons) == ([REVOKED], [])
        assert len(watch) == 1
        watch.leave(second.watched)
        await register.revoke(connection, Kind.TOKEN, "second", by="x", record=recorded)
        await asyncio.sleep(0.2)
        assert second.reasons == []


async def test_one_that_was_revoked_while_it_logged_in(
    connection: asyncpg.Connection,
    state: StateDatabase,
    recorded: Recorded,
) -> None:
    session = await login(connection, recorded, "late")
    await register.revoke(connection, Kind.TOKEN, "late", by="x", record=recorded)
    async with watching(state) as watch, asyncio.timeout(10):
        watch.enter(session.watched)
        await session.ended.wait()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sallyport.login SET networks = '{192.0.2.0/24}'",
        "UPDATE sallyport.login SET expires_at = now()",
        "UPDATE sallyport.secret SET revoked_at = now()",
        "DELETE FROM sallyport.secret",
    ],
)
async def test_changes_by_hand_are_seen(
    connection: asyncpg.Connection,
    state: StateDatabase,
    recorded: Recorded,
    change: str,
) -> None:
    async with watching(state) as watch, asyncio.timeout(10):
        session = await login(connection, recorded, "one")
        watch.enter(session.watched)
        await asyncio.sleep(0.2)
        await connection.execute(change)
        await session.ended.wait()
        assert session.reasons == [REVOKED]


async def test_a_lost_notification_is_made_up_for(
    connection: asyncpg.Connection,
    state: StateDatabase,
    recorded: Recorded,
) -> None:
    async with watching(state, silence=3) as watch, asyncio.timeout(20):
        session = await login(connection, recorded, "quiet")
        watch.enter(session.watched)
        await asyncio.sleep(0.2)
        await connection.execute(
            "ALTER TABLE sallyport.login DISABLE TRIGGER tell_login;"
            " UPDATE sallyport.login SET revoked_at = now()"
        )
        await session.ended.wait()
        assert session.reasons == [REVOKED]


async def test_a_lost_connection_is_made_anew(
    connection: asyncpg.Connection,
    state: StateDatabase,
    recorded: Recorded,
) -> None:
    async with watching(state) as watch, asyncio.timeout(20):
        session = await login(connection, recorded, "cut")
        watch.enter(session.watched)
        await asyncio.sleep(0.2)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await register.revoke(connection, Kind.TOKEN, "cut", by="x", record=recorded)
        await session.ended.wait()
        assert session.reasons == [REVOKED]


async def test_silence_ends_all(tmp_path: Path, recorded: Recorded) -> None:
    (tmp_path / "password").write_text(postgres.PASSWORD)
    with postgres.running(16) as server:
        dsn = f"postgresql://{server.user}@{server.host}:{server.port}/postgres?sslmode=disable"
        found = StatePlace(dsn, str(tmp_path / "password"))
        await prepare(found)
        admin = await found.connect()
        async with opened(found) as database, watching(database, silence=2) as watch:
            session = await login(admin, recorded, "one")
            watch.enter(session.watched)
            await asyncio.sleep(0.3)
            server.stop()
            async with asyncio.timeout(20):
                await session.ended.wait()
            assert session.reasons == [SILENT]
