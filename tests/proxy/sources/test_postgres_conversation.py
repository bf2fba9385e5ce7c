"""A hostile or broken server: each anomaly ends in one clear fault, and the connection too.

Goal: attack 90 and its relatives. Method: a scripted server answers the first statement with the
bytes of one row of the table below; the caller must get 08006, and the pool must hold nothing.
"""

from __future__ import annotations

import asyncio
import struct

import pytest

from proxy.faults import SourceFault
from proxy.sources import postgres_conversation
from proxy.sources.postgres_connection import PostgresConnection
from proxy.wire.backend import (
    BindComplete,
    CommandComplete,
    CopyOutResponse,
    DataRow,
    ErrorResponse,
    FieldDescription,
    NoticeResponse,
    NotificationResponse,
    ParameterStatus,
    ParseComplete,
    PortalSuspended,
    ReadyForQuery,
    RowDescription,
)
from tests.proxy.sources.fake_server import Peer, fake_server, options_at
from tests.proxy.sources.live import NO_ARGUMENTS, borrowed, eventually, fragment, rows_of, started

COLUMN = FieldDescription("a", 0, 0, 25, -1)
HEAD = ParseComplete().encode() + BindComplete().encode() + RowDescription((COLUMN,)).encode()
ROW = DataRow((b"x",)).encode()
END = CommandComplete("SELECT 1").encode() + ReadyForQuery(b"I").encode()
ERROR = {"S": "ERROR", "V": "ERROR", "C": "22012", "M": "hush-4711"}
SQL = fragment("SELECT a FROM t")


