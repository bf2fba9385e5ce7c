"""Spawned tasks are held until they end, and a crash is heard of."""

from __future__ import annotations

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from proxy.runtime.tasks import running, spawn


async def test_a_task_nobody_else_holds_survives_collection() -> None:
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()

    spawn(work(), "kept")
    gc.collect()
    assert "kept" in running()
    async with asyncio.timeout(1):
        await done.wait()
    await asyncio.sleep(0)
    assert "kept" not in running()


async def test_a_crash_is_logged_once_with_its_name_and_cause() -> None:
    async def work() -> None:
        raise RuntimeError("boom")

    with capture_logs() as lines:
        task = spawn(work(), "fragile")
        await asyncio.wait([task])
        await asyncio.sleep(0)
    [line] = lines
    assert (line["event"], line["task"]) == ("task crashed", "fragile")
    assert str(line["exc_info"]) == "boom"
    with pytest.raises(RuntimeError):
        await task


async def test_results_and_cancellation_are_not_crashes() -> None:
    async def answer() -> int:
        return 42

    with capture_logs() as lines:
        assert await spawn(answer(), "fine") == 42
        endless = spawn(asyncio.sleep(60), "cancelled")
        await asyncio.sleep(0)
        endless.cancel()
        await asyncio.wait([endless])
        await asyncio.sleep(0)
    assert lines == []
    assert "cancelled" not in running()
