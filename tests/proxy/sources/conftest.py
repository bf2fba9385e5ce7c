"""Fixtures of the source tests: a started source of the default server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_connection import PostgresConnection
from tests.proxy.sources.live import borrowed, options_of, started
from tests.servers.postgres import Server


@pytest_asyncio.fixture
async def source(postgres_server: Server) -> AsyncIterator[PostgresSource]:
    async with started(options_of(postgres_server)) as made:
        yield made


@pytest_asyncio.fixture
async def connection(source: PostgresSource) -> AsyncIterator[PostgresConnection]:
    async with borrowed(source) as made:
        yield made
