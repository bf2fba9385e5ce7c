"""The listener over stand-ins: who is turned away, what crashes cost, how it drains."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from policies.identity import Identity
from proxy.cancel import CancelDesk
from proxy.faults import ConnectionFault, Fault
from proxy.gate import Gate
from proxy.handshake import Reception
from proxy.limits import SessionLimits
from proxy.listener import Listener
from proxy.proof import Judges
from proxy.runtime.identity import REFUSED
from proxy.session import Session
from proxy.wire.frontend import CancelRequest, Query
from tests.live.wire import RawClient, told
from tests.proxy.doubles import AllowingDecider, Recorder, Source

_clients: list[RawClient] = []
STARTUP = {"user": "x", "database": "shop"}


class Doorkeeper:
    """Accepts one token, dies of another."""

    async def identify(self, token: str, *, is_local: bool) -> Identity:
        if token == "bug":
            raise RuntimeError("a mistake of ours, with details")
        if token != "good":
            raise ConnectionFault(REFUSED, sqlstate="28P01")
        return Identity.create(
            subject="alice", issuer="i", roles=frozenset(), claims={}, expires_at=1e12
        )


@dataclass
class Book(Recorder):
    """The recorder's part that the listener uses."""

    entries: list[str] = field(default_factory=list)

    async def opened(
        self, session: Session, *, is_encrypted: bool, credential: object = None
    ) -> None:
        self.entries.append("opened")

    async def closed(self, session: Session, reason: str, statements: int) -> None:
        self.entries.append(f"closed {reason}")

    async def turned_away(self, peer: str, fault: Fault, reason: str) -> None:
        self.entries.append(f"turned away {fault.sqlstate}")


@asynccontextmanager
async def listening(directory: Path, **limits: float) -> AsyncIterator[tuple[int, Book]]:
    book = Book()
    reception = Reception(
        judges=Judges(Doorkeeper()),
        recorder=book,  # type: ignore[arg-type]
        desk=CancelDesk(0, directory, lambda: 0.0),
        limits=SessionLimits(drain_seconds_max=1, **limits),  # type: ignore[arg-type]
        facts={"server_version": "16.10"},
    )
    listener = Listener(
        Gate(AllowingDecider(), book),  # type: ignore[arg-type]
        reception,
        {"main": Source()},  # type: ignore[dict-item]
        database="shop",
        tls_context=None,
    )
    port = await listener.open("127.0.0.1", 0)
    try:
        yield port, book
    finally:
        await listener.close()
        await asyncio.sleep(0.05)
        while _clients:
            _clients.pop().close()
        await asyncio.sleep(0)


async def opened(port: int, token: str = "good", **parameters: str) -> RawClient:
    client = await RawClient.open(("127.0.0.1", port), {**STARTUP, **parameters}, token)
    _clients.append(client)
    return client


async def test_a_session_from_hello_to_good_bye(tmp_path: Path) -> None:
    async with listening(tmp_path) as (port, book):
        client = await opened(port)
        assert told(await client.converse([Query("SELECT n FROM t")]))[-2] == (
            "CommandComplete(tag='SELECT 3')"
        )
        client.write(b"X\0\0\0\4")
        assert await client.reader.read() == b""
        await asyncio.sleep(0.05)

    assert book.entries == ["opened", "closed client"]


@pytest.mark.parametrize(
    ("token", "database", "entry"),
    [("bad", "shop", "turned away 28P01"), ("good", "other", "turned away 3D000")],
)
async def test_who_is_turned_away_is_on_record(
    tmp_path: Path, token: str, database: str, entry: str
) -> None:
    async with listening(tmp_path) as (port, book):
        client = await opened(port, token, database=database)
        assert told(client.greeting)[-1].startswith("ErrorResponse FATAL")

    assert book.entries == [entry]


async def test_a_mistake_of_ours_costs_one_session_and_tells_nothing(tmp_path: Path) -> None:
    async with listening(tmp_path) as (port, _):
        client = await opened(port, "bug")
        assert told(client.greeting)[-1] == "ErrorResponse FATAL XX000 internal error "
        assert (await opened(port)).greeting


async def test_too_many_clients(tmp_path: Path) -> None:
    async with listening(tmp_path, connections_max=1) as (port, book):
        first = await opened(port)
        second = await opened(port)
        assert "53300" in told(second.greeting)[-1]
        first.close()
    assert "turned away 53300" in book.entries


async def test_strangers_have_little_time(tmp_path: Path) -> None:
    async with listening(tmp_path, authentication_seconds_max=0.1) as (port, book):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert b"57014" in await reader.read()
        writer.close()
    assert book.entries == ["turned away 57014"]


async def test_a_cancel_request_is_no_session(tmp_path: Path) -> None:
    async with listening(tmp_path) as (port, book):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CancelRequest(1, b"1234").encode())
        assert await reader.read() == b""
        writer.close()
    assert book.entries == []


async def test_drain_tells_idle_clients_and_lets_nobody_in(tmp_path: Path) -> None:
    async with listening(tmp_path) as (port, book):
        client = await opened(port)
        ending = asyncio.ensure_future(client.converse([]))
    assert "57P01" in told(await ending)[-1]
    assert book.entries == ["opened", "closed drain"]
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(("127.0.0.1", port))
