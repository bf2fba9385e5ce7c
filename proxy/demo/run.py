"""The demonstration, start to end: data, keys, configuration, gate, greeting, and a clean way out.

This file knows the order of things and nothing of their inside: no SQL, no policy, no protocol. The
gate is opened by a function it is given, the same one that `sallyport up` uses.

Theory of operation. Each step is an asynchronous context: what was started is stopped in reverse
order, however the run ends. The first SIGINT or SIGTERM ends it politely; a second one during the
clean-up is left to the default, which kills.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import asyncpg

from proxy.demo import company
from proxy.demo.configuration import configuration_text
from proxy.demo.issuer import DemoIssuer, IssuerError
from proxy.demo.principal import PRINCIPALS, SHOWN
from proxy.demo.state import State, StateError
from proxy.demo.terminal import Entrance, Progress, introduction
from proxy.runtime.config import ConfigurationError
from proxy.runtime.embedded import Cluster, ClusterError
from proxy.upkeep import StartRefused

HOST: Final = "127.0.0.1"
"""Loopback only: the demonstration's tokens are worth nothing elsewhere, and must stay so."""
PORT: Final = 15432
MAJOR: Final = 18

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1

OpenGate = Callable[[Path], AbstractAsyncContextManager[object]]
"""Opens the gate that the configuration file describes; it serves until the context is left."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line may choose. `port` 0: any free one; `port` None: PORT if it is free."""

    directory: Path
    token_command: tuple[str, ...]
    port: int | None = None


class DemoError(Exception):
    """The demonstration cannot go on; the message is for the terminal."""


# Their messages are written for the operator; everything else is a bug and shows its traceback.
_TOLD: Final = (
    ClusterError,
    ConfigurationError,
    DemoError,
    IssuerError,
    OSError,
    StartRefused,
    StateError,
)


async def run(options: Options, open_gate: OpenGate, stream: TextIO = sys.stderr) -> int:
    """Run until SIGINT or SIGTERM. Returns the exit code; every failure is one clear line."""
    progress = Progress(stream)
    ended = asyncio.Event()
    try:
        with _ended_by_signals(ended):
            async with _opened(options, open_gate, progress) as entrance:
                progress.say(introduction(entrance, [PRINCIPALS[name] for name in SHOWN]))
                await ended.wait()
                progress.say("ending: the gate drains, Postgres stops")
    except _TOLD as error:
        progress.say(f"error: {error}")
        return EXIT_FAILED
    except asyncpg.PostgresError as error:
        progress.say(f"error: the sample company could not be loaded: {error}")
        return EXIT_FAILED
    return EXIT_OK


@asynccontextmanager
async def _opened(
    options: Options, open_gate: OpenGate, progress: Progress
) -> AsyncIterator[Entrance]:
    """Everything, in its order; yields where the gate is."""
    state = State(options.directory)
    state.prepare()
    issuer = DemoIssuer.open(state.directory)
    port = _choose_port(options.port)
    cluster = Cluster(state.cluster, major=MAJOR, durable=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cluster.stop)
        with progress.step(f"embedded Postgres {MAJOR}"):
            await cluster.start()
        with progress.steps() as begin:
            await company.load(cluster.connect, gate_password=state.password(), progress=begin)
        with progress.step("web events as Parquet, targets as a spreadsheet"):
            await _write_files(state.files)
        state.configuration.write_text(
            configuration_text(
                state, issuer, listen=(HOST, port), socket_directory=cluster.socket_directory
            )
        )
        with progress.step("the gate"):
            await stack.enter_async_context(open_gate(state.configuration))
        yield Entrance(
            host=HOST,
            port=port,
            database=company.DATABASE,
            psql=cluster.pg_bin("psql"),
            token_command=options.token_command,
        )


async def _write_files(folder: Path) -> None:
    """Write the sample files, in a process of its own. Raises DemoError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.files.sample", str(folder)
    )
    if await process.wait() != 0:
        raise DemoError(f"the sample files cannot be written to {folder}")


def _choose_port(wanted: int | None) -> int:
    """The wanted port; without a wish the usual or any free one. Raises DemoError."""
    for candidate in (PORT if wanted is None else wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError as error:
                if wanted is not None:
                    raise DemoError(f"port {wanted} cannot be used: {error.strerror}") from error
                continue
            port: int = probe.getsockname()[1]
            return port
    raise DemoError("no free port on this machine")


@contextmanager
def _ended_by_signals(ended: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    watched = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        ended.set()
        for number in watched:
            loop.remove_signal_handler(number)

    for number in watched:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in watched:
            loop.remove_signal_handler(number)
