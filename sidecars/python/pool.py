"""Worker processes: started ahead, given out one run or session at a time, killed, replaced.

This file must not know principals or HTTP. A worker that has not ended by itself in its time, or
that says something odd, is killed: with it ends one run, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from proxy.runtime.tasks import spawn
from sidecars.python import frames
from sidecars.python.artifact import Environment
from sidecars.python.frames import FrameError
from sidecars.python.limits import (
    FOLDER_CHECK_SECONDS,
    GRACE_SECONDS,
    QUEUE_SECONDS_MAX,
    START_SECONDS_MAX,
    RunLimits,
)
from sidecars.python.worker import MODULE

_ROOT = Path(__file__).resolve().parents[2]
_logger = structlog.get_logger("python")

Emit = Callable[[int, str], None]
Answer = Callable[[str, Mapping[str, Any], Path], Awaitable[str]]


class Busy(Exception):
    """No worker came free in time."""


class Refused(Exception):
    """A host call is refused; the message is for the program."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, as its worker told it, or as we saw it end."""

    error: str
    traceback: str
    value: str
    is_usable: bool
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """One program for a worker. `keep`: names live on for the next one."""

    code: str
    arguments: str
    limits: RunLimits
    seed: int | None = None
    keep: bool = False


class Worker:
    """One process, its socket and its two folders: `work` to write in, `exchange` to read."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        folder: Path,
        walls: tuple[str, ...],
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self._folder = folder
        self.walls = walls
        self._new_folders()

    @property
    def work(self) -> Path:
        """The program's own folder."""
        return self._folder / "work"

    @property
    def exchange(self) -> Path:
        """Where answers to its calls are put."""
        return self._folder / "exchange"

    @property
    def process_id(self) -> int:
        """Of the operating system."""
        return self._process.pid

    @classmethod
    async def start(cls, environment: Environment) -> Worker:
        """A process that has the environment loaded. Raises Busy when it does not come up."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await _spawned(environment, theirs)
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                ready = await frames.next_message(reader)
            walls = tuple(str(one) for one in ready["ready"])
        except BaseException as error:
            writer.close()
            await _killed(process)
            if isinstance(error, TimeoutError | FrameError | KeyError):
                raise Busy("a worker process did not start") from error
            raise
        folder = Path(tempfile.mkdtemp(prefix="sallyport-python-", dir=environment.scratch))
        return cls(process, reader, writer, folder, walls)

    def _new_folders(self) -> None:
        for path in (self.work, self.exchange):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()

    async def run(self, program: Program, emit: Emit, answer: Answer) -> Result:
        """Run one program to its end, however it ends. Cancelled: the process is killed."""
        limits = program.limits
        watching = spawn(self._watch_folder(limits), name="folder")
        talking = spawn(self._talk(program, emit, answer), name="worker")
        try:
            done, _ = await asyncio.wait(
                (talking, watching),
                timeout=limits.wall_seconds + GRACE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            exceeded = self._exceeded(limits)
            if exceeded is not None:
                return _used_up(exceeded)
            return talking.result() if talking in done else _used_up("wall_seconds")
        finally:
            for task in (talking, watching):
                task.cancel()
            await asyncio.gather(talking, watching, return_exceptions=True)

    async def _talk(self, program: Program, emit: Emit, answer: Answer) -> Result:
        """The conversation of one run. A worker that dies or talks nonsense ends it."""
        try:
            return await self._conversation(program, emit, answer)
        except (FrameError, KeyError, TypeError, ValueError):
            return Result("Killed", "Killed: the process of this run ended\n", "null", False)

    async def _conversation(self, program: Program, emit: Emit, answer: Answer) -> Result:
        limits = program.limits
        await self._send(
            {
                "code": program.code,
                "arguments": program.arguments,
                "seed": program.seed,
                "keep": program.keep,
                "work": str(self.work),
                "exchange": str(self.exchange),
                **{
                    name: getattr(limits, name)
                    for name in RunLimits.__dataclass_fields__
                    if not name.startswith("query_")
                },
            }
        )
        while True:
            message = await frames.next_message(self._reader)
            if "out" in message:
                channel, text = message["out"]
                emit(2 if channel == 2 else 1, str(text))
            elif "call" in message:
                await self._answer(message, answer)
            else:
                ended = message["ended"]
                return Result(
                    str(ended["error"]),
                    str(ended["traceback"]),
                    str(ended["value"]),
                    ended["is_usable"] is True,
                    int(ended["memory_bytes"]),
                )

    async def _answer(self, message: Mapping[str, Any], answer: Answer) -> None:
        try:
            told = await answer(str(message["call"]), message["arguments"], self.exchange)
        except Refused as refused:
            await self._send({"refused": str(refused)})
        else:
            await self._send({"answer": told})

    async def _send(self, message: Mapping[str, object]) -> None:
        self._writer.write(frames.encode(message))
        with suppress(ConnectionError):
            await self._writer.drain()

    async def _watch_folder(self, limits: RunLimits) -> None:
        """Returns when the folder is too large."""
        while self._exceeded(limits) is None:  # noqa: ASYNC110  a folder sends no event
            await asyncio.sleep(FOLDER_CHECK_SECONDS)

    def _exceeded(self, limits: RunLimits) -> str | None:
        """The limit that the folder is above, if any."""
        count, size = folder_size(self.work, limits.files)
        if count > limits.files:
            return "files"
        return "files_bytes" if size > limits.files_bytes else None

    def forget(self) -> None:
        """Nothing of a run stays for the next one."""
        self._new_folders()

    async def kill(self) -> None:
        """End the process, now, and remove its folder."""
        self._writer.close()
        await _killed(self._process)
        await asyncio.to_thread(shutil.rmtree, self._folder, True)


async def _spawned(
    environment: Environment, connection: socket.socket
) -> asyncio.subprocess.Process:
    told = {name: str(getattr(environment, name)) for name in ("native", "stdlib", "site")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", MODULE, str(connection.fileno()), json.dumps(told)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        pass_fds=[connection.fileno()],
        env={"PYTHONPATH": str(_ROOT)},
        cwd="/",
        start_new_session=True,
    )


async def _killed(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def folder_size(folder: Path, entries_max: int) -> tuple[int, int]:
    """Entries and bytes of a folder with all below it; counting ends above `entries_max`.

    Links are counted, not followed.
    """
    count = size = 0
    pending = deque([folder])
    while pending and count <= entries_max:
        try:
            with os.scandir(pending.popleft()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
                    if count > entries_max:
                        break
        except OSError:
            continue  # removed meanwhile
    return count, size


def _used_up(limit: str) -> Result:
    told = f"LimitReached: {limit}: this limit of the run is used up\n"
    return Result("LimitReached", told, "null", False)


class Pool:
    """All workers of the service: at most `workers_max` at a time, `warm` of them waiting."""

    def __init__(self, environment: Environment, workers_max: int, warm: int) -> None:
        self._environment = environment
        self._free = asyncio.Semaphore(workers_max)
        self._workers_max = workers_max
        self._warm = min(warm, workers_max)
        self._idle: deque[Worker] = deque()
        self._taken: set[Worker] = set()
        self._filling: asyncio.Task[None] | None = None
        self.walls: tuple[str, ...] = ()

    async def open(self) -> None:
        """Start the first worker, to know that it works. Raises Busy."""
        worker = await Worker.start(self._environment)
        self.walls = worker.walls
        self._idle.append(worker)
        self._fill()

    async def take(self) -> Worker:
        """A worker that nobody else has. Raises Busy."""
        try:
            async with asyncio.timeout(QUEUE_SECONDS_MAX):
                await self._free.acquire()
        except TimeoutError:
            raise Busy("all workers are busy; try again later") from None
        try:
            worker = self._idle.popleft() if self._idle else await Worker.start(self._environment)
        except BaseException:
            self._free.release()
            raise
        self._taken.add(worker)
        self._fill()
        return worker

    async def give_back(self, worker: Worker, *, is_usable: bool) -> None:
        """Done with it. `is_usable`: it may run another program, in a new instance."""
        self._taken.discard(worker)
        try:
            if is_usable and len(self._idle) < self._warm:
                await asyncio.to_thread(worker.forget)
                self._idle.append(worker)
            else:
                await worker.kill()
        finally:
            self._free.release()
        self._fill()

    def _fill(self) -> None:
        if self._filling is None or self._filling.done():
            self._filling = spawn(self._start_missing(), name="warm workers")

    async def _start_missing(self) -> None:
        while (
            len(self._idle) < self._warm and len(self._idle) + len(self._taken) < self._workers_max
        ):
            try:
                self._idle.append(await Worker.start(self._environment))
            except Busy as error:
                _logger.error("worker did not start", reason=str(error))
                return

    async def close(self) -> None:
        """Kill all workers."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        for worker in (*self._idle, *self._taken):
            await worker.kill()
        self._idle.clear()
        self._taken.clear()
