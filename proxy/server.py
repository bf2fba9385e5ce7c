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
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from proxy import port as ports
from proxy.catalog.shadow import shadow_cluster
from proxy.child import Child, launch
from proxy.cluster_keeper import keep_alive
from proxy.federation.engine import merge_cluster
from proxy.operations import Operations
from proxy.runtime import log
from proxy.runtime.config import Configuration, ConfigurationError, State, load
from proxy.runtime.config_change import changed_keys, needs_restart
from proxy.runtime.embedded import Cluster, ClusterError
from proxy.runtime.endpoint import Endpoint
from proxy.runtime.state.cluster import running
from proxy.runtime.state.database import prepare
from proxy.runtime.state.place import StateError, StatePlace, StateUnreachable
from proxy.runtime.tasks import spawn
from proxy.shadow_major import merge_major, shadow_major
from proxy.upkeep import StartRefused
from proxy.worker_process import LOG, RELEASE, RELOAD, SHARE, Instructions

SUCCESSION_POLL_SECONDS = 0.1
SUCCESSION_POLLS_MAX = 300
"""From telling a predecessor to hand over until it no longer listens: half a minute."""

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
    configuration: Configuration
    is_demonstration: bool = False
    merge: Cluster | None = None
    """What joins the rows of several sources, if there are several."""
    endpoint_port: int = 0
    """Where metrics and readiness are told; 0: nowhere."""

    def reload(self) -> None:
        """Read the configuration again, and tell all workers to read policies and schemas again
        (SIGHUP). What needs a restart is told, and stays as it is."""
        for worker in self.workers:
            worker.tell(RELOAD)
        running = self.configuration
        try:
            found = load(running.file, is_demonstration=self.is_demonstration)
        except ConfigurationError as error:
            _logger.error("configuration not reloaded", reason=str(error))
            return
        changed = changed_keys(running, found)
        waiting = needs_restart(changed)
        if waiting:
            _logger.warning("configuration changed: restart for these keys", keys=waiting)
        if len(changed) > len(waiting):
            self.configuration = replace(running, log=found.log)
            self.log_level(found.log.level)

    def log_level(self, level: log.Level | None = None) -> None:
        """Log from `level` on, here and in the workers; None: as configured."""
        chosen = level or self.configuration.log.level
        log.configure(chosen, self.configuration.log.format)
        for worker in self.workers:
            worker.tell(f"{LOG} {chosen}")

    async def unready(self) -> None:
        """Say no to balancers, and give them time to notice, before a client is told to go."""
        self.operations.is_draining = True
        await asyncio.sleep(self.configuration.listen.unready_seconds_min)

    async def hand_over(self) -> None:
        """Leave the port to a successor: accept nobody, and wait until the last client has left."""
        self.operations.is_draining = True
        for worker in self.workers:
            worker.tell(RELEASE)
        try:
            async with asyncio.timeout(self.configuration.listen.hand_over_seconds_max):
                await asyncio.gather(*(worker.ended() for worker in self.workers))
        except TimeoutError:
            _logger.warning("clients are still here: they drain now")


