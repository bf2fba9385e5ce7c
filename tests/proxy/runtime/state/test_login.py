"""Reading logins and judging them."""

from __future__ import annotations

import asyncio
import ipaddress

import asyncpg
import pytest

from proxy.runtime.state import login, register
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.login import Kind, address_of, is_within, networks
from tests.proxy.runtime.state.conftest import Recorded, new_login

HERE = ipaddress.ip_address("10.1.2.3")
THERE = ipaddress.ip_address("192.0.2.1")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.1.2.3:5432", "10.1.2.3"),
        ("::1:5432", "::1"),
        ("::ffff:10.1.2.3:77", "10.1.2.3"),
        ("fe80::1%eth0:77", "fe80::1"),
        ("unix", None),
    ],
)
def test_the_address_of_a_peer(peer: str, address: str | None) -> None:
    found = address_of(peer)
    assert (None if found is None else str(found)) == address


@pytest.mark.parametrize(
    ("listed", "address", "is_inside"),
    [
        (None, "192.0.2.1", True),
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "192.0.2.1", False),
        (["2001:db8::/32", "192.0.2.0/24"], "192.0.2.1", True),
        (["0.0.0.0/0"], "::1", False),
    ],
)
def test_networks(listed: list[str] | None, address: str, is_inside: bool) -> None:
    assert is_within(ipaddress.ip_address(address), networks(listed)) is is_inside


def test_a_unix_socket_lies_in_no_network() -> None:
    assert not is_within(None, networks(["0.0.0.0/0", "::/0"]))
    assert is_within(None, None)


async def test_found_by_name_and_by_secret(
    connection: asyncpg.Connection, state: StateDatabase, recorded: Recorded
) -> None:
    listed, text = await register.create(
        connection, new_login(networks=(ipaddress.ip_network("10.0.0.0/8"),)), recorded
    )
    by_name = await login.find_by_name(state, Kind.TOKEN, "tableau")
    by_secret = await login.find_by_secret(state, listed.secrets[0])

    assert by_name == by_secret
    assert by_name is not None
    assert await login.find_by_name(state, Kind.SERVICE, "tableau") is None
    assert await login.find_by_secret(state, "nonsense") is None
    assert text.reveal().rpartition("_")[2] not in repr(by_name)
    now = by_name.expires_at - 1
    assert by_name.refusal(now, HERE) is None
    assert by_name.refusal(now, THERE) == "its networks do not include this address"
    assert by_name.refusal(now + 1, HERE) == "it has expired"
    assert len(by_name.usable_secrets(now)) == 1
    assert by_name.usable_secrets(now + 2) == ()
    await register.revoke(connection, Kind.TOKEN, "tableau", by="x", record=recorded)
    ended = await login.find_by_name(state, Kind.TOKEN, "tableau")
    assert ended is not None
    assert ended.refusal(now, HERE) == "it is revoked"


async def test_still_good(
    connection: asyncpg.Connection, state: StateDatabase, recorded: Recorded
) -> None:
    made = {}
    for name in ("stays", "revoked", "expires"):
        listed, _ = await register.create(connection, new_login(name), recorded)
        made[name] = listed.secrets[0]
    await register.revoke(connection, Kind.TOKEN, "revoked", by="x", record=recorded)
    await connection.execute("UPDATE sallyport.login SET expires_at = now() WHERE name = 'expires'")
    assert await login.still_good(state, made.values()) == {made["stays"]: None}
    assert await login.still_good(state, []) == {}


async def test_a_use_is_written_once_a_minute_or_from_elsewhere(
    connection: asyncpg.Connection, state: StateDatabase, recorded: Recorded
) -> None:
    await register.create(connection, new_login(), recorded)
    found = await login.find_by_name(state, Kind.TOKEN, "tableau")
    assert found is not None

    async def version() -> tuple[str, str | None]:
        row = await connection.fetchrow(
            "SELECT xmin::text, host(last_used_from) FROM sallyport.login"
        )
        return tuple(row)

    await login.note_use(state, found, HERE)
    first = await version()
    await login.note_use(state, found, HERE)
    assert await version() == first
    assert first[1] == "10.1.2.3"
    await login.note_use(state, found, THERE)
    assert (await version())[1] == "192.0.2.1"
    await login.note_use(state, found, None)
    assert (await version())[1] is None


async def test_what_ends_a_login_is_told_and_a_use_is_not(
    connection: asyncpg.Connection, state: StateDatabase, recorded: Recorded
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with state.listening(login.CHANNEL, heard.put_nowait):
        await register.create(connection, new_login(), recorded)
        found = await login.find_by_name(state, Kind.TOKEN, "tableau")
        assert found is not None
        await login.note_use(state, found, HERE)
        await register.revoke(connection, Kind.TOKEN, "tableau", by="x", record=recorded)
        async with asyncio.timeout(10):
            assert await heard.get() == str(found.id)
        assert heard.empty()
