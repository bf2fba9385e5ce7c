"""What tests of the express lane share: statements, and proof that they fly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.wire import backend, frontend
from proxy.wire.frontend import FrontendMessage
from tests.live.gate import DATABASE, Gate
from tests.live.wire import RawClient, told

STARTUP = {"user": "alice", "database": DATABASE}
NOTE = "SELECT id, note, placed FROM shop.orders WHERE id = $1"
NUMBERS = "SELECT id, placed FROM shop.orders WHERE id = $1"
"""Without a text, which may stand in for another type: see `proxy/recode.py`."""

COUNT = "SELECT count(*) FROM generate_series(1, $1::int8) g"
LONG = b"20000000000"
SYNC = frontend.Sync()
BUSY = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE usename = 'gate' AND locktype = 'virtualxid'"
)
"""How many statements of the gate run at its source; an embedded Postgres tells no states."""


@dataclass
class Flights:
    """How many statements flew to their end, and how many were landed."""

    whole: int = 0
    landed: int = 0


def execute(
    name: str, *values: bytes, formats: tuple[int, ...] = (), is_described: bool = True
) -> bytes:
    """Bind, perhaps Describe, Execute and Sync in one piece, as drivers send them."""
    messages: list[FrontendMessage] = [frontend.Bind("", name, (), values, formats)]
    if is_described:
        messages.append(frontend.Describe(frontend.PORTAL, ""))
    return joined([*messages, frontend.Execute(), SYNC])


def joined(messages: Sequence[FrontendMessage]) -> bytes:
    return b"".join(message.encode() for message in messages)


async def prepared(client: RawClient, sql: str, *values: bytes) -> None:
    """Prepare `sql` as `s` and run it once."""
    await client.converse([frontend.Parse("s", sql), SYNC])
    await client.converse([execute("s", *values)])


async def flying(client: RawClient, flights: Flights, sql: str, *values: bytes) -> None:
    """The same, and prove that it flies from then on."""
    await prepared(client, sql, *values)
    await airborne(client, flights, *values)


async def airborne(client: RawClient, flights: Flights, *values: bytes) -> None:
    """Run `s` until it flies again: another connection may have to learn it first."""
    before = flights.whole
    for _ in range(20):
        answer = told(await client.converse([execute("s", *values)]))
        assert answer[-1] == "ReadyForQuery(status=b'I')"
        if flights.whole > before:
            return
    raise AssertionError("it flies no more")


def key_of(client: RawClient) -> backend.BackendKeyData:
    (key,) = (one for one in client.greeting if isinstance(one, backend.BackendKeyData))
    return key


async def arrived(gate: Gate) -> None:
    """Wait until the source counts for the gate."""
    admin = await gate.source.connect()
    for _ in range(500):
        if await admin.fetchval(BUSY):
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("nothing arrived")
    await admin.close()
