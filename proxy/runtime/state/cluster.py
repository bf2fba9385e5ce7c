"""The state database's server: the operator's own, or an embedded cluster with full durability.

This file must not know tables. Theory of operation: the embedded cluster belongs to the one process
that holds its lock, usually `sallyport up`. A command that comes beside it finds the socket's
folder and the password in the cluster's directory, which only its user can read; a command that
comes while nothing runs starts it, and stops it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from proxy.runtime.config_model import State
from proxy.runtime.embedded import DEFAULT_PORT, SUPERUSER, Cluster, ClusterError
from proxy.runtime.state.place import DATABASE, StateError, StatePlace

MAJOR: Final = 18
"""Supported longest among those that the wheel brings."""


@asynccontextmanager
async def running(state: State) -> AsyncIterator[StatePlace]:
    """The state database's place; an embedded cluster runs, as this process's own, meanwhile.

    Raises StateError, also when another process runs the embedded cluster.
    """
    if state.directory is None:
        yield StatePlace.configured(state)
        return
    cluster = Cluster(state.directory, major=MAJOR, durable=True)
    try:
        await cluster.start()
    except ClusterError as error:
        raise StateError(str(error)) from error
    try:
        await _ensure_database(cluster)
        yield _place(state.directory, cluster.socket_directory)
    finally:
        await cluster.stop()


@asynccontextmanager
async def reached(state: State) -> AsyncIterator[StatePlace]:
    """The same for a command: beside the process that runs the cluster, or alone."""
    if state.directory is not None:
        place = _of_another_process(state.directory)
        if place is not None and await _answers(place):
            yield place
            return
    async with running(state) as place:
        yield place


def _place(directory: Path, sockets: Path) -> StatePlace:
    return StatePlace.of_socket(
        sockets, DEFAULT_PORT, user=SUPERUSER, password_file=(directory / "password").absolute()
    )


def _of_another_process(directory: Path) -> StatePlace | None:
    try:
        sockets = Path((directory / "socket-directory").read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot look into {directory}: {error.strerror}") from error
    return _place(directory, sockets)


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
