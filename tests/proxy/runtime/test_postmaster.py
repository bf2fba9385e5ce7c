"""Who works in a data directory, and that a killed postmaster leaves nobody behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg

from proxy.runtime.embedded import Cluster
from proxy.runtime.postmaster import is_postmaster, process_ids_in, stop_left_behind

BUSY = "SELECT count(*) FROM generate_series(1, 1000000000) g WHERE g < 0"


async def test_a_busy_process_does_not_outlive_its_postmaster(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "c", durable=True)
    await cluster.start()
    data = tmp_path / "c" / "data"
    connection = await cluster.connect()
    busy = connection.get_server_pid()
    running = asyncio.ensure_future(connection.execute(BUSY))
    for _ in range(600):
        if await _is_running(cluster, busy):
            break
        await asyncio.sleep(0.05)
    victim = cluster.process_id
    assert victim is not None
    assert is_postmaster(victim, data)
    assert {busy, victim} <= set(process_ids_in(data))

    os.kill(victim, signal.SIGKILL)
    await cluster.wait()
    assert not is_postmaster(victim, data)
    assert busy in process_ids_in(data), "it works on"
    await cluster.revive()  # which it would prevent

    assert busy not in process_ids_in(data)
    assert (await asyncio.gather(running, return_exceptions=True))[0] is not None
    await cluster.stop()


async def _is_running(cluster: Cluster, process_id: int) -> bool:
    admin: asyncpg.Connection = await cluster.connect()
    query = "SELECT state = 'active' AND query ~ 'generate' FROM pg_stat_activity WHERE pid = $1"
    found = await admin.fetchval(query, process_id)
    await admin.close()
    return bool(found)


async def test_nobody_is_left(tmp_path: Path) -> None:
    assert process_ids_in(tmp_path) == []
    await stop_left_behind(tmp_path, 1.0, 0.02)


def test_no_postmaster(tmp_path: Path) -> None:
    assert not is_postmaster(0, tmp_path)
    assert not is_postmaster(os.getpid(), tmp_path)
    assert not is_postmaster(2**22 + 1, tmp_path)
