"""The demonstration as a process of its own, with the real company behind a real gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import asyncpg
import pytest

from policies.secret import Secret
from proxy.demo import company
from proxy.demo.issuer import DemoIssuer
from proxy.demo.state import State
from proxy.runtime.config import load
from proxy.runtime.embedded import SUPERUSER
from proxy.runtime.gate_address import GateAddress
from sidecars.mcp.gate import Caller
from tests.servers import demonstration


@dataclass
class Company:
    """The running demonstration: its gate's address and its people's tokens."""

    state: State
    address: GateAddress
    issuer: DemoIssuer = field(repr=False)

    @property
    def gate_url(self) -> str:
        """As `--gate` takes it."""
        return f"postgresql://{self.address.host}:{self.address.port}/{self.address.database}"

    def token(self, name: str, lifetime_s: int = 3600, *, age_s: int = 0) -> str:
        """A token of one of the people, made `age_s` ago."""
        return self.issuer.mint(name, now=time.time() - age_s, lifetime_s=lifetime_s)

    def caller(self, name: str) -> Caller:
        """One of the people, as a tool's caller."""
        return Caller(Secret(self.token(name)), name)

    async def source(self) -> asyncpg.Connection:
        """A superuser's connection to the company's database, past the gate."""
        (source,) = load(self.state.configuration, is_demonstration=True).databases
        return await asyncpg.connect(
            host=source.hosts[0],
            user=SUPERUSER,
            password=(self.state.cluster / "password").read_text(),
            database=company.DATABASE,
            ssl=False,
        )


_RUNNING = (
    "select count(*) from pg_stat_activity where state = 'active' and query like"
    " '%orders%orders%orders%' and pid <> pg_backend_pid()"
)
ENDLESS = "select count(*) from sales.orders a, sales.orders b, sales.orders c"
"""Longer than any test waits."""

CANCEL_SECONDS_MAX = 20


async def until_endless(source: asyncpg.Connection, *, is_running: bool) -> None:
    """Wait until the source runs, or no longer runs, the endless statement."""
    async with asyncio.timeout(CANCEL_SECONDS_MAX):
        while True:
            if bool(await source.fetchval(_RUNNING)) is is_running:
                return
            await asyncio.sleep(0.05)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The demonstration, until the run ends."""
    with demonstration.running(tmp_path_factory.mktemp("company") / "state") as found:
        address = GateAddress("127.0.0.1", found.port, company.DATABASE)
        yield Company(State(found.directory), address, DemoIssuer.existing(found.directory))
