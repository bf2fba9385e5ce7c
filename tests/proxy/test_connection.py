"""The client's socket with a transport that remembers: back-pressure, endings, output."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.connection import ClientConnection, ClientGone, StopRequested, _is_loopback
from proxy.faults import ConnectionFault
from proxy.limits import OUTPUT_CHUNK_BYTES, SessionLimits
from proxy.wire.backend import AuthenticationCleartextPassword, AuthenticationOk
from proxy.wire.errors import ProtocolViolation
from proxy.wire.frontend import PasswordMessage, Query, StartupMessage


class Transport:
    """What the event loop would give."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_reading = True
        self.is_closed = False
        self.high = 0

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("10.1.2.3", 5), "sockname": ("10.1.2.4", 6432)}[name]

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


STARTUP = StartupMessage((3, 0), {"user": "alice"}).encode()


async def made(**limits: int) -> tuple[ClientConnection, Transport]:
    """A connection whose client has just been let in."""
    transport = Transport()
    connection = ClientConnection(SessionLimits(**limits), None, lambda _: None)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(STARTUP)
    await connection.next_event()
    connection.send(AuthenticationCleartextPassword())
    connection.data_received(PasswordMessage("x").encode())
    await connection.next_event()
    connection.send(AuthenticationOk())
    connection.flush()
    transport.written.clear()
    return connection, transport


async def test_messages_wait_for_their_turn() -> None:
    connection, _ = await made()
    connection.data_received(Query("1").encode() + Query("2").encode())

    assert [await connection.next_event() for _ in range(2)] == [Query("1"), Query("2")]


async def test_reading_pauses_when_too_much_lies_unread() -> None:
    connection, transport = await made(inbound_bytes_max=1000)
    for _ in range(12):
        connection.data_received(Query("x" * 100).encode())
    assert not transport.is_reading
    for _ in range(12):
        await connection.next_event()

    assert transport.is_reading


async def test_writing_waits_for_a_slow_reader() -> None:
    connection, transport = await made(outbound_bytes_max=123)
    assert transport.high == 123
    connection.pause_writing()
    draining = asyncio.ensure_future(connection.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    connection.resume_writing()
    await draining


async def test_output_is_gathered() -> None:
    connection, transport = await made()
    connection.write(b"a")
    connection.write(b"")
    connection.write(b"b")
    assert transport.written == []
    connection.flush()
    assert transport.written == [b"ab"]
    connection.write(b"c" * OUTPUT_CHUNK_BYTES)

    assert len(transport.written) == 2


async def test_what_is_still_here_can_be_taken_back() -> None:
    connection, transport = await made()
    connection.write(b"kept")
    mark = connection.mark()
    connection.write(b"lost")
    connection.write(b"lost, too")
    connection.retract(mark)
    connection.write(b" and said")
    connection.flush()
    assert b"".join(transport.written) == b"kept and said"

    mark = connection.mark()
    connection.write(b"gone")
    connection.flush()
    connection.write(b" already")
    connection.retract(mark)
    connection.flush()
    assert b"".join(transport.written).endswith(b"gone already")


async def test_waiting_flushes_and_has_an_end() -> None:
    connection, transport = await made()
    connection.write(b"a")
    with pytest.raises(TimeoutError):
        await connection.next_event(until=asyncio.get_running_loop().time() + 0.01)

    assert transport.written == [b"a"]


async def test_a_lost_client_wakes_everybody() -> None:
    connection, _ = await made()
    lost: list[int] = []
    connection.on_lost = lambda: lost.append(1)
    connection.pause_writing()
    waiting = [
        asyncio.ensure_future(connection.next_event()),
        asyncio.ensure_future(connection.drain()),
    ]
    await asyncio.sleep(0)
    connection.connection_lost(None)
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(result) for result in results] == [ClientGone, ClientGone]
    assert lost == [1]


async def test_a_stop_waits_for_what_was_sent() -> None:
    connection, _ = await made()
    connection.data_received(Query("1").encode())
    connection.request_stop()
    assert await connection.next_event() == Query("1")
    with pytest.raises(StopRequested):
        await connection.next_event()


async def test_a_stop_wakes_who_waits() -> None:
    connection, _ = await made()
    waiting = asyncio.ensure_future(connection.next_event())
    await asyncio.sleep(0)
    connection.request_stop()
    with pytest.raises(StopRequested):
        await waiting


async def test_tls_cannot_start_without_a_context_or_behind_bytes() -> None:
    connection, _ = await made()
    with pytest.raises(ConnectionFault):
        connection.start_tls()


async def test_oversized_messages_end_it() -> None:
    connection, _ = await made()
    connection.data_received(b"Q\x7f\xff\xff\xff")
    with pytest.raises(ProtocolViolation):
        await connection.next_event()


async def test_a_client_that_does_not_go_is_cut() -> None:
    connection, transport = await made()
    await connection.close(grace_seconds=0.01)

    assert transport.is_closed


async def test_who_is_local() -> None:
    connection, _ = await made()
    assert connection.peer == "10.1.2.3:5"
    assert not connection.is_local
    loopbacks = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
    assert all(_is_loopback(host) for host in loopbacks)
    assert not any(_is_loopback(host) for host in ("128.0.0.1", "::2", "::ffff:10.0.0.1"))
