"""A scripted Postgres: says what a test tells it to, right or wrong.

    async with fake_server(script) as address: ...

`script(peer)` runs once for each connection. `peer.greet()` does an honest login without password;
everything after that is the script's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from proxy.sources.pool import PoolLimits
from proxy.sources.postgres_options import Address, PostgresOptions, TlsMode, TlsOptions
from proxy.wire.backend import (
    AuthenticationOk,
    BackendKeyData,
    BackendMessage,
    ParameterStatus,
    ReadyForQuery,
)
from proxy.wire.frontend import FrontendMessage, Query, StartupMessage, Sync
from proxy.wire.protocol import ServerProtocol

REPORTS = {
    "server_version": "16.3",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "integer_datetimes": "on",
    "TimeZone": "UTC",
}


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.wire = ServerProtocol()

    def send(self, *messages: BackendMessage) -> None:
        for message in messages:
            self._writer.write(self.wire.send(message))

    def send_raw(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> FrontendMessage:
        """The next message; ConnectionError when the client has gone."""
        while (message := self.wire.next_event()) is None:
            data = await self._reader.read(65_536)
            if not data:
                raise ConnectionError("the client has gone")
            self.wire.receive_data(data)
        return message

    async def receive_raw(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def greet(self, reports: dict[str, str] | None = None) -> StartupMessage:
        startup = await self.receive()
        assert isinstance(startup, StartupMessage)
        self.send(AuthenticationOk())
        for name, value in (REPORTS | (reports or {})).items():
            self.send(ParameterStatus(name, value))
        self.send(BackendKeyData(1, b"keys"), ReadyForQuery(b"I"))
        return startup

    async def receive_batch(self) -> list[FrontendMessage]:
        """Everything up to the next Sync or Query, that included."""
        batch: list[FrontendMessage] = []
        while not (batch and isinstance(batch[-1], Sync | Query)):
            batch.append(await self.receive())
        return batch

    async def closed(self) -> None:
        """Wait until the client closes."""
        with suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def fake_server(script: Script) -> AsyncIterator[Address]:
    """Serve the script on a free port of 127.0.0.1; a failed assertion fails the test."""
    failures: list[BaseException] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await script(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Address("127.0.0.1", port)
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
    if failures:
        raise failures[0]


def options_at(*addresses: Address, **changes: Any) -> PostgresOptions:
    """Options without TLS or password, patient for two seconds."""
    options = PostgresOptions(
        "fake",
        addresses,
        "postgres",
        "reader",
        None,
        TlsOptions(TlsMode.DISABLE),
        pool=PoolLimits(connections_max=2, wait_ms_max=2_000),
        connect_seconds_max=2.0,
    )
    return replace(options, **changes)