@asynccontextmanager
async def opened(
    configuration_file: Path, *, is_demonstration: bool = False, predecessor: int | None = None
) -> AsyncIterator[Server]:
    """A gate that serves until the context is left, draining its clients.

    `predecessor` is the process id of a gate on the same port, which is told to hand over (SIGQUIT)
    once this one serves.

    Raises StartRefused, ConfigurationError, ClusterError, OSError.
    """
    configuration = load(configuration_file, is_demonstration=is_demonstration)
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sallyport-")))
        # They read their program while the clusters start.
        launched = [await launch() for _ in range(worker_count(configuration))]
        stack.push_async_callback(_dismiss, launched)
        place = None
        if configuration.state is not None:
            place = await _state(configuration.state, stack, is_successor=predecessor is not None)
        kept = partial(_kept, stack=stack, is_successor=predecessor is not None)
        directory = configuration.shadow.directory or scratch / "shadow"
        major = await shadow_major(configuration)
        shadow = partial(shadow_cluster, major=major)
        cluster = await kept(shadow, directory, "catalog server")
        merge = None
        if len(configuration.sources) > 1 or configuration.folders:
            directory = configuration.federation.directory or scratch / "merge"
            merging = _merging(configuration, await merge_major(configuration))
            merge = await kept(merging, directory, "merge engine")
        listen = configuration.listen
        reserved = ports.reserve(listen.host, listen.port, is_taken_over=predecessor is not None)
        port = stack.enter_context(reserved).getsockname()[1]
        workers: list[Child] = []
        operations = Operations(workers, lambda: cluster.is_running)
        server = Server(port, workers, cluster, operations, configuration, is_demonstration)
        server.merge = merge
        server.endpoint_port = await _tell(configuration, operations, stack)
        predecessors = 0 if predecessor is None else ports.listeners(port)
        for number, process in enumerate(launched):
            child = Child(
                replace(
                    _instructions(
                        configuration_file, (cluster, merge), scratch, port, is_demonstration
                    ),
                    number=number,
                    predecessors=predecessors if number == 0 else 0,
                    is_successor=predecessor is not None,
                    state=None if place is None else asdict(place),
                ),
                configuration.listen.drain_seconds_max,
                process,
            )
            server.workers.append(child)
        stack.push_async_callback(_stop_all, server.workers)
        # The first alone: it prepares the shadow's template, and a refusal is told once.
        await server.workers[0].start()
        await asyncio.gather(*(worker.start() for worker in server.workers[1:]))
        for worker in server.workers:
            worker.keep()
        if predecessor is not None:
            await _succeed(server, predecessor)
        yield server


async def _kept(
    make: Callable[[Path], Cluster],
    directory: Path,
    name: str,
    stack: AsyncExitStack,
    *,
    is_successor: bool,
) -> Cluster:
    """A running cluster that is started again whenever it dies; a predecessor may still use its
    folder. Raises ClusterError."""
    cluster = make(directory)
    try:
        await cluster.start()
    except ClusterError:
        if not is_successor:
            raise
        cluster = make(directory.with_name(f"{directory.name}-next"))
        await cluster.start()
    stack.push_async_callback(cluster.stop)
    stack.push_async_callback(_cancelled, spawn(keep_alive(cluster, name), name=name))
    return cluster


async def _succeed(server: Server, predecessor: int) -> None:
    """The predecessor closes its sockets; then all workers share the new clients."""
    with suppress(ProcessLookupError):
        os.kill(predecessor, signal.SIGQUIT)
    for _ in range(SUCCESSION_POLLS_MAX):
        if ports.listeners(server.port) <= len(server.workers):
            break
        await asyncio.sleep(SUCCESSION_POLL_SECONDS)
    else:
        _logger.error("the predecessor still listens: it takes a share of new clients")
    server.workers[0].tell(SHARE)


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


def _merging(configuration: Configuration, major: int) -> Callable[[Path], Cluster]:
    federation = configuration.federation
    return partial(
        merge_cluster,
        spill_bytes_max=federation.spill_bytes_max,
        major=major,
        # A part over files may need a connection beside its statement's.
        connections_max=worker_count(configuration)
        * federation.connections_max
        * (2 if configuration.folders else 1),
    )


def worker_count(configuration: Configuration) -> int:
    """As configured, or one for each core that this process may use."""
    return configuration.listen.workers or len(os.sched_getaffinity(0))


async def _state(state: State, stack: AsyncExitStack, *, is_successor: bool) -> StatePlace:
    """The state database, running where it is ours, and up to date. Raises StartRefused.

    One that cannot be reached does not keep the gate from starting: those who need it are refused
    until it is there.
    """
    try:
        place = await stack.enter_async_context(running(state, is_successor=is_successor))
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


async def _dismiss(launched: list[asyncio.subprocess.Process]) -> None:
    """End those that never got instructions; the others have ended before."""
    for process in launched:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _stop_all(workers: list[Child]) -> None:
    await asyncio.gather(*(worker.stop() for worker in workers))


def _instructions(
    configuration_file: Path,
    clusters: tuple[Cluster, Cluster | None],
    directory: Path,
    port: int,
    is_demonstration: bool,
) -> Instructions:
    cluster, merge = clusters
    return Instructions(
        configuration=str(configuration_file.absolute()),
        is_demonstration=is_demonstration,
        number=0,
        port=port,
        directory=str(directory),
        shadow_socket=str(cluster.socket_path),
        shadow_password_file=str(cluster.directory / "password"),
        merge_socket=None if merge is None else str(merge.socket_path),
        merge_password_file=None if merge is None else str(merge.directory / "password"),
    )
