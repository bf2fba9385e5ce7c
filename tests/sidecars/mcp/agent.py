"""A scripted agent: the official MCP client, and what it reads of an answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from proxy.runtime.tasks import spawn
from sidecars.mcp.app import Instructions

ROOT = Path(__file__).resolve().parents[3]
CALL_SECONDS_MAX = 30


@asynccontextmanager
async def held(opening: AbstractAsyncContextManager[Client]) -> AsyncIterator[Client]:
    """The same client for a fixture, whose beginning and end are run by different tasks: the
    client's own scopes want one."""
    opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def hold() -> None:
        async with opening as client:
            opened.set_result(client)
            await ended.wait()

    task = spawn(hold(), "client")
    await asyncio.wait((task, opened), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield opened.result()
    finally:
        ended.set()
        await task


@asynccontextmanager
async def over_stdio(
    instructions: Instructions, token: str, *, mode: str = "auto"
) -> AsyncIterator[Client]:
    """A client whose server is a process, started as a desktop client does it."""
    told = replace(instructions, token_environment="SALLYPORT_TOKEN")
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "sidecars.mcp", told.as_json()],
        env={"SALLYPORT_TOKEN": token},
        cwd=ROOT,
    )
    async with Client(stdio_client(server), mode=mode) as client:
        yield client


@asynccontextmanager
async def over_http(url: str, token: str, *, mode: str = "auto") -> AsyncIterator[Client]:
    """A client of a server on HTTP, with a token in every request."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=CALL_SECONDS_MAX, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def read(result: CallToolResult) -> dict[str, Any]:
    """The answer of a call that went well; text and structured form say the same."""
    assert not result.is_error, result.content
    return _content(result)


def read_error(result: CallToolResult) -> dict[str, Any]:
    """The error of a call that did not."""
    assert result.is_error, result.content
    error = _content(result)["error"]
    assert isinstance(error, dict)
    return error


def _content(result: CallToolResult) -> dict[str, Any]:
    (text,) = result.content
    content = json.loads(getattr(text, "text", ""))
    assert content == result.structured_content
    assert isinstance(content, dict)
    return content
