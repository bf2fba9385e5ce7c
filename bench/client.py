"""Clients that cost little beside what they measure: libpq alone, and a socket that only counts.

This file must not know the gate: it connects to any Postgres.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from psycopg import pq

from bench.measure import Sampler
from proxy.wire.frontend import Bind, Execute, Parse, Query, Sync

SAMPLES_MIN = 3
READ_BYTES = 1024 * 1024
_READY = b"Z\x00\x00\x00\x05I"

Rows = list[tuple[bytes | None, ...]]


class Broken(Exception):
    """A side did not answer as it must: the measure is void."""


class Client:
    """One connection of libpq. Values are text."""

    def __init__(self, dsn: str) -> None:
        self.connection = pq.PGconn.connect(dsn.encode())
        if self.connection.status != pq.ConnStatus.OK:
            raise Broken(self.connection.get_error_message())

    def close(self) -> None:
        """End the session."""
        self.connection.finish()

    def simple(self, sql: str) -> pq.abc.PGresult:
        """A simple query."""
        return _checked(self.connection.exec_(sql.encode()))

    def extended(self, sql: str, values: tuple[str, ...]) -> pq.abc.PGresult:
        """Parse, Bind, Describe, Execute, Sync of the unnamed statement."""
        encoded = [value.encode() for value in values]
        return _checked(self.connection.exec_params(sql.encode(), encoded))

    def prepare(self, sql: str) -> None:
        """Parse `sql` as the statement `s`."""
        _checked(self.connection.prepare(b"s", sql.encode()))

    def prepared(self, values: tuple[str, ...]) -> pq.abc.PGresult:
        """Bind and execute the statement `s`."""
        encoded = [value.encode() for value in values]
        return _checked(self.connection.exec_prepared(b"s", encoded))

    def drain(self, sql: str, *, is_binary: bool = False) -> int:
        """Send a query, read the answer without looking at it; returns the bytes. `is_binary`: by
        the extended protocol, with binary rows."""
        descriptor = self.connection.socket
        os.set_blocking(descriptor, True)
        if is_binary:
            steps = (Parse("", sql), Bind("", "", (), (), (1,)), Execute("", 0), Sync())
            os.write(descriptor, b"".join(step.encode() for step in steps))
        else:
            os.write(descriptor, Query(sql).encode())
        buffer = bytearray(READ_BYTES)
        total = 0
        tail = b""
        # No value of the benchmark's data looks like the last message.
        while not tail.endswith(_READY):
            count = os.readv(descriptor, [buffer])
            if count == 0 or (total == 0 and bytes(buffer[:1]) not in (b"T", b"H", b"1")):
                raise Broken(f"no rows: {bytes(buffer[:count])!r}")
            total += count
            tail = (tail + bytes(buffer[max(0, count - len(_READY)) : count]))[-len(_READY) :]
        return total


def _checked(result: pq.abc.PGresult) -> pq.abc.PGresult:
    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        raise Broken((result.error_message or b"").decode())
    return result


def rows(result: pq.abc.PGresult) -> Rows:
    """All rows, sorted."""
    found = [
        tuple(result.get_value(row, column) for column in range(result.nfields))
        for row in range(result.ntuples)
    ]
    return sorted(found, key=repr)


@contextmanager
def pair(first: str, second: str) -> Iterator[tuple[Client, Client]]:
    """A client of each connection string."""
    ours = Client(first)
    try:
        peer = Client(second)
        try:
            yield ours, peer
        finally:
            peer.close()
    finally:
        ours.close()


def demand_same(ours: pq.abc.PGresult, peer: pq.abc.PGresult) -> None:
    """Both sides must give the same rows, and some. Raises Broken."""
    our_rows, peer_rows = rows(ours), rows(peer)
    if not our_rows or our_rows != peer_rows:
        raise Broken(f"{len(our_rows)} rows of ours are not the peer's {len(peer_rows)}")


def latency(work: Callable[[], object]) -> Sampler:
    """Runs `work` again and again; the figure is the median in milliseconds."""

    def sample(seconds: float) -> float:
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < SAMPLES_MIN or time.perf_counter() < end:
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return median(times) * 1000

    return sample


def throughput(work: Callable[[], int], unit_count: float) -> Sampler:
    """Runs `work`, which returns bytes; the figure is millions of bytes per second over the best
    of what fits into the time. `unit_count` scales it."""

    def sample(seconds: float) -> float:
        best = 0.0
        end = time.perf_counter() + seconds
        while best == 0.0 or time.perf_counter() < end:
            start = time.perf_counter()
            count = work()
            best = max(best, count / (time.perf_counter() - start) / unit_count)
        return best

    return sample
