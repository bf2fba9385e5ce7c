"""`sallyport service rotate`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import timedelta

from proxy.commands import login_line, state_access
from proxy.commands.outcome import EXIT_OK
from proxy.runtime.state import register
from proxy.runtime.state.login import Kind


def run(arguments: argparse.Namespace) -> int:
    """Make a further secret and show it. Raises CommandError."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with state_access.opened(arguments) as access:
        login, secret = await register.rotate(
            access.connection,
            Kind(arguments.kind),
            arguments.name,
            overlap=timedelta(hours=arguments.overlap_hours),
            lifetime=timedelta(days=arguments.days),
            record=access.record,
        )
        login_line.show_once(login, secret, is_json=arguments.json)
    return EXIT_OK
