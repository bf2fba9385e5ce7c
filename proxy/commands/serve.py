"""`sallyport up` and `sallyport gate`: the gate that a configuration describes, until it is told to
end.

This file must not know what a gate is made of. It never tells the configuration's reader that a
demonstration is meant, so the demonstration's issuer and keys are refused here.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from proxy import server
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, CommandError, tell
from proxy.runtime import log
from proxy.runtime.config import Configuration, ConfigurationError, load
from proxy.runtime.embedded import ClusterError
from proxy.upkeep import StartRefused


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. Raises CommandError when it must not, or cannot, start."""
    try:
        configuration = load(arguments.configuration)
    except ConfigurationError as error:
        raise CommandError(str(error)) from error
    log.configure(configuration.log.level, configuration.log.format)
    try:
        asyncio.run(_serve(arguments.configuration, configuration))
    except (StartRefused, ClusterError) as error:
        raise CommandError(str(error), EXIT_PROBLEMS) from error
    return EXIT_OK


async def _serve(file: Path, configuration: Configuration) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    # Until there is somebody to tell, SIGHUP must not end the process.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    tell("starting: shadow Postgres, sources, policies")
    async with server.opened(file) as gate:
        loop.add_signal_handler(signal.SIGHUP, gate.reload)
        tell(f"serving on {configuration.listen.host}:{gate.port}")
        await ended.wait()
        tell(f"ending: clients get {configuration.listen.drain_seconds_max:g} s to finish")
