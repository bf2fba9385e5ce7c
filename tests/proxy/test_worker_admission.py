"""A source that is down at the start is served once its role was found fit, and never before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from proxy import worker as module
from proxy.catalog.shadow import shadow_cluster
from proxy.runtime.config import load
from proxy.sources import postgres_command
from proxy.sources.postgres_command import Command
from proxy.upkeep import StartRefused
from proxy.worker import Post, opened
from tests.live.gate import Gate, policy_set, prepared, serving

COUNT = "SELECT count(*) FROM shop.orders"
ATTEMPTS_MAX = 150


@dataclass
class Late:
    """A gate that started while its source was out of reach, and the way to let it in."""

    gate: Gate
    link: Path

    async def bring_up(self) -> None:
        self.link.symlink_to(self.gate.source.socket_directory)
        await self.gate.worker.upkeep.reload_catalogs()

    async def admin(self, sql: str) -> None:
        connection = await self.gate.source.connect("shop")
        await connection.execute(sql)
        await connection.close()

    async def ask(self) -> str:
        """`rows`, or the SQLSTATE of the refusal."""
        dsn = self.gate.dsn()
        try:
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                cursor = await connection.execute(COUNT)
                assert await cursor.fetchall() == [(1000,)]
        except psycopg.Error as error:
            return str(error.sqlstate)
        return "rows"

    async def until(self, expected: str) -> None:
        for _ in range(ATTEMPTS_MAX):
            if await self.ask() == expected:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"it was never answered with {expected}")


@asynccontextmanager
async def late() -> AsyncIterator[Late]:
    """The source is reached by a link that does not exist yet."""
    async with prepared() as files, shadow_cluster(files.directory / "shadow") as shadow:
        link = files.directory / "s"
        text = files.configuration.read_text()
        files.configuration.write_text(text.replace(str(files.source.socket_directory), str(link)))
        post = Post(0, shadow, files.directory / "post")
        policy = policy_set()
        async with opened(load(files.configuration), post, lambda _: (policy, ())) as worker:
            gate = files.gate(worker.port)
            gate.started = worker
            yield Late(gate, link)


async def test_a_source_that_comes_up_is_served() -> None:
    async with late() as found:
        assert await found.ask() == "42P01", "what was never read does not exist"
        await found.bring_up()
        await found.until("rows")


@pytest.mark.parametrize(
    ("grant", "mend"),
    [
        ("ALTER ROLE gate SUPERUSER", "ALTER ROLE gate NOSUPERUSER"),
        ("ALTER ROLE gate BYPASSRLS", "ALTER ROLE gate NOBYPASSRLS"),
        (
            "ALTER TABLE shop.orders OWNER TO gate",
            "ALTER TABLE shop.orders OWNER TO postgres; GRANT SELECT ON shop.orders TO gate",
        ),
    ],
)
async def test_a_mighty_role_is_not_served_however_late_it_comes(
    monkeypatch: pytest.MonkeyPatch, grant: str, mend: str
) -> None:
    monkeypatch.setattr(module, "ADMISSION_SECONDS", 0.1)
    async with late() as found:
        await found.admin(grant)
        await found.bring_up()
        seen = set()
        for _ in range(15):
            seen.add(await found.ask())
            await asyncio.sleep(0.1)
        assert seen == {"08006"}

        await found.admin(mend)
        await found.until("rows")


async def test_a_source_that_lets_the_gate_write_is_not_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        postgres_command, "begin", lambda *_: Command("BEGIN READ WRITE", ("BEGIN",))
    )
    with pytest.raises(StartRefused, match=r"source main: .*not read-only"):
        async with serving():
            raise AssertionError("it started")
