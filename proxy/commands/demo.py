"""`sallyport demo`: the demonstration, with the same gate that `sallyport up` opens."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from proxy import server
from proxy.demo.run import DemoError, Options
from proxy.demo.run import run as run_demonstration
from proxy.demo.state import default_directory
from proxy.upkeep import StartRefused


def run(arguments: argparse.Namespace) -> int:
    """Run until Ctrl-C. Returns the exit code."""
    options = Options(
        directory=arguments.state.absolute(),
        token_command=token_command(arguments),
        port=arguments.port,
    )
    return asyncio.run(run_demonstration(options, _gate))


def token_command(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What makes tokens for this demonstration, wherever it is typed."""
    installed = Path(sys.executable).with_name("sallyport")
    own = (str(installed),) if installed.exists() else (sys.executable, "-m", "proxy.cli")
    if arguments.state == default_directory(os.environ):
        return (*own, "token")
    return (*own, "token", "--state", str(arguments.state.absolute()))


@asynccontextmanager
async def _gate(configuration: Path) -> AsyncIterator[None]:
    try:
        async with server.opened(configuration, is_demonstration=True):
            yield
    except StartRefused as refused:
        raise DemoError(str(refused)) from refused
