"""Many clients at once: what an idle one holds in memory, how long a busy one waits; and the start.

This file must not know what the gate does: it speaks the protocol from one event loop.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from statistics import quantiles

from bench import company, pgbench, stage
from bench.client import Broken, Client
from bench.figure import Figure
from bench.shapes import BOUNCER
from bench.stage import Options, Stage
from proxy.wire.frontend import (
    Bind,
    Describe,
    Execute,
    Parse,
    PasswordMessage,
    SSLRequest,
    StartupMessage,
    Sync,
)
from proxy.wire.startup import VERSION_3_0

IDLE_CLIENTS = 10_000
OPENING_SECONDS_MAX = 60.0
"""Then those that are open are measured, and how many is told."""
BUSY_CLIENTS = (100, 1_000, 5_000)
FLAT = 1.5
"""How many times the 99th percentile of the fewest clients counts as flat."""
STATEMENTS_PER_SECOND = 200
BUSY_SECONDS = 5.0
PROCESSOR_SECONDS = 4.0
ANSWER_SECONDS_MAX = 120.0
OPENING_AT_ONCE = 20
_READY = b"Z\0\0\0\5I"
_POINT = "SELECT id, amount FROM bench.orders WHERE id = $1"


class Side(Enum):
    """Who is asked."""

    GATE = auto()
    BOUNCER = auto()

    def port(self, running: Stage) -> int:
        """Where it listens. Raises Broken where there is none."""
        if self is Side.GATE:
            return running.gate_port
        if running.bouncer is None:
            raise Broken(running.bouncer_missing)
        return running.bouncer.port

    def parameters(self, running: Stage) -> dict[str, str]:
        """Who asks, and for what."""
        user = company.LOGIN
        if self is Side.BOUNCER:
            assert running.bouncer is not None, "its port was asked for before"
            user = running.bouncer.user
        return {"user": user, "database": company.DATABASE}

    def processes(self, running: Stage) -> tuple[int, ...]:
        """Its processes' ids."""
        if self is Side.GATE:
            return running.gate_processes
        return () if running.bouncer is None else running.bouncer.processes


