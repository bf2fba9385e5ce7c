"""`sallyport policy history`: what became of every policy that was offered."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict

from proxy.commands import state_access
from proxy.commands.outcome import EXIT_OK, give, give_json, tell
from proxy.runtime.state.history import PolicyLoad, history

DIGEST_CHARACTERS = 12
"""Of digests for eyes; --json has them whole."""


def run(arguments: argparse.Namespace) -> int:
    """List the last loads, the newest first. Raises CommandError."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with state_access.opened(arguments) as access:
        loads = await history(access.connection, max(1, arguments.number))
    for load in loads:
        if arguments.json:
            give_json({**asdict(load), "at": load.at.isoformat(timespec="milliseconds")})
        else:
            give("\n".join(_lines(load)))
    if not loads:
        tell("no policy was loaded yet")
    return EXIT_OK


def _lines(load: PolicyLoad) -> list[str]:
    verdict = "accepted" if load.is_accepted else "refused"
    before, after = load.version_before[:DIGEST_CHARACTERS], load.version_after[:DIGEST_CHARACTERS]
    moment = load.at.isoformat(timespec="seconds")
    lines = [
        f"{moment}  {verdict}  {before or '-'} -> {after or '-'}"
        f"  digest {load.digest[:DIGEST_CHARACTERS]}  on {load.host}"
    ]
    for file in load.files:
        if file.change:
            whose = f" by {file.owner} at {file.modified_at}" if file.owner else ""
            lines.append(f"    {file.change} {file.path}{whose}")
    lines += [f"    {text}" for text in load.reason.splitlines()]
    return lines
