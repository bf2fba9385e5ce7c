"""What the live tests share: options for a test server, fragments, and the rows of a stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from proxy.runtime.credential import PasswordSource
from proxy.sources.base import Arguments
from proxy.sources.pool import PoolLimits
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_options import (
    Address,
    PostgresOptions,
    TlsMode,
    TlsOptions,
)
from proxy.sql.plan import Fragment
from proxy.wire.batch import Row, RowBatch
from tests.servers.postgres import Server

SERIES = "SELECT g FROM pg_catalog.generate_series(1, $1) AS g"
INTEGER_OID = 23
NO_ARGUMENTS = Arguments()


def password_file(server: Server) -> PasswordSource:
    """A file in the server's own folder that holds its password."""
    path = server.directory / "client-password"
    path.write_text(server.password + "\n", encoding="utf-8")
    return PasswordSource(file=path)


def options_of(server: Server, **changes: Any) -> PostgresOptions:
    """Options that reach the server with its certificate verified in full, small pool."""
    tls = TlsOptions(TlsMode.VERIFY_FULL, Path(server.root_certificate))
    options = PostgresOptions(
        "main",
        (Address(server.host, server.port),),
        "postgres",
        server.user,
        password_file(server),
        tls,
        pool=PoolLimits(connections_max=2, wait_ms_max=5_000),
    )
    return replace(options, **changes)


@asynccontextmanager
async def started(options: PostgresOptions) -> AsyncIterator[PostgresSource]:
    """A source for the length of the block."""
    source = PostgresSource(options)
    await source.start()
    try:
        yield source
    finally:
        await source.close()


@asynccontextmanager
async def borrowed(
    source: PostgresSource, pins: Mapping[str, str] | None = None
) -> AsyncIterator[PostgresConnection]:
    """A connection for the length of the block."""
    connection = await source.acquire(pins or {})
    try:
        yield connection
    finally:
        await connection.release()


def fragment(sql: str, *oids: int, **changes: Any) -> Fragment:
    return replace(Fragment("main", sql, oids), **changes)


def series(**changes: Any) -> Fragment:
    """Rows 1 to $1."""
    return fragment(SERIES, INTEGER_OID, **changes)


def upto(last: int) -> Arguments:
    return Arguments((str(last).encode(),))


async def rows_of(stream: AsyncIterator[RowBatch]) -> list[Row]:
    return [row async for batch in stream for row in batch.rows()]


async def numbers_of(stream: AsyncIterator[RowBatch]) -> list[int]:
    return [int(row[0] or b"") for row in await rows_of(stream)]


async def value_of(connection: PostgresConnection, sql: str) -> bytes | None:
    """The one value of a query."""
    rows = await rows_of(await connection.execute(fragment(sql), NO_ARGUMENTS))
    assert len(rows) == 1
    return rows[0][0]


async def process_id_of(connection: PostgresConnection) -> int:
    return int(await value_of(connection, "SELECT pg_catalog.pg_backend_pid()") or b"")


async def eventually(condition: Callable[[], bool], seconds_max: float = 10.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)
