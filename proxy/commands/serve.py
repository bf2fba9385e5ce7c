"""`sallyport up` and `sallyport gate`: the gate that a configuration describes, until it is told to
end.

This file must not know what a gate is made of. It never tells the configuration's reader that a
demonstration is meant, so the demonstration's issuer and keys are refused here.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path

from proxy import server
from proxy.commands import mcp, python
from proxy.commands.beside import kept
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, CommandError, tell
from proxy.runtime import log
from proxy.runtime.config import Configuration, ConfigurationError, load
from proxy.runtime.embedded import ClusterError
from proxy.runtime.tasks import spawn
from proxy.upkeep import StartRefused


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. Raises CommandError when it must not, or cannot, start."""
    try:
        configuration = load(arguments.configuration)
    except ConfigurationError as error:
        raise CommandError(str(error)) from error
    log.configure(configuration.log.level, configuration.log.format)
    try:
        asyncio.run(_all(arguments, configuration))
    except (StartRefused, ClusterError) as error:
        raise CommandError(str(error), EXIT_PROBLEMS) from error
    return EXIT_OK


async def _all(arguments: argparse.Namespace, configuration: Configuration) -> None:
    """The gate, and with `up` what else the configuration names."""
    async with AsyncExitStack() as stack:
        told: dict[str, object] = {"configuration": str(arguments.configuration.absolute())}
        if arguments.has_sidecars and configuration.mcp is not None:
            await stack.enter_async_context(kept("mcp", mcp.command_line(told)))
        if arguments.has_sidecars and configuration.python is not None:
            await stack.enter_async_context(kept("python", python.command_line(told)))
        await _serve(arguments.configuration, configuration, arguments.take_over)


async def _serve(file: Path, configuration: Configuration, predecessor: int | None) -> None:
    ended, left = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    # Until there is somebody to tell, these must not end the process.
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        loop.add_signal_handler(number, lambda: None)
    tell("starting: shadow Postgres, sources, policies")
    async with server.opened(file, predecessor=predecessor) as gate:
        loop.add_signal_handler(signal.SIGHUP, gate.reload)
        loop.add_signal_handler(signal.SIGQUIT, left.set)
        loop.add_signal_handler(signal.SIGUSR1, gate.log_level, "debug")
        loop.add_signal_handler(signal.SIGUSR2, gate.log_level)
        tell(f"serving on {configuration.listen.host}:{gate.port}")
        if gate.endpoint_port:
            tell(f"metrics and readiness on port {gate.endpoint_port}")
        await _first(ended, left)
        if not ended.is_set():
            tell("handing over: sessions end when their clients leave")
            await _either(gate.hand_over(), ended)
        else:
            await gate.unready()
        tell(f"ending: clients get {configuration.listen.drain_seconds_max:g} s to finish")


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [spawn(event.wait(), name="signal") for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _either(work: Coroutine[None, None, None], ended: asyncio.Event) -> None:
    """Do `work`, unless the end is asked for meanwhile."""
    task = spawn(work, name="hand-over")
    waiting = spawn(ended.wait(), name="signal")
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    for one in (task, waiting):
        one.cancel()
