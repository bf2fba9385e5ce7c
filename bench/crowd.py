"""Many clients at once: what an idle one holds in memory, how long a busy one waits; and the start.

This file must not know what the gate does: it speaks the protocol from one event loop.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from statistics import quantiles

from bench import company, pgbench, stage
from bench.client import Broken, Client
from bench.figure import Figure
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

IDLE_CLIENTS = 1_000
BUSY_CLIENTS = (100, 1_000, 5_000)
STATEMENTS_PER_SECOND = 200
BUSY_SECONDS = 5.0
PROCESSOR_SECONDS = 4.0
ANSWER_SECONDS_MAX = 120.0
OPENING_AT_ONCE = 20
_READY = b"Z\0\0\0\5I"
_POINT = "SELECT id, amount FROM bench.orders WHERE id = $1"


class _Caller:
    """One client of the protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, running: Stage, *, has_tls: bool = False) -> _Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.gate_port)
        if has_tls:
            writer.write(SSLRequest().encode())
            if await reader.readexactly(1) != b"S":
                raise Broken("no TLS")
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await writer.start_tls(context)
        made = cls(reader, writer)
        parameters = {"user": company.LOGIN, "database": company.DATABASE}
        writer.write(StartupMessage(VERSION_3_0, parameters).encode())
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


async def _opened(running: Stage, count: int, *, has_tls: bool = False) -> list[_Caller]:
    callers: list[_Caller] = []
    while len(callers) < count:
        some = min(OPENING_AT_ONCE, count - len(callers))
        callers += await asyncio.gather(
            *(_Caller.open(running, has_tls=has_tls) for _ in range(some))
        )
    return callers


def _memory_bytes(running: Stage) -> int:
    """What the workers hold of their own (proc(5), smaps_rollup: Private)."""
    total = 0
    for process in running.gate_processes:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean", "Private_Dirty")):
                total += int(line.split()[1]) * 1024
    return total


def start(mode: str, scale: float) -> list[Figure]:
    """From the command to the first answer, the second time; and memory at rest."""
    del scale
    with stage.opened(Options(audit_mode=mode, needs_bouncer=False)) as running:
        began = time.perf_counter()
        client = Client(running.gate())
        client.simple("SELECT count(*) FROM bench.customers")
        seconds = running.start_seconds + time.perf_counter() - began
        client.close()
        megabytes = _memory_bytes(running) / 1e6
    return [
        Figure("start", "start to first query, one worker", "s", seconds, 2.0),
        Figure("memory", "memory of a worker at rest", "MB", megabytes),
    ]


def idle(mode: str, scale: float) -> list[Figure]:
    """Memory that an idle connection holds, in kB of 1,000 bytes."""
    count = max(100, int(IDLE_CLIENTS * scale))
    options = Options(audit_mode=mode, needs_bouncer=False, has_tls=True)
    with stage.opened(options) as running:
        plain = asyncio.run(_memory_each(running, count, has_tls=False))
        encrypted = asyncio.run(_memory_each(running, count, has_tls=True))
    title = f"idle connection, {count:,} of them"
    return [
        Figure("idle-plain", f"{title}, plain", "kB", plain / 1000, 20.0),
        Figure("idle-tls", f"{title}, TLS", "kB", encrypted / 1000, 60.0),
    ]


async def _memory_each(running: Stage, count: int, *, has_tls: bool) -> float:
    warm = await _opened(running, OPENING_AT_ONCE, has_tls=has_tls)
    before = _memory_bytes(running)
    callers = await _opened(running, count, has_tls=has_tls)
    await asyncio.sleep(0.5)
    grown = _memory_bytes(running) - before
    for caller in (*callers, *warm):
        caller.writer.transport.abort()
    await asyncio.sleep(1.0)
    return grown / count


def busy(mode: str, scale: float) -> list[Figure]:
    """The 99th percentile of a prepared point read, at one rate for every number of clients."""
    with stage.opened(Options(audit_mode=mode, needs_bouncer=False)) as running:
        found = []
        for count in BUSY_CLIENTS:
            if scale < 1 and count > BUSY_CLIENTS[1]:
                continue
            milliseconds = asyncio.run(_percentile(running, count))
            title = f"{count:,} connections, {STATEMENTS_PER_SECOND} statements/s: p99"
            found.append(Figure(f"busy-{count}", title, "ms", milliseconds))
    return found


async def _percentile(running: Stage, count: int) -> float:
    callers = await _opened(running, count)
    run = b"".join(
        one.encode()
        for one in (Bind("", "s", (), (b"10",)), Describe(b"P", ""), Execute("", 0), Sync())
    )
    prepare = Parse("s", _POINT).encode() + Sync().encode()
    for begin in range(0, count, OPENING_AT_ONCE):
        some = callers[begin : begin + OPENING_AT_ONCE]
        await asyncio.gather(*(caller.ask(prepare) for caller in some))
        await asyncio.gather(*(caller.ask(run) for caller in some))
    asked: list[asyncio.Task[float]] = []
    first = time.perf_counter()
    for number in range(int(STATEMENTS_PER_SECOND * BUSY_SECONDS)):
        due = first + number / STATEMENTS_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.ensure_future(callers[number % count].ask(run)))
    times = await asyncio.gather(*asked)
    for caller in callers:
        caller.writer.transport.abort()
    return quantiles(times, n=100)[98] * 1000


def processor(mode: str, scale: float) -> list[Figure]:
    """Processor time that the gate's worker takes for a transaction of pgbench -S: a figure that
    other work on the same machine distorts less than any time that is waited for."""
    options = Options(audit_mode=mode, needs_bouncer=False)
    seconds = max(2.0, PROCESSOR_SECONDS * scale)
    found = []
    with stage.opened(options) as running, pgbench.script() as path:
        for protocol in ("simple", "extended", "prepared"):
            sample = pgbench.transactions_per_second(running.gate, protocol, path)
            sample(1.0)
            before = _processor_seconds(running)
            count = sample(seconds) * round(seconds)
            each = (_processor_seconds(running) - before) / count
            title = f"processor time a transaction, pgbench -S, {protocol}"
            found.append(Figure(f"processor-{protocol}", title, "µs", each * 1e6))
    return found


def _processor_seconds(running: Stage) -> float:
    """User and system time of the workers so far (proc(5), stat: utime, stime)."""
    ticks = 0
    for process in running.gate_processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
