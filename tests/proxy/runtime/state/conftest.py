"""A state database on a real Postgres, one per test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from proxy.runtime.state import register
from proxy.runtime.state.database import StateDatabase, opened, prepare
from proxy.runtime.state.login import IpNetwork, Kind
from proxy.runtime.state.place import StatePlace
from tests.servers import postgres


@pytest.fixture
def empty_place(postgres_server: postgres.Server, tmp_path: Path) -> Iterator[StatePlace]:
    """A database without anything."""
    password = tmp_path / "state-password"
    password.write_text(postgres_server.password + "\n")
    name = f"state_{secrets.token_hex(4)}"
    with postgres_server.database(name):
        certificate = postgres_server.root_certificate
        dsn = (
            f"postgresql://{postgres_server.user}@{postgres_server.host}:{postgres_server.port}"
            f"/{name}?sslmode=verify-full&sslrootcert={certificate}"
        )
        yield StatePlace(dsn, password_file=str(password))


@pytest_asyncio.fixture(loop_scope="session")
async def place(empty_place: StatePlace) -> StatePlace:
    """One that is ready."""
    await prepare(empty_place)
    return empty_place


@pytest_asyncio.fixture(loop_scope="session")
async def state(place: StatePlace) -> AsyncIterator[StateDatabase]:
    async with opened(place) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def connection(place: StatePlace) -> AsyncIterator[asyncpg.Connection]:
    found = await place.connect()
    yield found
    await found.close()


class Recorded:
    """Stands for the audit log's side of a change: keeps what it is told, or fails."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.failure: Exception | None = None

    async def __call__(self, what: str, listed: register.Listed) -> None:
        if self.failure is not None:
            raise self.failure
        self.told.append((what, listed.user))


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def new_login(
    name: str = "tableau",
    kind: Kind = Kind.TOKEN,
    *,
    networks: tuple[IpNetwork, ...] | None = None,
    sources: tuple[str, ...] | None = None,
    days: float = 1,
    **payload: object,
) -> register.NewLogin:
    """A login for alice, as the commands ask for it."""
    return register.NewLogin(
        kind,
        name,
        {"sub": "alice", "roles": ["analyst"], **payload},
        timedelta(days=days),
        "dashboards",
        "operator",
        sources,
        networks,
    )


@asynccontextmanager
async def connected(place: StatePlace) -> AsyncIterator[asyncpg.Connection]:
    """A second connection."""
    found = await place.connect()
    try:
        yield found
    finally:
        await found.close()
