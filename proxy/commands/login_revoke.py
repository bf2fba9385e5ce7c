"""`sallyport token revoke` and `sallyport service revoke`."""

from __future__ import annotations

import argparse
import asyncio

from proxy.commands import login_line, state_access
from proxy.commands.outcome import EXIT_OK, give_json, tell
from proxy.runtime.state import register
from proxy.runtime.state.login import Kind


def run(arguments: argparse.Namespace) -> int:
    """End it. Raises CommandError."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with state_access.opened(arguments) as access:
        login = await register.revoke(
            access.connection,
            Kind(arguments.kind),
            arguments.name,
            by=access.operator,
            record=access.record,
        )
    if arguments.json:
        give_json(login_line.as_json(login))
    else:
        tell(login_line.line(login))
    return EXIT_OK
