"""A process beside the gate: kept running, and ended."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from proxy.commands.beside import kept

SECONDS_MAX = 20


def sidecar(directory: Path, then: str) -> list[str]:
    """A program that leaves its process id in a file of its own."""
    text = f"import os, time; open(f'{directory}/{{os.getpid()}}', 'w').close(); {then}"
    return [sys.executable, "-c", text]


def process_ids(directory: Path) -> list[int]:
    return [int(path.name) for path in directory.iterdir()]


def is_alive(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


async def until_started(directory: Path, times: int) -> list[int]:
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            found = process_ids(directory)
            if len(found) >= times:
                return found
            await asyncio.sleep(0.05)


async def test_it_ends_with_the_gate(tmp_path: Path) -> None:
    async with kept("test", sidecar(tmp_path, "time.sleep(600)")):
        (process_id,) = await until_started(tmp_path, 1)
        assert is_alive(process_id)

    assert not is_alive(process_id)


async def test_one_that_dies_is_started_again(tmp_path: Path) -> None:
    async with kept("test", sidecar(tmp_path, "os._exit(3)")):
        found = await until_started(tmp_path, 2)

    assert len(set(found)) >= 2
    assert os.getpid() not in found
