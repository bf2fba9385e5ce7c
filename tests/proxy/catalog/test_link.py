"""Goal: the link gives exactly one exchange's answers, and any misbehaving server ends as LinkLost.

Method: a scripted server on a Unix socket; it answers each read with the next portion of bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.catalog import link as module
from proxy.catalog.link import Link, LinkLost, fault_of
from proxy.faults import Fault, InternalFault, SourceFault
from proxy.wire.backend import (
    AuthenticationOk,
    AuthenticationSASL,
    BackendMessage,
    CommandComplete,
    ErrorResponse,
    NoticeResponse,
    ParameterStatus,
    ReadyForQuery,
)
from proxy.wire.batch import RowBatch

READY = ReadyForQuery(b"I")
WELCOME = (AuthenticationOk(), ParameterStatus("server_version", "16.14"), READY)


def encoded(*messages: BackendMessage) -> bytes:
    return b"".join(message.encode() for message in messages)


@asynccontextmanager
async def server(folder: Path, *portions: bytes | None) -> AsyncIterator[Path]:
    """Answers each read with the next portion; None closes the connection."""
    path = folder / "s"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for portion in portions:
            if not await reader.read(65_536):
                break
            if portion is None:
                break
            writer.write(portion)
            await writer.drain()
        else:
            await reader.read(65_536)
        writer.close()

    listening = await asyncio.start_unix_server(serve, str(path))
    async with listening:
        yield path


async def answers(link: Link, exchanges: int = 1) -> list[object]:
    return [answer async for answer in link.converse(b"x", exchanges)]


async def test_answers_end_with_the_last_ready(tmp_path: Path) -> None:
    rows = RowBatch.of([(b"1",), (None,)])
    first = encoded(NoticeResponse({"S": "N", "V": "NOTICE", "C": "00000", "M": "m"}), READY)
    second = rows.data + encoded(CommandComplete("SELECT 2"), READY)
    async with server(tmp_path, encoded(*WELCOME), first + second[:20], second[20:]) as path:
        link = await Link.open(path, "role", "base")
        asking = asyncio.ensure_future(answers(link, 2))
        await asyncio.sleep(0.05)
        assert not link.is_usable
        assert link._transport is not None
        link._transport.write(b"more")  # lets the script go on

        got = await asking
        assert isinstance(got[-1], CommandComplete)
        assert sum(batch.count for batch in got[:-1]) == 2  # type: ignore[attr-defined]
        assert link.is_usable
        assert link.statements == 2
        link.close()
        assert not link.is_usable


@pytest.mark.parametrize(
    "portions",
    [
        (None,),
        (encoded(*WELCOME), None),
        (encoded(*WELCOME), encoded(CommandComplete("SELECT 1"))[:-2]),
        (encoded(*WELCOME), b"\x00garbage that is no message"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        (encoded(*WELCOME), b"D\x7f\xff\xff\xff"),
    ],
)
async def test_broken_server_is_link_lost(
    tmp_path: Path, portions: tuple[bytes | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_SECONDS", 0.2)
    async with server(tmp_path, *portions) as path:

        async def use() -> None:
            link = await Link.open(path, "role", "base")
            try:
                await answers(link)
            finally:
                link.close()

        with pytest.raises(LinkLost):
            await use()


async def test_nobody_there_is_link_lost(tmp_path: Path) -> None:
    with pytest.raises(LinkLost):
        await Link.open(tmp_path / "absent", "role", "base")


async def test_refusal_at_login_is_a_fault(tmp_path: Path) -> None:
    refusal = ErrorResponse({"S": "FATAL", "V": "FATAL", "C": "3D000", "M": "no such database"})
    async with server(tmp_path, encoded(refusal)) as path:
        with pytest.raises(Fault) as caught:
            await Link.open(path, "role", "base")
    assert caught.value.sqlstate == "3D000"


async def test_demand_for_a_password_is_a_fault_at_once(tmp_path: Path) -> None:
    async with server(tmp_path, encoded(AuthenticationSASL(("SCRAM-SHA-256",)))) as path:
        async with asyncio.timeout(2):
            with pytest.raises(Fault) as caught:
                await Link.open(path, "role", "base")
    assert caught.value.sqlstate == "28000"


async def test_reading_pauses_while_nobody_consumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNREAD_MESSAGES_MAX", 2)
    many = b"".join(encoded(CommandComplete(f"SELECT {n}")) for n in range(50))
    async with server(tmp_path, encoded(*WELCOME), many, encoded(READY)) as path:
        link = await Link.open(path, "role", "base")
        arriving = link.converse(b"x")
        assert await anext(arriving) is not None
        assert link._transport is not None
        link._transport.write(b"more")
        rest = [answer async for answer in arriving]
        assert len(rest) == 49
        assert not link._is_paused
        link.close()


def error(sqlstate: str, **fields: str) -> ErrorResponse:
    return ErrorResponse({"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": "told", **fields})


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        (
            error("42703", P="7", H="hint", D="detail"),
            lambda f: (f.message, f.position, f.hint, f.detail) == ("told", 7, "hint", "detail"),
        ),
        (error("XX000"), lambda f: isinstance(f, InternalFault) and f.message != "told"),
        (error("57P01"), lambda f: isinstance(f, SourceFault) and f.message != "told"),
        (error("53100"), lambda f: f.sqlstate == "57P03"),
        (error("57014"), lambda f: f.sqlstate == "57014"),
        (error("42601", P="x"), lambda f: f.position is None),
    ],
)
def test_fault_of(answer: ErrorResponse, check: Callable[[Fault], bool]) -> None:
    assert check(fault_of(answer))
