"""Readiness and figures, asked of workers that answer, fail or are silent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from proxy.metrics import Samples, sample
from proxy.operations import Operations
from proxy.report import Report


def report(
    *, audit_failure: str | None = None, sources: dict[str, str] | None = None, sessions: int = 1
) -> Report:
    samples: Samples = {}
    sample(samples, "sallyport_sessions", sessions)
    return Report("0123456789abcdef", audit_failure, sources or {"main": "up"}, samples)


@dataclass
class Worker:
    answer: Report | None
    restarts: int = 0
    retired: Samples = field(default_factory=dict)

    async def report(self) -> Report | None:
        return self.answer


async def test_ready_when_everything_is() -> None:
    answer = await Operations([Worker(report()), Worker(report())], lambda: True).ready()

    assert answer.status == 200
    assert json.loads(answer.text) == {
        "ready": True,
        "reasons": [],
        "sources": {"main": "up"},
        "policy": ["0123456789ab"],
    }


@pytest.mark.parametrize(
    ("worker", "is_shadow_up", "is_draining", "reason"),
    [
        (Worker(report()), False, False, "catalog server"),
        (Worker(report()), True, True, "draining"),
        (Worker(None), True, False, "1 of 2 workers do not answer"),
        (Worker(report(audit_failure="No space left")), True, False, "audit log"),
    ],
)
async def test_not_ready_and_why(
    worker: Worker, is_shadow_up: bool, is_draining: bool, reason: str
) -> None:
    operations = Operations([Worker(report()), worker], lambda: is_shadow_up, is_draining)
    answer = await operations.ready()

    assert answer.status == 503
    (told,) = json.loads(answer.text)["reasons"]
    assert reason in told
    assert (await operations.health()).status == 200


async def test_one_source_of_two_is_enough() -> None:
    one = {"main": "up", "other": "db.internal:5432: connection refused"}
    answer = await Operations([Worker(report(sources=one))], lambda: True).ready()
    assert answer.status == 200
    assert json.loads(answer.text)["sources"] == {"main": "up", "other": "down"}
    assert "internal" not in answer.text

    none = {"main": "down", "other": "down"}
    answer = await Operations([Worker(report(sources=none))], lambda: True).ready()
    assert answer.status == 503


async def test_figures_of_all_and_of_those_that_died() -> None:
    retired: Samples = {}
    sample(retired, "sallyport_rows_total", 100)
    workers = [Worker(report(sessions=2), restarts=1, retired=retired), Worker(report(sessions=3))]
    text = (await Operations(workers, lambda: True).metrics()).text

    assert "sallyport_sessions 5\n" in text
    assert "sallyport_rows_total 100\n" in text
    assert "sallyport_worker_restarts_total 1\n" in text
    assert "sallyport_workers_expected 2\n" in text


async def test_nobody_answers() -> None:
    text = (await Operations([Worker(None)], lambda: True).metrics()).text

    assert "sallyport_workers 0\n" in text
