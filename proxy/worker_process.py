"""The process around one worker: instructions in, `ready` out, and an end when its parent says so.

Started by `proxy/server.py` as `python -m proxy.worker_process`. This file must not know what a
worker does. The conversation is described in `server.py`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import asyncpg
import structlog

from policies.load import load as load_policy
from proxy.faults import Fault
from proxy.runtime import log
from proxy.runtime.config import Configuration, ConfigurationError, load
from proxy.runtime.embedded import SUPERUSER
from proxy.runtime.mask_keys import MaskKeyError, read_mask_keys
from proxy.runtime.state.place import StatePlace
from proxy.runtime.tasks import spawn
from proxy.upkeep import StartRefused
from proxy.worker import Post, Worker, opened

READY = "ready"
REFUSED = "refused"
RELOAD = "reload"
REPORT = "report"
RELEASE = "release"
SHARE = "share"
LOG = "log"

EXIT_OK = 0
EXIT_REFUSED = 2

_logger = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a worker is told: paths as text, so that they travel as JSON."""

    configuration: str
    is_demonstration: bool
    number: int
    port: int
    directory: str
    shadow_socket: str
    shadow_password_file: str
    state: dict[str, str | None] | None = None
    predecessors: int = 0
    is_successor: bool = False
    merge_socket: str | None = None
    merge_password_file: str | None = None

    def as_json(self) -> dict[str, object]:
        """For one line of JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class AttachedCluster:
    """A cluster that belongs to the parent process: the shadow's, or the merge engine's."""

    socket_path: Path
    password_file: Path

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """A superuser connection; the caller closes it."""
        # `.s.PGSQL.<port>` (PostgreSQL documentation, unix_socket_directories)
        return await asyncpg.connect(
            host=str(self.socket_path.parent),
            port=int(self.socket_path.suffix[1:]),
            user=SUPERUSER,
            password=self.password_file.read_text(),
            database=database,
            ssl=False,
        )


async def run(instructions: Instructions, commands: asyncio.StreamReader) -> int:
    """Serve until `commands` end. Returns the exit code."""
    try:
        configuration = _configuration(instructions)
        log.configure(configuration.log.level, configuration.log.format)
        structlog.contextvars.bind_contextvars(worker=instructions.number)
        keyed = partial(load_policy, keys=read_mask_keys(configuration.mask_keys))
        async with opened(configuration, _post(instructions), keyed) as worker:
            _say(f"{READY} {worker.port}")
            await _obey(worker, commands)
    except (StartRefused, ConfigurationError, MaskKeyError, Fault, OSError) as error:
        _say(f"{REFUSED} {json.dumps(str(error))}")
        return EXIT_REFUSED
    return EXIT_OK


def _configuration(instructions: Instructions) -> Configuration:
    configuration = load(
        Path(instructions.configuration), is_demonstration=instructions.is_demonstration
    )
    # The parent has reserved the port, which the file may leave to chance.
    return replace(configuration, listen=replace(configuration.listen, port=instructions.port))


def _post(instructions: Instructions) -> Post:
    cluster = AttachedCluster(
        Path(instructions.shadow_socket), Path(instructions.shadow_password_file)
    )
    state = None if instructions.state is None else StatePlace(**instructions.state)  # type: ignore[arg-type] # as `asdict` wrote it
    merge = None
    if instructions.merge_socket is not None and instructions.merge_password_file is not None:
        merge = AttachedCluster(
            Path(instructions.merge_socket), Path(instructions.merge_password_file)
        )
    return Post(
        instructions.number,
        cluster,
        Path(instructions.directory),
        state,
        instructions.predecessors,
        instructions.is_successor,
        merge,
    )


async def _obey(worker: Worker, commands: asyncio.StreamReader) -> None:
    while line := await commands.readline():
        match line.decode().strip():
            case "reload":
                await worker.upkeep.reload()
            case "report":
                _say(f"{REPORT} {json.dumps(worker.report().as_json())}")
            case "release":
                spawn(_end_when_empty(worker, commands), name="release")
            case "share":
                worker.listener.share()
            case "log debug" | "log info" | "log warning" | "log error" as told:
                log.configure(cast(log.Level, told.split()[1]), worker.log_format)


async def _end_when_empty(worker: Worker, commands: asyncio.StreamReader) -> None:
    """A successor has the port: end when the last client has left, as if told to stop."""
    await worker.listener.release()
    commands.feed_eof()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _main() -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The parent decides; whoever signals the whole group would cut clients short.
        loop.add_signal_handler(number, lambda: None)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    line = await commands.readline()
    if not line:
        return EXIT_REFUSED
    return await run(Instructions(**json.loads(line)), commands)


def main() -> int:
    """Entry point of the process."""
    try:
        import uvloop
    except ImportError:  # platforms without it: slower, nothing else
        return asyncio.run(_main())
    return int(uvloop.run(_main()))


if __name__ == "__main__":
    sys.exit(main())
