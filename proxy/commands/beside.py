"""A sidecar as a process beside the gate: started, replaced when it dies, ended with it.

This file must not know what the sidecar does, nor import it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from proxy.runtime.tasks import spawn
from proxy.sources.backoff import Backoff

END_SECONDS_MAX = 15.0
"""For requests under way, before it is killed."""

_logger = structlog.get_logger("beside")


@asynccontextmanager
async def kept(name: str, command: Sequence[str]) -> AsyncIterator[None]:
    """Run `command` until the context is left. One that dies is started again, ever more slowly:
    the gate goes on without it."""
    keeper = spawn(_keep(name, command), name=name)
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _keep(name: str, command: Sequence[str]) -> None:
    backoff = Backoff()
    while True:
        process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
        try:
            code = await process.wait()
        finally:
            await _end(process)
        _logger.error("sidecar died", sidecar=name, exit_code=code)
        await asyncio.sleep(backoff.next_delay_s())


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
