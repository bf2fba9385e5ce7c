"""A day of operating it: readiness before the drain, levels, reloads, and a successor."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psycopg
import yaml

from tests.live.gate import Files, Gate, prepared

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 50
END_SECONDS_MAX = 30


class Running:
    """`sallyport gate` as a process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.endpoint_port = 0
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip())

    async def until(self, pattern: str, seconds: float = START_SECONDS_MAX) -> re.Match[str]:
        """Wait until a line says so."""
        async with asyncio.timeout(seconds):
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                assert self.process.returncode is None, self.lines
                await asyncio.sleep(0.05)

    async def ask(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.endpoint_port}{path}"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def running(files: Files, *arguments: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy.cli", "gate", "-c", str(files.configuration), *arguments),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    found = Running(process)
    try:
        await found.until("^serving on")
        port = await found.until(r"^metrics and readiness on port (\d+)")
        found.endpoint_port = int(port[1])
        yield found
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS_MAX):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(**listen: object) -> dict[str, object]:
    return {
        "listen": {"port": free_port(), "workers": 2, "drain_seconds_max": 2, **listen},
        "metrics": {"port": 0},
        "audit": {"directory": "audit", "mode": "fast"},
    }


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(END_SECONDS_MAX):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.05)


async def connect(gate: Gate) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True)


async def test_balancers_are_told_before_clients() -> None:
    given = settings(unready_seconds_min=3)
    async with prepared(**given) as files, running(files) as one:
        gate = files.gate(given["listen"]["port"])  # type: ignore[index]
        assert (await one.ask("/ready"))[0] == 200
        one.process.send_signal(signal.SIGTERM)
        status, text = 200, ""
        async with asyncio.timeout(END_SECONDS_MAX):
            while status == 200:
                status, text = await one.ask("/ready")
        assert json.loads(text)["reasons"] == ["it is draining"]
        # It says no, and still lets in whoever comes.
        client = await connect(gate)
        await client.execute("SELECT 1")
        await client.close()
        assert await one.process.wait() == 0


async def test_levels_and_the_configuration_at_run_time() -> None:
    given = settings()
    async with prepared(**given) as files, running(files) as one:
        os.kill(one.process.pid, signal.SIGUSR1)
        gate = files.gate(given["listen"]["port"])  # type: ignore[index]
        content = yaml.safe_load(files.configuration.read_text())
        content["log"] = {"level": "debug"}
        content["limits"] = {"sessions_max": 7}
        files.configuration.write_text(yaml.safe_dump(content))
        one.process.send_signal(signal.SIGHUP)
        await one.until(r"restart for these keys.*limits\.sessions_max")
        assert not any("log.level" in line for line in one.lines)
        files.configuration.write_text("nonsense: 1")
        one.process.send_signal(signal.SIGHUP)
        await one.until("configuration not reloaded.*nonsense")
        client = await connect(gate)
        await client.execute("SELECT 1")
        await client.close()
        assert (await one.ask("/health"))[0] == 200


async def test_a_successor_takes_over_and_nobody_is_dropped_or_refused() -> None:
    given = settings()
    async with prepared(**given) as files, running(files) as old:
        gate = files.gate(given["listen"]["port"])  # type: ignore[index]
        living = [await connect(gate) for _ in range(4)]
        is_over, count = asyncio.Event(), 0

        async def knock() -> None:
            """New clients, one after the other; each must be let in and answered."""
            nonlocal count
            while not is_over.is_set():
                client = await connect(gate)
                await client.execute("SELECT count(*) FROM shop.orders")
                await client.close()
                count += 1

        async with asyncio.TaskGroup() as group:
            knocking = [group.create_task(knock()) for _ in range(3)]
            async with running(files, "--take-over", str(old.process.pid)) as new:
                await old.until("handing over")
                before = count
                await until(lambda: count >= before + 30)
                for client in living:  # the old one's sessions go on
                    told = await client.execute("SELECT count(*) FROM shop.orders")
                    assert await told.fetchone() == (1000,)
                assert old.process.returncode is None
                for client in living:
                    await client.close()
                async with asyncio.timeout(END_SECONDS_MAX):
                    assert await old.process.wait() == 0
                after_old = count
                await until(lambda: count >= after_old + 10)
                assert (await new.ask("/ready"))[0] == 200
                is_over.set()
                await asyncio.wait(knocking)
        logs = sorted(path.name for path in (files.directory / "audit").iterdir())

    assert [name for name in logs if name.endswith("-next")] == ["gate-0-next", "gate-1-next"]
