"""Keeps a disposable Postgres alive: it is started again, ever more slowly while it keeps dying.

The catalog's and the merge engine's are kept. This file must not know what is in them. While one is
away the workers tell 57P03 for whatever needs it; they build its content again when they next ask
it something.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from proxy.runtime.installation import ClusterError
from proxy.sources.backoff import Backoff

SOUND_SECONDS = 60.0
"""Who lived so long died of something new: the next start need not wait."""

_logger = structlog.get_logger("cluster")


class Mortal(Protocol):
    """What is kept: `runtime.embedded.Cluster`."""

    async def wait(self) -> int | None: ...
    async def revive(self) -> None: ...


async def keep_alive(cluster: Mortal, name: str, backoff: Backoff | None = None) -> None:
    """Run for ever, until cancelled. `cluster` has been started; the log calls it `name`."""
    loop = asyncio.get_running_loop()
    delays = backoff or Backoff()
    while True:
        began = loop.time()
        code = await cluster.wait()
        if loop.time() - began > SOUND_SECONDS:
            delays.reset()
        delay = delays.next_delay_s()
        _logger.error(f"{name} died", exit_code=code, retry_seconds=round(delay, 2))
        await asyncio.sleep(delay)
        try:
            await cluster.revive()
        except (ClusterError, OSError) as error:
            _logger.error(f"{name} not started", reason=str(error))
        else:
            _logger.warning(f"{name} started again")
