"""Real clients say the same of the gate as of the Postgres behind it; what differs is pinned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.clients.pair import Ends, both
from tests.clients.report import pinned
from tests.clients.roster import CLIENTS, Client
from tests.clients.transcript import differences, take
from tests.servers.postgres import Server

STEPS_MIN = 2
"""As few, and a program has compared next to nothing."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ends(postgres_server: Server) -> AsyncIterator[Ends]:
    """One source and one gate for all clients."""
    async with both(postgres_server) as found:
        yield found


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
async def test_a_client_is_told_the_same(ends: Ends, client: Client) -> None:
    command = await asyncio.to_thread(client.command)  # it may be built now
    direct, gate = await asyncio.gather(
        take(command, ends.direct, is_text=client.is_text),
        take(command, ends.gate, is_text=client.is_text),
    )
    found = differences(direct, gate)

    unexpected = {
        step: said for step, said in found.items() if step not in pinned().of(client.name)
    }
    assert not unexpected, f"python -m tests.clients compare {client.name}\n{gate.remarks}"
    assert set(pinned().of(client.name)) - set(found) == set(), "pinned, and the same by now"
    # A step that fails at both ends compares nothing.
    assert direct.errors == []
    assert len(direct.steps) > STEPS_MIN


def test_what_is_pinned_has_a_client_and_a_reason() -> None:
    assert set(pinned().clients) <= {client.name for client in CLIENTS}
    used = {key for steps in pinned().clients.values() for key in steps.values()}
    assert used == set(pinned().reasons)
