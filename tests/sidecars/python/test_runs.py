"""Runs and sessions in time: idle ones end, a dead audit log stops everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from policies.identity import Identity
from policies.secret import Secret
from proxy.runtime.audit import AuditFault, AuditLog
from proxy.runtime.gate_address import GateAddress
from sidecars.python.gate import Caller
from sidecars.python.pool import Pool
from sidecars.python.runs import NotFound, Request, Run, Runs
from tests.sidecars.python.conftest import SHORT

ALICE = Identity.create(
    subject="alice", issuer="https://i", roles=frozenset(), claims={}, expires_at=0
)
AGENT = Identity.create(
    subject="alice", issuer="https://i", roles=frozenset(), claims={}, expires_at=0, actor="bot"
)
CALLER = Caller(Secret("t"), "alice")


def request(code: str, session: str | None = None) -> Request:
    return Request(code, {}, {}, SHORT, session)


@pytest_asyncio.fixture(loop_scope="session")
async def audit(tmp_path: Path) -> AsyncIterator[AuditLog]:
    log = await AuditLog.open(tmp_path, "fast", process="python")
    try:
        yield log
    finally:
        await log.close()


@pytest_asyncio.fixture(loop_scope="session")
async def runs(pool: Pool, audit: AuditLog) -> AsyncIterator[Runs]:
    made = Runs(
        pool,
        audit,
        GateAddress("127.0.0.1", 1, "x"),
        runs_per_principal=2,
        sessions_per_principal=1,
        session_idle_seconds=0.4,
    )
    try:
        yield made
    finally:
        await made.close()


async def finished(run: Run) -> Run:
    assert run.task is not None
    await run.task
    return run


async def test_an_idle_session_ends(runs: Runs) -> None:
    session = await runs.open_session(ALICE, SHORT)
    async with asyncio.timeout(20):
        while not session.is_over:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.05)
    with pytest.raises(NotFound):
        runs.session(ALICE, session.session_id)


async def test_a_session_that_works_is_not_idle(runs: Runs) -> None:
    session = await runs.open_session(ALICE, SHORT)
    code = "import time; time.sleep(1.5); 1"
    run = await finished(await runs.start(ALICE, CALLER, request(code, session.session_id)))
    assert run.result is not None
    assert run.result.error == ""


async def test_an_agent_is_not_the_person(runs: Runs) -> None:
    run = await finished(await runs.start(ALICE, CALLER, request("1")))
    assert runs.find(ALICE, run.run_id) is run
    with pytest.raises(NotFound):
        runs.find(AGENT, run.run_id)


async def test_without_an_audit_log_nothing_runs(runs: Runs, audit: AuditLog) -> None:
    await audit.close()
    with pytest.raises(AuditFault):
        await runs.start(ALICE, CALLER, request("open('x', 'w')"))


async def test_a_gate_that_is_away_is_told(runs: Runs) -> None:
    run = await finished(await runs.start(ALICE, CALLER, request("query('select 1')")))
    assert run.result is not None
    assert "cannot be reached" in run.result.traceback


async def test_a_cancelled_run_has_an_outcome(runs: Runs) -> None:
    run = await runs.start(ALICE, CALLER, request("while True: pass"))
    await runs.cancel(run)
    assert run.result is not None
    assert run.result.error == "Cancelled"
    await runs.cancel(run)  # again: as it was


async def test_events_are_followed_by_several(runs: Runs) -> None:
    run = await runs.start(
        ALICE, CALLER, request("import time\nprint(1)\ntime.sleep(0.3)\nprint(2)")
    )

    async def all_events() -> list[str]:
        return [one["event"] async for one in runs.follow(run)]

    one, two = await asyncio.gather(all_events(), all_events())
    assert one == two
    assert one[-1] == "ended"
