"""The channel alone, with a transport that records: order, back-pressure, failing for good."""

from __future__ import annotations

import asyncio

import pytest

from proxy.faults import SourceFault
from proxy.sources.postgres_channel import QUEUE_BYTES_HIGH, QUEUE_BYTES_LOW, Channel
from proxy.wire.backend import (
    AuthenticationOk,
    CommandComplete,
    ParameterStatus,
    ReadyForQuery,
)
from proxy.wire.batch import RowBatch

ROWS = RowBatch.of([(b"x" * 1000,)] * 300)


class Transport:
    """Records what is asked of it."""

    def __init__(self) -> None:
        self.written = b""
        self.calls: list[str] = []

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.calls.append("abort")

    def close(self) -> None:
        self.calls.append("close")


def connected() -> tuple[Channel, Transport]:
    channel, transport = Channel(), Transport()
    channel.connection_made(transport)  # type: ignore[arg-type]
    channel.data_received(AuthenticationOk().encode())
    return channel, transport


async def drained() -> tuple[Channel, Transport]:
    channel, transport = connected()
    await channel.next_message(1)
    return channel, transport


async def test_messages_come_in_order() -> None:
    channel, _ = await drained()
    data = ROWS.data + CommandComplete("SELECT 300").encode() + ReadyForQuery(b"I").encode()
    channel.data_received(data[:777])
    channel.data_received(data[777:])
    kinds: list[str] = []
    rows = 0
    while not (kinds and kinds[-1] == "ReadyForQuery"):
        message = await channel.next_message(1)
        rows += message.count if isinstance(message, RowBatch) else 0
        kinds.append(type(message).__name__)
    assert rows == 300
    assert kinds[-2:] == ["CommandComplete", "ReadyForQuery"]


async def test_reading_pauses_at_the_high_mark_and_resumes_below_the_low_one() -> None:
    channel, transport = await drained()
    fed = 0
    while fed <= QUEUE_BYTES_HIGH:
        assert transport.calls == []
        channel.data_received(ROWS.data)
        fed += len(ROWS.data)
    assert transport.calls == ["pause"]
    while channel._queue_bytes >= QUEUE_BYTES_LOW:
        assert transport.calls == ["pause"]
        await channel.next_message(1)
    assert transport.calls == ["pause", "resume"]


async def test_the_observer_sees_reports_in_their_place() -> None:
    channel, _ = await drained()
    seen: list[str] = []
    channel.observe_parameter = lambda name, value: not seen.append(name)  # type: ignore[func-returns-value]
    channel.data_received(
        CommandComplete("A").encode()
        + ParameterStatus("x", "y").encode()
        + CommandComplete("B").encode()
    )
    await channel.next_message(1)
    assert seen == []
    await channel.next_message(1)
    assert seen == ["x"]


async def test_what_came_before_a_loss_is_handed_over() -> None:
    channel, _ = await drained()
    channel.data_received(CommandComplete("A").encode())
    channel.connection_lost(None)
    assert await channel.next_message(1) == CommandComplete("A")
    for _ in range(2):
        with pytest.raises(SourceFault) as caught:
            await channel.next_message(1)
        assert caught.value.sqlstate == "08006"
    with pytest.raises(SourceFault):
        channel.write(b"x")


async def test_a_violation_drops_what_is_queued() -> None:
    channel, transport = await drained()
    channel.data_received(CommandComplete("A").encode())
    channel.data_received(b"@\0\0\0\x04")
    with pytest.raises(SourceFault) as caught:
        await channel.next_message(1)
    assert "protocol violation" in (caught.value.detail or "")
    assert transport.calls == ["abort"]
    channel.data_received(CommandComplete("B").encode())
    assert channel.queued == 0


async def test_a_waiting_reader_is_woken_by_a_loss() -> None:
    channel, _ = await drained()
    waiting = asyncio.ensure_future(channel.next_message(5))
    await asyncio.sleep(0)
    channel.connection_lost(ConnectionResetError())
    with pytest.raises(SourceFault):
        await waiting


async def test_silence_has_a_limit() -> None:
    channel, transport = await drained()
    with pytest.raises(SourceFault) as caught:
        await channel.next_message(0.05)
    assert caught.value.detail == "the source sent nothing in time"
    assert transport.calls == ["abort"]


async def test_a_cancelled_reader_leaves_the_channel_whole() -> None:
    channel, _ = await drained()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await channel.next_message(5)
    channel.data_received(CommandComplete("A").encode())
    assert await channel.next_message(1) == CommandComplete("A")


async def test_writing_waits_for_a_peer_that_does_not_read() -> None:
    channel, transport = await drained()
    await channel.drain(1)
    channel.pause_writing()
    draining = asyncio.ensure_future(channel.drain(5))
    await asyncio.sleep(0)
    assert not draining.done()
    channel.resume_writing()
    await draining
    channel.pause_writing()
    with pytest.raises(SourceFault):
        await channel.drain(0.05)
    assert transport.calls == ["abort"]


async def test_a_farewell_is_the_last_word() -> None:
    channel, transport = await drained()
    channel.terminate(b"bye")
    assert (transport.written, transport.calls) == (b"bye", ["close"])
    assert not channel.is_open
    with pytest.raises(SourceFault):
        channel.write(b"more")


async def test_repr_tells_the_state() -> None:
    channel, _ = await drained()
    channel.data_received(CommandComplete("A").encode())
    assert repr(channel) == "<Channel open queued=1 bytes=64>"
