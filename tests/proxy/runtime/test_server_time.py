"""The clock of a server, read from its answer."""

from __future__ import annotations

import asyncio
import time

import pytest

from proxy.runtime.server_time import server_time


async def told(header: bytes) -> float | None:
    """What is read from a server that answers with these header lines."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n" + header + b"\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await server_time(f"http://127.0.0.1:{port}/x")


async def test_any_answer_tells_the_time() -> None:
    assert await told(b"Date: Thu, 01 Jan 1970 00:01:40 GMT\r\n") == 100.0


@pytest.mark.parametrize("header", [b"", b"Date: yesterday\r\n"])
async def test_none_is_told(header: bytes) -> None:
    assert await told(header) is None


async def test_nobody_answers() -> None:
    before = time.time()
    assert await server_time("http://127.0.0.1:1/") is None
    assert time.time() >= before


async def test_only_urls_that_keys_may_come_from() -> None:
    with pytest.raises(ValueError):
        await server_time("http://issuer.example/")
