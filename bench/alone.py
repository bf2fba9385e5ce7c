"""What parts of the gate do by themselves: the audit log, decisions over large policies, the start.

This file must not know the network: parts are called as the gate calls them.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal

import yaml

from bench.figure import Figure
from policies.decide import PolicySet
from policies.identity import Identity
from policies.load import load
from policies.model import RelationKey
from proxy.runtime.audit import (
    AuditLog,
    Form,
    Principal,
    RelationAccess,
    Slot,
    SqlIntent,
    clear_text,
)

EVENTS: int = 20_000
CONCURRENT = 200
RULES = (1, 10, 100, 1_000)
TABLES = 2_000
MASKS = 50
REPEATS = 5
AGAIN = 20
AUDIT_ROUNDS = 3
LINEAR = 1.5
"""How much more than ten times as long ten times as many rules may take, and count as linear."""
FLAT = 1.5

_INTENT = SqlIntent(
    principal=Principal("ada", "https://bench.test", None, "0" * 64, ("analyst",)),
    session_id="1",
    policy_version="0" * 64,
    statement_kind="query",
    original_text="SELECT id, amount FROM bench.orders WHERE id = $1",
    guarded_text="SELECT id, amount FROM (SELECT id, amount FROM bench.orders) o WHERE id = $1",
    source="bench",
    relations=(RelationAccess("bench", "bench", "orders", ("id", "amount")),),
)


def audit(scale: float) -> list[Figure]:
    """Events a second in both modes, each caller waiting for its record; medians of rounds."""
    count = max(2_000, int(EVENTS * scale))

    def figure(name: str, title: str, reach: float, measure: Callable[[], float]) -> Figure:
        rounds = sorted(measure() for _ in range(AUDIT_ROUNDS))
        return Figure(
            f"audit-{name}",
            f"audit log, {title}",
            "events/s",
            median(rounds),
            reach,
            at_least=True,
            lowest=rounds[0],
            highest=rounds[-1],
        )

    posted = "fast, records of known statements"
    found = [figure("posted", posted, 20_000.0, lambda: asyncio.run(_posted_per_second(count)))]
    for name, reach in _AUDIT_REACHES:
        work = partial(_events_per_second, name, count)
        title = f"{name}, any other, {CONCURRENT} at a time"
        found.append(figure(name, title, reach, lambda work=work: asyncio.run(work())))
    return found


_AUDIT_REACHES: tuple[tuple[Literal["fast", "strict"], float], ...] = (
    ("fast", 20_000.0),
    ("strict", 5_000.0),
)


async def _events_per_second(mode: Literal["fast", "strict"], count: int) -> float:
    with tempfile.TemporaryDirectory(prefix="sallyport-bench-audit-") as name:
        log = await AuditLog.open(Path(name), mode)
        try:
            start = time.perf_counter()
            for _ in range(count // CONCURRENT):
                await asyncio.gather(*(log.intent(_INTENT) for _ in range(CONCURRENT)))
            return count / (time.perf_counter() - start)
        finally:
            await log.close()


async def _posted_per_second(count: int) -> float:
    """As the express lane writes them: from a form, with the others of one turn of the loop."""
    record = _INTENT.payload(0.0, clear_text)
    record["time"] = Slot("%d")
    form = Form(record)
    with tempfile.TemporaryDirectory(prefix="sallyport-bench-audit-") as name:
        log = await AuditLog.open(Path(name), "fast")
        try:
            start = time.perf_counter()
            for turn in range(count // 8):
                for _ in range(8):
                    log.post(form.filled(turn), None)
                await asyncio.sleep(0)
            return count / (time.perf_counter() - start)
        finally:
            await log.close()


def decisions(scale: float) -> list[Figure]:
    """Milliseconds to decide one relation, the first time and again."""
    del scale
    figures = []
    for count in RULES:
        figures += _decided(f"{count:,} rules", _rules(count), "t0")
    figures += _decided(f"{TABLES:,} tables", _tables(TABLES), "t7")
    figures += _decided(f"{MASKS} masks in a row", _masks(MASKS), "t0")
    values = {figure.name: figure.value for figure in figures}
    few, many = RULES[-2], RULES[-1]
    grown = values[f"decide-{many}-rules-cold"] / values[f"decide-{few}-rules-cold"]
    title = f"policy decision, {many:,} rules against {few}"
    limit = many / few * LINEAR
    figures.append(Figure("decide-linear", f"{title}: cold", "×", grown, limit))
    grown = values[f"decide-{many}-rules-cached"] / values[f"decide-{few}-rules-cached"]
    figures.append(Figure("decide-flat", f"{title}: again", "×", grown, FLAT))
    return figures


def _decided(title: str, content: dict[str, object], table: str) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="sallyport-bench-policy-") as name:
        path = Path(name) / "policy.yaml"
        path.write_text(yaml.safe_dump(content))
        cold, cached = [], []
        for _ in range(REPEATS):
            policy = load([path])[0]
            work = _decision(policy, table)
            cold.append(_milliseconds(work))
            cached.append(min(_milliseconds(work) for _ in range(AGAIN)))
    slug = title.replace(" ", "-").replace(",", "")
    return [
        Figure(f"decide-{slug}-cold", f"policy decision, {title}: cold", "ms", median(cold)),
        Figure(f"decide-{slug}-cached", f"policy decision, {title}: again", "ms", median(cached)),
    ]


def _decision(policy: PolicySet, table: str) -> Callable[[], object]:
    identity = Identity.create(
        subject="ada",
        issuer="i",
        roles=frozenset({"analyst"}),
        claims={"region": "emea"},
        expires_at=1e12,
    )
    key = RelationKey("bench", "public", table)
    return lambda: policy.decide(identity, key, 0.0)


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _policy(tables: dict[str, object]) -> dict[str, object]:
    return {
        "version": 1,
        "source": "bench",
        "roles": {"analyst": "reads"},
        "claims": {"region": {"type": "text", "pointer": "/region"}},
        "tables": tables,
    }


def _table(columns: dict[str, object], rules: int = 1) -> dict[str, object]:
    granted = [
        {
            "grant": f"rule {number}",
            "roles": ["analyst"],
            "where": f"id > {number} AND region = claim('region')",
        }
        for number in range(rules)
    ]
    return {"columns": {"id": {}, "region": {}, **columns}, "rules": granted}


def _rules(count: int) -> dict[str, object]:
    return _policy({"public.t0": _table({}, count)})


def _tables(count: int) -> dict[str, object]:
    return _policy({f"public.t{number}": _table({}) for number in range(count)})


def _masks(count: int) -> dict[str, object]:
    columns: dict[str, object] = {f"c{number}": {"mask": "null"} for number in range(count)}
    return _policy({"public.t0": _table(columns)})
