"""One gate for all live tests of a run; a test that changes it starts its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from proxy import dialogue, express
from proxy.express import ExpressLane
from tests.live.access import Door, opened
from tests.live.flights import STARTUP, Flights
from tests.live.gate import Gate, serving
from tests.live.wire import RawClient
from tests.servers import postgres


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gate() -> AsyncIterator[Gate]:
    """A serving gate over the shop."""
    async with serving() as found:
        yield found


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> Flights:
    """Counts the flights of all lanes in this process."""
    counted = Flights()
    answered, land = ExpressLane.answered, ExpressLane._land

    def count_answered(lane: ExpressLane, data: bytes, rows: int, row_bytes: int) -> None:
        counted.whole += 1
        answered(lane, data, rows, row_bytes)

    def count_landed(lane: ExpressLane) -> None:
        counted.landed += 1
        land(lane)

    monkeypatch.setattr(ExpressLane, "answered", count_answered)
    monkeypatch.setattr(ExpressLane, "_land", count_landed)
    return counted


@pytest.fixture
def long_flights(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, no flight is landed for its length."""
    for module in (express, dialogue):
        monkeypatch.setattr(module, "FLIGHT_SECONDS_MAX", 60.0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own() -> AsyncIterator[Gate]:
    """A gate that the tests of one file may change."""
    async with serving() as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="session")
async def client(own: Gate) -> AsyncIterator[RawClient]:
    """A client of `own`."""
    made = await RawClient.open(("127.0.0.1", own.port), STARTUP, own.token())
    yield made
    made.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def door(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: postgres.Server
) -> AsyncIterator[Door]:
    """A gate with a certificate, and a state database for access tokens."""
    name = f"state_{secrets.token_hex(4)}"
    with postgres_server.database(name):
        async with opened(tmp_path_factory.mktemp("door"), postgres_server, name) as found:
            yield found