def raw(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    return kind + struct.pack(">I", len(body) + 4 if length is None else length) + body


ANOMALIES = {
    "length below four": HEAD + raw(b"D", b"", 3),
    "length zero": HEAD + raw(b"D", b"", 0),
    "length beyond the limit": HEAD + raw(b"D", b"", 0x7FFF_FFFF),
    "length that wraps around": HEAD + raw(b"D", b"", 0xFFFF_FFFF),
    "unknown type": HEAD + raw(b"@", b""),
    "row too short for a count": HEAD + raw(b"D", b"\0") + END,
    "more columns than described": HEAD + DataRow((b"x", b"y")).encode() + END,
    "fewer columns than described": HEAD + DataRow(()).encode() + END,
    "negative number of columns": HEAD + raw(b"D", b"\xff\xff\0\0\0\0") + END,
    "error without SQLSTATE": HEAD + raw(b"E", b"SERROR\0Mhush-4711\0\0"),
    "error without end": HEAD + raw(b"E", b"SERROR\0C22012\0Mhush-4711\0"),
    "rows before a description": ParseComplete().encode() + BindComplete().encode() + ROW,
    "a second description": HEAD + RowDescription((COLUMN,)).encode() + END,
    "authentication in the middle": HEAD + raw(b"R", struct.pack(">I", 0)) + END,
    "bind before parse": BindComplete().encode() + ParseComplete().encode() + END,
    "ready too early": HEAD + ReadyForQuery(b"I").encode(),
    "an unknown status": HEAD + CommandComplete("SELECT 0").encode() + raw(b"Z", b"X"),
    "suspended, though all was asked for": HEAD + PortalSuspended().encode() + END,
    "copy instead of rows": HEAD + CopyOutResponse(0, (0,)).encode() + END,
    "copy data out of nowhere": HEAD + raw(b"d", b"x") + END,
    "a notification": HEAD + NotificationResponse(1, "leak", "hush-4711").encode() + END,
    "a constant setting changes": HEAD + ParameterStatus("client_encoding", "LATIN1").encode(),
    "a pinned setting changes": HEAD + ParameterStatus("TimeZone", "Asia/Tokyo").encode() + END,
    "something after an error": HEAD + ErrorResponse(ERROR).encode() + ROW,
    "endless notices": HEAD + NoticeResponse(ERROR).encode() * 20_000,
    "endless parameter reports": HEAD + ParameterStatus("x", "y").encode() * 20_000,
    "gone before the answer": b"",
    "gone in the middle of a message": HEAD[:-3],
    "gone in the middle of a row": HEAD + ROW[:-1],
    "gone between rows": HEAD + ROW * 3,
    "gone before ready": HEAD + ROW + CommandComplete("SELECT 1").encode(),
}


@pytest.mark.parametrize("answer", ANOMALIES.values(), ids=ANOMALIES.keys())
async def test_an_anomaly_ends_the_connection(answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.receive_batch()  # The source's first probe: an empty Sync.
        peer.send(ReadyForQuery(b"I"))
        await peer.receive_batch()
        peer.send_raw(answer)
        if not answer.endswith(END):
            return
        await peer.closed()

    async with fake_server(script) as address, started(options_at(address)) as source:
        connection = await source.acquire({})
        async with asyncio.timeout(10):
            with pytest.raises(SourceFault) as caught:
                await rows_of(await connection.execute(SQL, NO_ARGUMENTS))
        assert caught.value.sqlstate == "08006"
        assert "hush" not in f"{caught.value.message}{caught.value.detail}{caught.value.hint}"
        assert not connection.is_usable
        with pytest.raises(SourceFault):
            await connection.execute(SQL, NO_ARGUMENTS)
        await connection.release()
        assert "idle=0 busy=0" in repr(source)


async def answering(peer: Peer, *answers: bytes) -> None:
    await peer.greet()
    for answer in (ReadyForQuery(b"I").encode(), *answers):
        await peer.receive_batch()
        peer.send_raw(answer)


async def test_the_same_bytes_in_order_are_fine() -> None:
    """The control for the table above: an honest answer passes, also with a notice in it."""
    notice = NoticeResponse({**ERROR, "S": "NOTICE"}).encode()

    async def script(peer: Peer) -> None:
        await answering(peer, HEAD + ROW + notice + ROW + END)

    async with (
        fake_server(script) as address,
        started(options_at(address)) as source,
        borrowed(source) as connection,
    ):
        assert await rows_of(await connection.execute(SQL, NO_ARGUMENTS)) == [(b"x",), (b"x",)]


async def test_the_answer_may_come_byte_by_byte() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.receive_batch()
        peer.send(ReadyForQuery(b"I"))
        await peer.receive_batch()
        for byte in HEAD + ROW + END:
            peer.send_raw(bytes([byte]))
            await asyncio.sleep(0)

    async with (
        fake_server(script) as address,
        started(options_at(address)) as source,
        borrowed(source) as connection,
    ):
        assert await rows_of(await connection.execute(SQL, NO_ARGUMENTS)) == [(b"x",)]


async def test_a_fatal_error_keeps_a_tellable_state() -> None:
    fatal = ErrorResponse({**ERROR, "S": "FATAL", "V": "FATAL", "C": "57P01"}).encode()

    async def script(peer: Peer) -> None:
        await answering(peer, HEAD + fatal)

    async with fake_server(script) as address, started(options_at(address)) as source:
        connection = await source.acquire({})
        with pytest.raises(SourceFault) as caught:
            await rows_of(await connection.execute(SQL, NO_ARGUMENTS))
        assert caught.value.sqlstate == "08006"
        assert not connection.is_usable
        await connection.release()


async def test_a_silent_server_is_broken_off() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.receive_batch()
        peer.send(ReadyForQuery(b"I"))
        await peer.closed()

    async with fake_server(script) as address, started(options_at(address)) as source:
        connection = await source.acquire({})
        connection.backend.conversation._silence_seconds_max = 0.1
        with pytest.raises(SourceFault) as caught:
            await connection.execute(SQL, NO_ARGUMENTS)
        assert caught.value.detail == "the source sent nothing in time"
        await connection.release()


RESET_TAGS = ("SET", "RESET", "CLOSE CURSOR ALL", "UNLISTEN", "RESET", "SELECT 1")
DISCARD_TAGS = ("DISCARD SEQUENCES", "DISCARD TEMP")


def tags(*names: str) -> bytes:
    return b"".join(CommandComplete(name).encode() for name in names)


# INVARIANT I12: a reset that is not proven is no reset.
RESETS = {
    "proven": (tags(*RESET_TAGS, *DISCARD_TAGS) + ReadyForQuery(b"I").encode(), True),
    "a part is missing": (tags(*RESET_TAGS) + ReadyForQuery(b"I").encode(), False),
    "a transaction is open": (
        tags(*RESET_TAGS, *DISCARD_TAGS) + ReadyForQuery(b"T").encode(),
        False,
    ),
    "an error": (ErrorResponse(ERROR).encode() + ReadyForQuery(b"I").encode(), False),
    "no answer": (b"", False),
    "more than was asked for": (
        tags(*RESET_TAGS, *DISCARD_TAGS) + ReadyForQuery(b"I").encode() + ROW,
        False,
    ),
}


@pytest.mark.parametrize(("answer", "is_kept"), RESETS.values(), ids=RESETS.keys())
async def test_only_a_proven_reset_returns_to_the_pool(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, is_kept: bool
) -> None:
    monkeypatch.setattr(postgres_conversation, "COMMAND_SECONDS_MAX", 0.3)

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.receive_batch()
        peer.send(ReadyForQuery(b"I"))
        await peer.receive_batch()
        peer.send_raw(answer)
        await peer.closed()

    async with fake_server(script) as address, started(options_at(address)) as source:
        connection: PostgresConnection = await source.acquire({})
        connection.backend.touch()
        await connection.release()
        assert ("idle=1" if is_kept else "idle=0 busy=0") in repr(source)


async def test_a_message_on_an_idle_connection_is_not_forgiven() -> None:
    unasked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.receive_batch()
        peer.send(ReadyForQuery(b"I"))
        await unasked.wait()
        peer.send_raw(ROW)
        await peer.closed()

    async with fake_server(script) as address, started(options_at(address)) as source:
        (idle,) = (entry.connection for entry in source._pool._idle)
        assert idle.is_usable
        unasked.set()
        await eventually(lambda: not idle.is_usable)
