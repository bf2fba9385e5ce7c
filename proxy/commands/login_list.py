"""`sallyport token list` and `sallyport service list`."""

from __future__ import annotations

import argparse
import asyncio

from proxy.commands import login_line, state_access
from proxy.commands.outcome import EXIT_OK, give, give_json, tell
from proxy.runtime.state import register
from proxy.runtime.state.login import Kind


def run(arguments: argparse.Namespace) -> int:
    """List them, the oldest first. Raises CommandError."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    kind = Kind(arguments.kind)
    async with state_access.opened(arguments) as access:
        found = await register.listed(access.connection, kind, arguments.subject)
    for login in found:
        if arguments.json:
            give_json(login_line.as_json(login))
        else:
            give(login_line.line(login))
    if not found:
        tell(f"no {kind.value} yet: sallyport {kind.value} create --help")
    return EXIT_OK
