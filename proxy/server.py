"""A whole gate: the shadow cluster, and one worker process per core behind one port.

This file must not know what a worker is made of. Workers share nothing but the port
(SO_REUSEPORT), the shadow cluster and a private directory for cancel requests.

Theory of operation. A worker is a child process that takes its instructions as one line of JSON on
standard input, answers `ready <port>` or `refused <why>` on standard output, and lives until
standard input ends: so it drains when told to stop, and also when its parent dies. `reload` on
standard input makes it read policies and schemas again, and `report` is answered by `report <JSON>`
with its figures, which are added up for operators. A worker that dies is started again, ever
more slowly while it keeps dying. The port is reserved by a bound socket that never listens.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from proxy.catalog.shadow import shadow_cluster
from proxy.child import Child
from proxy.operations import Operations
from proxy.runtime.config import Configuration, State, load
from proxy.runtime.embedded import Cluster
from proxy.runtime.endpoint import Endpoint
from proxy.runtime.state.cluster import running
from proxy.runtime.state.database import prepare
from proxy.runtime.state.place import StateError, StatePlace, StateUnreachable
from proxy.runtime.tasks import spawn
from proxy.shadow_keeper import keep_alive
from proxy.upkeep import StartRefused
from proxy.worker_process import RELOAD, Instructions

PREPARE_SECONDS = 5.0
"""Between attempts to prepare a state database that could not be reached at the start."""

_logger = structlog.get_logger("server")


@dataclass(slots=True)
class Server:
    """A serving gate. `port` is the one that clients connect to, `shadow` answers for the catalog
    to all workers."""

    port: int
    workers: list[Child]
    shadow: Cluster
    operations: Operations
    endpoint_port: int = 0
    """Where metrics and readiness are told; 0: nowhere."""

    def reload(self) -> None:
        """Tell all workers to read policies and schemas again (SIGHUP)."""
        for worker in self.workers:
            worker.tell(RELOAD)


@asynccontextmanager
async def opened(
    configuration_file: Path, *, is_demonstration: bool = False
) -> AsyncIterator[Server]:
    """A gate that serves until the context is left, draining its clients.

    Raises StartRefused, ConfigurationError, ClusterError, OSError.
    """
    configuration = load(configuration_file, is_demonstration=is_demonstration)
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sallyport-")))
        place = None
        if configuration.state is not None:
            place = await _state(configuration.state, stack)
        cluster = shadow_cluster(configuration.shadow.directory or scratch / "shadow")
        stack.push_async_callback(cluster.stop)
        await cluster.start()
        keeper = spawn(keep_alive(cluster), name="catalog server")
        stack.push_async_callback(_cancelled, keeper)
        port = _reserve(configuration, stack)
        workers: list[Child] = []
        operations = Operations(workers, lambda: cluster.is_running)
        server = Server(port, workers, cluster, operations)
        for number in range(worker_count(configuration)):
            child = Child(
                replace(
                    _instructions(configuration_file, cluster, scratch, port, is_demonstration),
                    number=number,
                    state=None if place is None else asdict(place),
                ),
                configuration.listen.drain_seconds_max,
            )
            server.workers.append(child)
        stack.push_async_callback(_stop_all, server.workers)
        # The first alone: it prepares the shadow's template, and a refusal is told once.
        await server.workers[0].start()
        await asyncio.gather(*(worker.start() for worker in server.workers[1:]))
        for worker in server.workers:
            worker.keep()
        server.endpoint_port = await _tell(configuration, operations, stack)
        yield server


async def _tell(configuration: Configuration, operations: Operations, stack: AsyncExitStack) -> int:
    """Open the listener for operators, if there is to be one. Raises OSError."""
    wanted = configuration.metrics
    if wanted is None:
        return 0
    endpoint = Endpoint(operations.paths())
    port = await endpoint.open(wanted.host, wanted.port)
    stack.push_async_callback(endpoint.close)
    return port


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def worker_count(configuration: Configuration) -> int:
    """As configured, or one for each core that this process may use."""
    return configuration.listen.workers or len(os.sched_getaffinity(0))


async def _state(state: State, stack: AsyncExitStack) -> StatePlace:
    """The state database, running where it is ours, and up to date. Raises StartRefused.

    One that cannot be reached does not keep the gate from starting: those who need it are refused
    until it is there.
    """
    try:
        place = await stack.enter_async_context(running(state))
        await prepare(place)
    except StateUnreachable as error:
        _logger.error("state database not prepared", reason=str(error))
        later = spawn(_prepare_later(place), name="state")
        stack.callback(later.cancel)
    except StateError as error:
        raise StartRefused(f"state: {error}") from error
    return place


async def _prepare_later(place: StatePlace) -> None:
    told = ""
    while True:
        await asyncio.sleep(PREPARE_SECONDS)
        try:
            await prepare(place)
        except StateError as error:
            if str(error) != told:
                _logger.error("state database not prepared", reason=str(error))
            told = str(error)
        else:
            _logger.info("state database prepared")
            return


async def _stop_all(workers: list[Child]) -> None:
    await asyncio.gather(*(worker.stop() for worker in workers))


def _instructions(
    configuration_file: Path,
    cluster: Cluster,
    directory: Path,
    port: int,
    is_demonstration: bool,
) -> Instructions:
    return Instructions(
        configuration=str(configuration_file.absolute()),
        is_demonstration=is_demonstration,
        number=0,
        port=port,
        directory=str(directory),
        shadow_socket=str(cluster.socket_path),
        shadow_password_file=str(cluster.directory / "password"),
    )


def _reserve(configuration: Configuration, stack: AsyncExitStack) -> int:
    """Bind the port without listening, so that all workers can share it. Raises OSError."""
    listen = configuration.listen
    family, kind, protocol, _, address = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    _refuse_taken(family, address)
    reserved = stack.enter_context(socket.socket(family, kind, protocol))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(address)
    port: int = reserved.getsockname()[1]
    return port


def _refuse_taken(family: int, address: tuple[object, ...]) -> None:
    """SO_REUSEPORT would let two gates of one user share a port, and split the clients."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
