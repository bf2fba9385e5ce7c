"""One worker process from the outside: started, spoken to, replaced when it dies, ended.

This file must not know what a worker does. The conversation is lines on its standard input and
output, described in `server.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

import structlog

from proxy.metrics import Samples, added, only_growing
from proxy.report import Report
from proxy.runtime.tasks import spawn
from proxy.sources.backoff import Backoff
from proxy.upkeep import StartRefused
from proxy.worker_process import READY, REFUSED, REPORT, Instructions

START_SECONDS_MAX = 60.0
"""From starting a worker to its `ready`: imports, role check, reading the schemas."""

STOP_GRACE_SECONDS = 10.0
"""On top of the drain time, before a worker is killed."""

REPORT_SECONDS_MAX = 2.0
"""A worker whose loop does not answer within this serves nobody well either."""

REPORT_BYTES_MAX = 4 * 1024 * 1024
"""One line with all figures of a worker; some 20 kB with one source."""

_logger = structlog.get_logger("server")


async def launch() -> asyncio.subprocess.Process:
    """A process that reads its program and then waits for its instructions. Until a `Child` has
    taken it over, whoever launched it ends it."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "proxy.worker_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=REPORT_BYTES_MAX,
        start_new_session=True,  # the terminal's Ctrl-C is for the parent, which drains
    )


class Child:
    """One worker process and its keeper.

    `launched`: the process that it is first, where it was launched before. `restarts` counts how
    often it was replaced, `retired` holds the counters of those that died.
    """

    def __init__(
        self,
        instructions: Instructions,
        drain_seconds_max: float,
        launched: asyncio.subprocess.Process | None = None,
    ) -> None:
        self._instructions = instructions
        self._launched = launched
        self._drain_seconds_max = drain_seconds_max
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._listening: asyncio.Task[None] | None = None
        self._asked: asyncio.Future[Report] | None = None
        self._last: Report | None = None
        self.restarts = 0
        self.retired: Samples = {}

    @property
    def process_id(self) -> int:
        """Of the process that runs now, or ran last; 0 before the first."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start it and wait until it serves. Raises StartRefused."""
        launched, self._launched = self._launched, None
        self._process = launched or await launch()
        self.tell(json.dumps(self._instructions.as_json()))
        assert self._process.stdout is not None, "a pipe was asked for"
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                answer = (await self._process.stdout.readline()).decode().strip()
        except TimeoutError:
            answer = f"{REFUSED} it did not start within {START_SECONDS_MAX:.0f} seconds"
        word, _, rest = answer.partition(" ")
        if word == READY:
            self._listening = spawn(self._listen(self._process.stdout), name="reports")
            return
        await self._end(0)
        reason = json.loads(rest) if word == REFUSED and rest.startswith('"') else rest
        raise StartRefused(reason or "a worker ended while starting; its log says why")

    def keep(self) -> None:
        """From now on start it again when it dies."""
        self._keeper = spawn(self._keep(), name=f"worker {self._instructions.number}")

    async def _keep(self) -> None:
        backoff = Backoff()
        while not self._is_stopping:
            assert self._process is not None, "start() comes first"
            code = await self._process.wait()
            if self._is_stopping:
                return
            _logger.error("worker died", worker=self._instructions.number, exit_code=code)
            self.restarts += 1
            if self._last is not None:
                self.retired = added((self.retired, only_growing(self._last.samples)))
                self._last = None
            await asyncio.sleep(backoff.next_delay_s())
            try:
                await self.start()
            except StartRefused as refused:
                _logger.error("worker not started", reason=str(refused))

    def tell(self, line: str) -> None:
        """Write one line to it, if it lives."""
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            with suppress(ConnectionError):
                process.stdin.write(line.encode() + b"\n")

    async def report(self) -> Report | None:
        """What it says of itself; None if it does not answer in time, or not yet."""
        if self._listening is None or self._listening.done():
            return None
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().create_future()
            self.tell(REPORT)
        try:
            async with asyncio.timeout(REPORT_SECONDS_MAX):
                # Others may wait for the same answer.
                self._last = await asyncio.shield(self._asked)
        except TimeoutError:
            self._asked = None
            return None
        return self._last

    async def _listen(self, output: asyncio.StreamReader) -> None:
        """Take its answers until it ends."""
        while line := await output.readline():
            word, _, rest = line.decode().partition(" ")
            if word == REPORT and self._asked is not None and not self._asked.done():
                self._asked.set_result(Report.from_json(json.loads(rest)))

    async def ended(self) -> None:
        """Wait until it has ended by itself."""
        self._is_stopping = True
        if self._process is not None:
            await self._process.wait()

    async def stop(self) -> None:
        """Let it drain, then end."""
        self._is_stopping = True
        await self._end(self._drain_seconds_max + STOP_GRACE_SECONDS)
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    async def _end(self, patience_seconds: float) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(patience_seconds):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
