"""One gate over two sources for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import psycopg
import pytest_asyncio

from tests.proxy.federation.answers import Connection
from tests.proxy.federation.stage import Stage, staged
from tests.servers.postgres import Server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(postgres_of: Callable[[int], Server]) -> AsyncIterator[Stage]:
    """Customers in PostgreSQL 16, sales in PostgreSQL 18."""
    async with staged(postgres_of(16), postgres_of(18)) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gate(stage: Stage) -> AsyncIterator[Connection]:
    """Alice at the gate."""
    async with await psycopg.AsyncConnection.connect(stage.dsn(), autocommit=True) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reference(stage: Stage) -> AsyncIterator[Connection]:
    """The one Postgres that holds what alice may see."""
    options = "-c TimeZone=UTC"
    connecting = psycopg.AsyncConnection.connect(stage.reference, autocommit=True, options=options)
    async with await connecting as found:
        yield found
