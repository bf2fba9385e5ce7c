"""The state database's server: the operator's own, or an embedded cluster with full durability.

This file must not know tables. Theory of operation: the embedded cluster belongs to the one process
that holds its lock, usually `sallyport up`. A command that comes beside it finds the socket's
folder and the password in the cluster's directory, which only its user can read; a command that
comes while nothing runs starts it, and stops it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from proxy.runtime.config_model import State
from proxy.runtime.embedded import Cluster, ClusterError
from proxy.runtime.state.place import DATABASE, StateError, StatePlace
from proxy.runtime.tasks import spawn

MAJOR: Final = 18
"""Supported longest among those that the wheel brings."""
RETRY_SECONDS: Final = 0.3
"""Between attempts to start it: logins by token are refused meanwhile."""

_logger = structlog.get_logger("state")


@asynccontextmanager
async def running(state: State, *, is_successor: bool = False) -> AsyncIterator[StatePlace]:
    """The state database's place; an embedded cluster runs, as this process's own, meanwhile.

    It is started again when it dies. A successor uses what its predecessor runs, and starts it
    when the predecessor has let go; for that moment the database is away. Raises StateError, also
    when another process runs the cluster and this is no successor.
    """
    if state.directory is None:
        yield StatePlace.configured(state)
        return
    cluster = Cluster(state.directory, major=MAJOR, durable=True)
    try:
        await cluster.start()
        await _ensure_database(cluster)
    except ClusterError as error:
        if not is_successor:
            await cluster.stop()
            raise StateError(str(error)) from error
    except BaseException:
        await cluster.stop()
        raise
    keeper = spawn(_keep(cluster), name="state database")
    try:
        yield StatePlace.of_cluster(state.directory)
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await cluster.stop()


async def _keep(cluster: Cluster) -> None:
    """Start it when somebody else has let go of it, and again when it dies; for ever."""
    is_ours = cluster.is_running
    while True:
        if cluster.is_running:
            code = await cluster.wait()
            _logger.error("state database died", exit_code=code)
        await asyncio.sleep(RETRY_SECONDS)
        try:
            await (cluster.revive() if is_ours else cluster.start())
            if not is_ours:
                await _ensure_database(cluster)
            is_ours = True
            _logger.info("state database started")
        except (ClusterError, StateError, OSError) as error:
            _logger.debug("state database not started", reason=str(error))


@asynccontextmanager
async def reached(state: State) -> AsyncIterator[StatePlace]:
    """The same for a command: beside the process that runs the cluster, or alone."""
    if state.directory is not None:
        place = StatePlace.of_cluster(state.directory)
        if await _answers(place):
            yield place
            return
    async with running(state) as place:
        yield place


async def _answers(place: StatePlace) -> bool:
    try:
        connection = await place.connect()
    except StateError:
        return False  # left behind by a process that crashed
    await connection.close()
    return True


async def _ensure_database(cluster: Cluster) -> None:
    connection = await cluster.connect()
    try:
        found = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE)
        if found is None:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    except asyncpg.PostgresError as error:
        raise StateError(f"the state database cannot be made: {error}") from error
    finally:
        await connection.close()
