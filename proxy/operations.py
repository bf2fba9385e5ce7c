"""What operators ask a running gate: its figures, whether it lives, whether it is ready.

This file must not know HTTP (`runtime/endpoint.py`) or what a worker is made of. `/health` answers
as long as this process does: a restart is the cure for what it denies. `/ready` is about clients:
may a balancer send some? It says no before the first of them is turned away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.metrics import CONTENT_TYPE, Samples, added, as_text, sample
from proxy.report import Report
from proxy.runtime.endpoint import Answer

JSON = "application/json"
UNREADY = 503


class Reporter(Protocol):
    """One worker process."""

    restarts: int
    retired: Samples

    async def report(self) -> Report | None:
        """What it says of itself; None if it does not answer."""
        ...


@dataclass(slots=True)
class Operations:
    """Answers for the whole gate. `is_shadow_up` asks about the catalog server."""

    workers: Sequence[Reporter]
    is_shadow_up: Callable[[], bool]
    is_draining: bool = field(default=False)

    def paths(self) -> Mapping[str, Callable[[], Awaitable[Answer]]]:
        """For the listener."""
        return {"/metrics": self.metrics, "/health": self.health, "/ready": self.ready}

    async def metrics(self) -> Answer:
        """The figures of all workers, added up."""
        reports = await self._reports()
        parts = [one.samples for one in reports if one is not None]
        samples = added([*parts, *(worker.retired for worker in self.workers)])
        if not parts:
            sample(samples, "sallyport_workers", 0)
        sample(samples, "sallyport_workers_expected", len(self.workers))
        restarts = sum(worker.restarts for worker in self.workers)
        sample(samples, "sallyport_worker_restarts_total", restarts)
        sample(samples, "sallyport_draining", int(self.is_draining))
        return Answer(as_text(samples), content_type=CONTENT_TYPE)

    async def health(self) -> Answer:
        """Whether the process lives."""
        return Answer("ok\n")

    async def ready(self) -> Answer:
        """Whether clients should be sent here, and if not, why."""
        reports = await self._reports()
        reasons = self._reasons(reports)
        content: dict[str, object] = {
            "ready": not reasons,
            "reasons": reasons,
            "sources": _sources(reports),
            "policy": sorted({one.policy_version[:12] for one in reports if one is not None}),
        }
        status = UNREADY if reasons else 200
        return Answer(json.dumps(content) + "\n", status, JSON)

    async def _reports(self) -> list[Report | None]:
        return list(await asyncio.gather(*(worker.report() for worker in self.workers)))

    def _reasons(self, reports: Sequence[Report | None]) -> list[str]:
        """Why not. One source that is down is no reason while another is up: its tables fail, and
        every gate beside this one sees the same."""
        reasons = []
        if self.is_draining:
            reasons.append("it is draining")
        if not self.is_shadow_up():
            reasons.append("the catalog server is down")
        silent = sum(one is None for one in reports)
        if silent:
            reasons.append(f"{silent} of {len(reports)} workers do not answer")
        failures = {one.audit_failure for one in reports if one is not None and one.audit_failure}
        if failures:
            reasons.append("the audit log cannot be written")
        states = _sources(reports)
        if states and "up" not in states.values():
            reasons.append("no source is up")
        return reasons


def _sources(reports: Sequence[Report | None]) -> dict[str, str]:
    """The state of each source: the worst that any worker tells, without its reason, which may
    name hosts."""
    states: dict[str, str] = {}
    for one in reports:
        for name, state in (one.sources if one is not None else {}).items():
            told = "up" if state == "up" else "down"
            states[name] = told if states.get(name, "up") == "up" else "down"
    return states
