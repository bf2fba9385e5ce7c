"""The rows of the table. Each is data: a statement, how it is sent, who the peer is, the reach.

This file must not know how samples are combined (`measure.py`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from bench import client, company, pgbench
from bench.client import Client
from bench.measure import Compared, Measure, Reach, Sampler
from bench.stage import Stage

NATIVE = "native RLS"
DIRECT = "direct"
BOUNCER = "PgBouncer"

POINT = "SELECT id, customer_id, amount, note FROM bench.orders WHERE id = $1"
PATTERN = "SELECT id, note FROM bench.orders WHERE note ILIKE '%urgent%' ORDER BY id LIMIT 10"
UNINDEXED_JOIN = (
    "SELECT o.id, i.sku FROM bench.orders o JOIN bench.items i ON i.reference = o.reference "
    "WHERE o.id < 500"
)
TEN_KEYS = (
    "SELECT o.id, i.sku FROM bench.orders o JOIN bench.items i ON i.order_id = o.id "
    "WHERE o.id IN (1000, 2010, 3020, 4030, 5040, 6050, 7060, 8070, 9080, 10090)"
)
NUMERIC_RANGE = "SELECT id, amount FROM bench.orders WHERE amount > 13650.0 AND amount < 13655.0"
TIME_RANGE = (
    "SELECT count(*) FROM bench.orders WHERE placed_at > now() - interval '3 hours' AND amount > 0"
)
LARGE_JOIN = (
    "SELECT count(*), sum(i.quantity) FROM bench.orders o JOIN bench.items i ON i.order_id = o.id "
    "WHERE o.id < 100000"
)
DASHBOARD = (
    "SELECT status, count(*), sum(amount), min(amount), max(amount), avg(amount), "
    "count(DISTINCT customer_id), min(placed_at), max(placed_at), "
    "count(*) FILTER (WHERE amount > 5000), max(length(note)) "
    "FROM bench.orders GROUP BY status"
)
THREE_WAY = (
    "SELECT o.id, i.sku, c.name FROM bench.orders o JOIN bench.items i ON i.order_id = o.id "
    "JOIN bench.customers c ON c.id = o.customer_id WHERE o.id = 4030"
)
STREAM = "SELECT id, tenant, amount, placed_at, note FROM bench.orders"
STREAM_COPY = f"COPY ({STREAM}) TO STDOUT"


def _keys() -> Iterator[tuple[str]]:
    """Keys of orders that the analyst sees, the same sequence for both sides."""
    step = company.TENANTS // company.TENANTS_SEEN
    numbers = random.Random(7)
    while True:
        yield (str(numbers.randrange(company.ORDERS // step) * step),)


@contextmanager
def _point_read(stage: Stage) -> Iterator[tuple[Sampler, Sampler]]:
    with client.pair(stage.gate(), stage.direct()) as sides:
        for side in sides:
            side.prepare(POINT)
        client.demand_same(*(side.prepared(("4030",)) for side in sides))
        ours, peer = (_point_reader(side) for side in sides)
        yield ours, peer


def _point_reader(side: Client) -> Sampler:
    keys = _keys()
    return client.latency(lambda: side.prepared(next(keys)))


def _same_text(sql: str) -> Callable[[Stage], AbstractContextManager[tuple[Sampler, Sampler]]]:
    """Both sides send the same simple query again and again."""

    @contextmanager
    def opened(stage: Stage) -> Iterator[tuple[Sampler, Sampler]]:
        with client.pair(stage.gate(), stage.direct()) as (ours, peer):
            client.demand_same(ours.simple(sql), peer.simple(sql))
            yield (
                client.latency(lambda: ours.simple(sql)),
                client.latency(lambda: peer.simple(sql)),
            )

    return opened


@contextmanager
def _first_time(stage: Stage) -> Iterator[tuple[Sampler, Sampler]]:
    """No two statements alike: the label differs, which no cache can look past."""
    with client.pair(stage.gate(), stage.direct()) as (ours, peer):
        client.demand_same(ours.simple(THREE_WAY), peer.simple(THREE_WAY))
        yield _newcomer(ours), _newcomer(peer)


def _newcomer(side: Client) -> Sampler:
    numbers = itertools.count()

    def work() -> object:
        return side.simple(THREE_WAY.replace("SELECT o.id", f"SELECT o.id AS k{next(numbers)}"))

    return client.latency(work)


def _streamed(
    sql: str, *, is_binary: bool = False
) -> Callable[[Stage], AbstractContextManager[tuple[Sampler, Sampler]]]:
    @contextmanager
    def opened(stage: Stage) -> Iterator[tuple[Sampler, Sampler]]:
        with client.pair(stage.gate("auditor"), stage.direct("auditor")) as (ours, peer):
            # RowDescription tells other OIDs, of the same length: the totals are equal.
            our_bytes, peer_bytes = (
                ours.drain(sql, is_binary=is_binary),
                peer.drain(sql, is_binary=is_binary),
            )
            if our_bytes != peer_bytes:
                raise client.Broken(f"{our_bytes} bytes of ours are not the peer's {peer_bytes}")
            yield (
                client.throughput(lambda: ours.drain(sql, is_binary=is_binary), 1e6),
                client.throughput(lambda: peer.drain(sql, is_binary=is_binary), 1e6),
            )

    return opened


def _pgbench(
    mode: str, threads: int
) -> Callable[[Stage], AbstractContextManager[tuple[Sampler, Sampler]]]:
    @contextmanager
    def opened(stage: Stage) -> Iterator[tuple[Sampler, Sampler]]:
        stage.pooled()
        with pgbench.script() as path:
            yield (
                pgbench.transactions_per_second(stage.gate, mode, path, threads=threads),
                pgbench.transactions_per_second(
                    stage.pooled, mode, path, threads=threads, side=BOUNCER
                ),
            )

    return opened


_NATIVE_REACH = Reach(Compared.RATIO_AT_MOST, 1.5)


def _against_native(name: str, title: str, sql: str, seconds: float = 0.7) -> Measure[Stage]:
    return Measure(name, title, NATIVE, "ms", _NATIVE_REACH, _same_text(sql), seconds)


def _tps(mode: str, limit: float, workers: int = 1) -> Measure[Stage]:
    """`workers` processes of the gate against as many of PgBouncer, and as many threads of load."""
    reach = Reach(Compared.RATIO_AT_LEAST, limit)
    title = f"pgbench -S, {pgbench.CLIENTS} clients, {mode}"
    name = f"pgbench-{mode}"
    if workers > 1:
        name, title = f"workers-{mode}", f"{title}, {workers} processes each"
    opened = _pgbench(mode, workers)
    return Measure(
        name, title, BOUNCER, "TPS", reach, opened, 3.0, needs_bouncer=True, workers=workers
    )


MEASURES: tuple[Measure[Stage], ...] = (
    Measure(
        "point", "point read, prepared, lookup policy", NATIVE, "ms", _NATIVE_REACH, _point_read
    ),
    _against_native("ilike", "ILIKE … ORDER BY key LIMIT 10", PATTERN),
    _against_native("unindexed", "join on an unindexed key", UNINDEXED_JOIN, 1.5),
    _against_native("ten-keys", "join of ten keys", TEN_KEYS),
    _against_native("numeric", "numeric range", NUMERIC_RANGE),
    _against_native("time", "now() - interval range", TIME_RANGE),
    _against_native("large-join", "join, 100 k × 1 M", LARGE_JOIN, 1.5),
    _against_native("dashboard", "ten aggregates", DASHBOARD, 1.5),
    Measure(
        "added-cached",
        "three-way join, same text again: p50",
        DIRECT,
        "ms",
        Reach(Compared.ADDED_AT_MOST, 0.15),
        _same_text(THREE_WAY),
    ),
    Measure(
        "added-first",
        "three-way join, never seen before: p50",
        DIRECT,
        "ms",
        Reach(Compared.ADDED_AT_MOST, 1.0),
        _first_time,
    ),
    Measure(
        "stream",
        "1 M rows, text",
        DIRECT,
        "MB/s",
        Reach(Compared.RATIO_AT_LEAST, 0.95),
        _streamed(STREAM),
        2.0,
    ),
    Measure(
        "stream-binary",
        "1 M rows, binary",
        DIRECT,
        "MB/s",
        Reach(Compared.RATIO_AT_LEAST, 0.95),
        _streamed(STREAM, is_binary=True),
        2.0,
    ),
    Measure(
        "copy",
        "1 M rows, COPY text",
        DIRECT,
        "MB/s",
        Reach(Compared.RATIO_AT_LEAST, 0.95),
        _streamed(STREAM_COPY),
        2.0,
    ),
    _tps("simple", 0.8),
    _tps("extended", 1.0),
    _tps("prepared", 1.0),
    _tps("simple", 1.0, workers=2),
    _tps("extended", 1.0, workers=2),
    _tps("prepared", 1.0, workers=2),
)