class _Caller:
    """One client of the protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, running: Stage, side: Side, *, has_tls: bool = False) -> _Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", side.port(running))
        if has_tls:
            writer.write(SSLRequest().encode())
            if await reader.readexactly(1) != b"S":
                raise Broken("no TLS")
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await writer.start_tls(context)
        made = cls(reader, writer)
        start = StartupMessage(VERSION_3_0, side.parameters(running)).encode()
        if side is Side.BOUNCER:  # it trusts this machine
            await made.ask(start)
        else:
            writer.write(start)
            await reader.read(65_536)
            await made.ask(PasswordMessage(running.token("analyst")).encode())
        return made

    async def ask(self, data: bytes) -> float:
        """Send, and read to ReadyForQuery; returns seconds."""
        start = time.perf_counter()
        self.writer.write(data)
        tail = b""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while not tail.endswith(_READY):
                piece = await self.reader.read(65_536)
                if not piece:
                    raise Broken(f"the gate closed: {tail[:200]!r}")
                tail = (tail + piece)[-4_096:]
        return time.perf_counter() - start


async def _opened(
    running: Stage, side: Side, count: int, *, has_tls: bool = False
) -> list[_Caller]:
    """So many clients, or as many as can be had in the time."""
    callers: list[_Caller] = []
    end = time.perf_counter() + OPENING_SECONDS_MAX
    while len(callers) < count and time.perf_counter() < end:
        some = min(OPENING_AT_ONCE, count - len(callers))
        callers += await asyncio.gather(
            *(_Caller.open(running, side, has_tls=has_tls) for _ in range(some))
        )
    return callers


def _leave(callers: list[_Caller]) -> None:
    for caller in callers:
        caller.writer.transport.abort()


def _memory_bytes(processes: tuple[int, ...]) -> int:
    """What they hold of their own (proc(5), smaps_rollup: Private)."""
    total = 0
    for process in processes:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean", "Private_Dirty")):
                total += int(line.split()[1]) * 1024
    return total


def start(scale: float) -> list[Figure]:
    """From the command to the first answer, the second time; and memory at rest."""
    del scale
    with stage.opened(Options(needs_bouncer=False)) as running:
        began = time.perf_counter()
        client = Client(running.gate())
        client.simple("SELECT count(*) FROM bench.customers")
        seconds = running.start_seconds + time.perf_counter() - began
        client.close()
        megabytes = _memory_bytes(running.gate_processes) / 1e6
    return [
        Figure("start", "start to first query, one worker", "s", seconds, 2.0),
        Figure("memory", "memory of a worker at rest", "MB", megabytes),
    ]


def idle(scale: float) -> list[Figure]:
    """Memory that an idle connection holds, in kB of 1,000 bytes."""
    return [
        _idle("idle-plain", "plain", 20.0, int(IDLE_CLIENTS * scale), has_tls=False),
        _idle("idle-tls", "TLS", 60.0, int(IDLE_CLIENTS * scale), has_tls=True),
    ]


def _idle(name: str, title: str, reach: float, count: int, *, has_tls: bool) -> Figure:
    """A stage of its own: what others have left to the allocator would be used again."""
    with stage.opened(Options(has_tls=True)) as running:
        each, opened = asyncio.run(_memory_each(running, Side.GATE, count, has_tls=has_tls))
        peer = None
        if running.bouncer is not None:
            ask = _memory_each(running, Side.BOUNCER, count, has_tls=has_tls)
            peer = asyncio.run(ask)[0] / 1000
    told = f"idle connection, {opened:,} of them, {title}"
    return Figure(name, told, "kB", each / 1000, reach, peer=peer, peer_name=BOUNCER)


async def _memory_each(
    running: Stage, side: Side, count: int, *, has_tls: bool
) -> tuple[float, int]:
    """Bytes a connection, and how many there were."""
    processes = side.processes(running)
    warm = await _opened(running, side, OPENING_AT_ONCE, has_tls=has_tls)
    before = _memory_bytes(processes)
    callers = await _opened(running, side, count, has_tls=has_tls)
    await asyncio.sleep(0.5)
    grown = _memory_bytes(processes) - before
    _leave([*callers, *warm])
    await asyncio.sleep(1.0)
    return grown / len(callers), len(callers)


def busy(scale: float) -> list[Figure]:
    """The 99th percentile of a prepared point read, at one rate for every number of clients, and
    how many times that of the fewest it is."""
    found = []
    with stage.opened(Options()) as running:
        sides = [Side.GATE] if running.bouncer is None else [Side.GATE, Side.BOUNCER]
        first: dict[Side, float] = {}
        for count in BUSY_CLIENTS:
            if scale < 1 and count > BUSY_CLIENTS[1]:
                continue
            times = {side: asyncio.run(_percentile(running, side, count)) for side in sides}
            first = first or times
            peer = times.get(Side.BOUNCER)
            title = f"{count:,} connections, {STATEMENTS_PER_SECOND} statements/s: p99"
            ours = times[Side.GATE]
            found.append(Figure(f"busy-{count}", title, "ms", ours, peer=peer, peer_name=BOUNCER))
            if count > BUSY_CLIENTS[0]:
                times_of_first = {side: times[side] / first[side] for side in sides}
                title = f"{count:,} connections against {BUSY_CLIENTS[0]}: p99"
                found.append(
                    Figure(
                        f"flat-{count}",
                        title,
                        "×",
                        times_of_first[Side.GATE],
                        FLAT,
                        peer=times_of_first.get(Side.BOUNCER),
                        peer_name=BOUNCER,
                    )
                )
    return found


async def _percentile(running: Stage, side: Side, count: int) -> float:
    callers = await _opened(running, side, count)
    run = b"".join(
        one.encode()
        for one in (Bind("", "s", (), (b"10",)), Describe(b"P", ""), Execute("", 0), Sync())
    )
    prepare = Parse("s", _POINT).encode() + Sync().encode()
    for begin in range(0, len(callers), OPENING_AT_ONCE):
        some = callers[begin : begin + OPENING_AT_ONCE]
        await asyncio.gather(*(caller.ask(prepare) for caller in some))
        await asyncio.gather(*(caller.ask(run) for caller in some))
    asked: list[asyncio.Task[float]] = []
    first = time.perf_counter()
    for number in range(int(STATEMENTS_PER_SECOND * BUSY_SECONDS)):
        due = first + number / STATEMENTS_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.ensure_future(callers[number % len(callers)].ask(run)))
    times = await asyncio.gather(*asked)
    _leave(callers)
    return quantiles(times, n=100)[98] * 1000


def processor(scale: float) -> list[Figure]:
    """Processor time that the gate's worker takes for a transaction of pgbench -S, and PgBouncer:
    a figure that other work on the machine distorts less than any time that is waited for."""
    seconds = max(2.0, PROCESSOR_SECONDS * scale)
    found = []
    with stage.opened(Options()) as running, pgbench.script() as path:
        for protocol in ("simple", "extended", "prepared"):
            ours = _microseconds(running.gate, running.gate_processes, protocol, path, seconds)
            peer = None
            if running.bouncer is not None:
                processes = running.bouncer.processes
                peer = _microseconds(running.pooled, processes, protocol, path, seconds)
            title = f"processor time a transaction, pgbench -S, {protocol}"
            name = f"processor-{protocol}"
            found.append(Figure(name, title, "µs", ours, peer=peer, peer_name=BOUNCER))
    return found


def _microseconds(
    dsn: Callable[[], str], processes: tuple[int, ...], protocol: str, path: Path, seconds: float
) -> float:
    sample = pgbench.transactions_per_second(dsn, protocol, path)
    sample(1.0)
    before = _processor_seconds(processes)
    count = sample(seconds) * round(seconds)
    return (_processor_seconds(processes) - before) / count * 1e6


def _processor_seconds(processes: tuple[int, ...]) -> float:
    """User and system time of the processes so far (proc(5), stat: utime, stime)."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
