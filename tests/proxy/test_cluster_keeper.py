"""A real catalog server that is killed comes back at the same place, and not in a hurry."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from proxy.catalog.shadow import shadow_cluster
from proxy.cluster_keeper import keep_alive
from proxy.runtime.embedded import Cluster
from proxy.runtime.installation import ClusterError
from proxy.sources.backoff import Backoff

ATTEMPTS_MAX = 300


async def answer(cluster: Cluster, other_than: int) -> int:
    """The new postmaster's process id, once it answers."""
    for _ in range(ATTEMPTS_MAX):
        found = cluster.process_id
        if found is not None and found != other_than:
            try:
                connection = await cluster.connect()
            except (OSError, asyncpg.PostgresError):
                pass
            else:
                assert await connection.fetchval("SELECT 1") == 1
                await connection.close()
                return found
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come back")


async def test_it_comes_back_each_time(tmp_path: Path) -> None:
    async with shadow_cluster(tmp_path / "shadow") as cluster:
        place = cluster.socket_path
        keeper = asyncio.ensure_future(keep_alive(cluster, "catalog server", Backoff(first_s=0.01)))
        try:
            for _ in range(2):
                victim = cluster.process_id
                assert victim is not None
                os.kill(victim, signal.SIGKILL)
                await answer(cluster, victim)
                assert cluster.socket_path == place
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


class Doomed:
    """Dies at once, and cannot be started."""

    def __init__(self) -> None:
        self.attempts = 0

    async def wait(self) -> int | None:
        return 1

    async def revive(self) -> None:
        self.attempts += 1
        raise ClusterError("no room")


async def test_what_cannot_be_started_is_tried_ever_more_slowly() -> None:
    doomed, delays = Doomed(), list[float]()

    def uniform(low: float, high: float) -> float:
        delays.append(high)
        return 0.0

    with capture_logs() as logs:
        keeper = asyncio.ensure_future(
            keep_alive(doomed, "catalog server", Backoff(uniform=uniform))
        )
        for _ in range(100):
            await asyncio.sleep(0)
        keeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeper

    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    told = {"event": "catalog server not started", "reason": "no room"}
    assert any(told.items() <= line.items() for line in logs)
