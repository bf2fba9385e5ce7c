"""Creating, rotating, revoking and listing on a real Postgres."""

from __future__ import annotations

import asyncio
import ipaddress
from datetime import timedelta

import asyncpg
import pytest

from proxy.runtime.state import login, register
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.login import Kind
from proxy.runtime.state.place import StatePlace
from proxy.runtime.state.register import LoginError
from tests.proxy.runtime.state.conftest import Recorded, connected, new_login

DAY = timedelta(days=1)


async def test_created_listed_and_found(
    connection: asyncpg.Connection, state: StateDatabase, recorded: Recorded
) -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"),)
    wanted = new_login(networks=networks, sources=("main",), clearance=2)
    listed, text = await register.create(connection, wanted, recorded)

    assert listed.user == "token.tableau"
    assert (listed.state, listed.subject, listed.purpose) == ("active", "alice", "dashboards")
    assert (listed.sources, listed.networks) == (("main",), ("10.0.0.0/8",))
    assert await register.listed(connection, Kind.TOKEN) == [listed]
    assert await register.listed(connection, Kind.SERVICE) == []
    assert await register.listed(connection, Kind.TOKEN, "bob") == []
    assert recorded.told == [("created", "token.tableau")]
    found = await login.find_by_name(state, Kind.TOKEN, "tableau")
    assert found is not None
    assert found.networks == networks
    assert found.secrets[0].id in text.reveal()


async def test_a_change_that_is_not_recorded_did_not_happen(
    connection: asyncpg.Connection, recorded: Recorded
) -> None:
    await register.create(connection, new_login("kept"), recorded)
    recorded.failure = RuntimeError("the audit log is full")
    with pytest.raises(RuntimeError):
        await register.create(connection, new_login("lost"), recorded)
    with pytest.raises(RuntimeError):
        await register.revoke(connection, Kind.TOKEN, "kept", by="x", record=recorded)
    (left,) = await register.listed(connection, Kind.TOKEN)
    assert (left.name, left.state) == ("kept", "active")


async def test_names_are_never_used_twice(
    connection: asyncpg.Connection, recorded: Recorded
) -> None:
    await register.create(connection, new_login(), recorded)
    await register.revoke(connection, Kind.TOKEN, "tableau", by="x", record=recorded)
    with pytest.raises(LoginError, match="never used twice"):
        await register.create(connection, new_login(), recorded)
    # A service may have the name of a token: their user names differ.
    await register.create(connection, new_login(kind=Kind.SERVICE), recorded)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (new_login("Has Blanks"), "cannot be a name"),
        (new_login(""), "cannot be a name"),
        (new_login("x" * 64), "cannot be a name"),
        (new_login("émile"), "cannot be a name"),
        (new_login(sub=""), "belongs to a subject"),
        (new_login(days=0), "lives between"),
        (new_login(days=400), "lives between"),
        (new_login(big="x" * 9000), "larger than"),
    ],
)
async def test_what_is_refused(
    connection: asyncpg.Connection, recorded: Recorded, wanted: register.NewLogin, told: str
) -> None:
    with pytest.raises(LoginError, match=told):
        await register.create(connection, wanted, recorded)
    assert await register.listed(connection, wanted.kind) == []


async def test_never_more_than_two_secrets(
    connection: asyncpg.Connection, recorded: Recorded
) -> None:
    await register.create(connection, new_login(kind=Kind.SERVICE), recorded)
    counts, newest = [], []
    for _ in range(3):
        listed, text = await register.rotate(
            connection, Kind.SERVICE, "tableau", overlap=DAY, lifetime=DAY, record=recorded
        )
        counts.append(len(listed.secrets))
        newest.append(listed.secrets[0] in text.reveal())
    assert counts == [2, 2, 2]
    assert newest == [True, True, True]


async def test_without_overlap_the_old_secret_ends_at_once(
    connection: asyncpg.Connection, recorded: Recorded
) -> None:
    await register.create(connection, new_login(kind=Kind.SERVICE), recorded)
    listed, _ = await register.rotate(
        connection, Kind.SERVICE, "tableau", overlap=timedelta(), lifetime=DAY, record=recorded
    )
    assert len(listed.secrets) == 1


async def test_rotations_at_once_do_not_meet(
    connection: asyncpg.Connection, place: StatePlace, recorded: Recorded
) -> None:
    await register.create(connection, new_login(kind=Kind.SERVICE), recorded)

    async def rotate() -> None:
        async with connected(place) as other:
            await register.rotate(
                other, Kind.SERVICE, "tableau", overlap=DAY, lifetime=DAY, record=recorded
            )

    await asyncio.gather(*(rotate() for _ in range(5)))
    (left,) = await register.listed(connection, Kind.SERVICE)
    assert len(left.secrets) == 2


async def test_revoking_twice_keeps_the_first(
    connection: asyncpg.Connection, recorded: Recorded
) -> None:
    await register.create(connection, new_login(), recorded)
    for by in ("first", "second"):
        ended = await register.revoke(connection, Kind.TOKEN, "tableau", by=by, record=recorded)
        assert ended.state == "revoked"
    assert await connection.fetchval("SELECT revoked_by FROM sallyport.login") == "first"
    with pytest.raises(LoginError, match="is revoked"):
        await register.rotate(
            connection, Kind.TOKEN, "tableau", overlap=DAY, lifetime=DAY, record=recorded
        )


async def test_nobody_of_that_name(connection: asyncpg.Connection, recorded: Recorded) -> None:
    with pytest.raises(LoginError, match='no token "nobody"'):
        await register.revoke(connection, Kind.TOKEN, "nobody", by="x", record=recorded)
