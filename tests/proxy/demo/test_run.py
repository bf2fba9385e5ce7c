"""The whole demonstration with a stand-in for the gate: its order, its failures, its ends."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from proxy.demo import company
from proxy.demo.run import EXIT_FAILED, EXIT_OK, HOST, Options, run
from proxy.demo.state import State
from proxy.runtime.config import load
from proxy.runtime.embedded import Cluster
from proxy.upkeep import StartRefused

START_SECONDS_MAX = 60


class StandIn:
    """Opens like the gate; meanwhile does what a test asks, then sends `ending` to this process."""

    def __init__(self, ending: signal.Signals = signal.SIGTERM) -> None:
        self.ending = ending
        self.rows = 0
        self.port = 0
        self.is_open = False
        self.was_drained = False

    @asynccontextmanager
    async def __call__(self, configuration_file: Path) -> AsyncIterator[None]:
        configuration = load(configuration_file, is_demonstration=True)
        self.port = configuration.listen.port
        (source,) = configuration.databases
        assert source.password is not None
        assert source.password.file is not None
        connection = await asyncpg.connect(
            host=source.hosts[0],
            user=source.user,
            password=source.password.file.read_text(),
            database=source.database,
            ssl=False,
        )
        self.rows = await connection.fetchval("select count(*) from sales.customers")
        await connection.close()
        self.is_open = True
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), self.ending)
        yield
        self.was_drained = True


def options(directory: Path, port: int | None = 0) -> Options:
    return Options(directory, ("sallyport", "token"), port)


async def test_from_nothing_to_a_greeting_twice(tmp_path: Path) -> None:
    loading = "12,000 customers"
    for number, ending in enumerate((signal.SIGTERM, signal.SIGINT)):
        gate, stream = StandIn(ending), io.StringIO()
        async with asyncio.timeout(START_SECONDS_MAX):
            assert await run(options(tmp_path / "state"), gate, stream) == EXIT_OK
        text = stream.getvalue()
        assert gate.rows == 12_000
        assert gate.was_drained
        assert f"{HOST}:{gate.port}" in text
        assert text.count("PGPASSWORD=") == 3
        assert (loading in text) == (number == 0), "the company is loaded once"
        assert not (tmp_path / "state" / "cluster" / "data" / "postmaster.pid").exists()


async def test_a_second_demonstration_is_told_of_the_first(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    async with Cluster(state.cluster, major=18, durable=True):
        stream = io.StringIO()
        assert await run(options(tmp_path), StandIn(), stream) == EXIT_FAILED
    assert "error: another process runs the cluster" in stream.getvalue()


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        stream = io.StringIO()
        assert await run(options(tmp_path, port), StandIn(), stream) == EXIT_FAILED
    assert f"error: port {port} cannot be used" in stream.getvalue()


async def test_a_gate_that_does_not_open_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*arguments: object, **options: object) -> bool:
        return False

    monkeypatch.setattr(company, "load", nothing)

    @asynccontextmanager
    async def broken(configuration_file: Path) -> AsyncIterator[None]:
        raise StartRefused("no gate today")
        yield

    stream = io.StringIO()
    assert await run(options(tmp_path), broken, stream) == EXIT_FAILED
    assert stream.getvalue().endswith(" failed\nerror: no gate today\n")
    assert not (tmp_path / "cluster" / "data" / "postmaster.pid").exists()
    assert asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM) is False
