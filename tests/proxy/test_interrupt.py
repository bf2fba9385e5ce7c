"""Interrupts: polite first, then not; never the next statement."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import pytest

from proxy import interrupt
from proxy.faults import Fault, SourceFault
from proxy.interrupt import Interrupter, Reason


class Work:
    """A statement at a source: ends when it is asked to cancel, if it listens."""

    def __init__(self, *, listens: bool = True) -> None:
        self.was_asked = asyncio.Event()
        self._listens = listens

    async def ask(self) -> bool:
        self.was_asked.set()
        return True

    async def run(self) -> str:
        if not self._listens:
            await asyncio.sleep(60)
        await self.was_asked.wait()
        raise SourceFault("canceling statement due to somebody else", sqlstate="57014")


async def nothing_runs() -> bool:
    return False


async def test_a_statement_ends_by_itself() -> None:
    assert await Interrupter(nothing_runs).limited(asyncio.sleep(0, "done"), 1000) == "done"


@pytest.mark.parametrize("reason", [Reason.USER, Reason.GONE])
async def test_the_source_is_asked_and_the_reason_is_told(reason: Reason) -> None:
    work = Work()
    interrupter = Interrupter(work.ask)
    asyncio.get_running_loop().call_later(0.01, interrupter.interrupt, reason)
    with pytest.raises(Fault) as caught:
        await interrupter.limited(work.run(), 10_000)

    assert (caught.value.sqlstate, caught.value.message) == ("57014", reason.value)


async def test_a_timeout_is_an_interrupt() -> None:
    work = Work()
    with pytest.raises(Fault) as caught:
        await Interrupter(work.ask).limited(work.run(), 10)

    assert caught.value.message == Reason.TIMEOUT.value


async def test_a_deaf_source_is_left_alone_after_a_while() -> None:
    work = Work(listens=False)
    interrupter = Interrupter(work.ask)
    with patch.object(interrupt, "INTERRUPT_GRACE_SECONDS", 0.02), pytest.raises(Fault) as caught:
        await interrupter.limited(work.run(), 10)

    assert caught.value.sqlstate == "57014"


async def test_what_runs_at_no_source_is_cancelled_here() -> None:
    interrupter = Interrupter(nothing_runs)
    asyncio.get_running_loop().call_later(0.01, interrupter.interrupt, Reason.USER)
    with pytest.raises(Fault) as caught:
        await interrupter.limited(asyncio.sleep(60), 10_000)

    assert caught.value.message == Reason.USER.value


async def test_a_late_cancel_does_not_reach_the_next_statement() -> None:
    interrupter = Interrupter(nothing_runs)
    interrupter.interrupt(Reason.USER)

    assert await interrupter.limited(asyncio.sleep(0.02, "done"), 1000) == "done"


async def test_nothing_starts_for_a_client_that_is_gone() -> None:
    interrupter = Interrupter(nothing_runs)
    interrupter.interrupt(Reason.GONE)
    with pytest.raises(Fault):
        await interrupter.limited(asyncio.sleep(60), 1000)


async def test_other_errors_are_told_as_they_are() -> None:
    async def fail() -> None:
        raise Fault("division by zero", sqlstate="22012")

    with pytest.raises(Fault) as caught:
        await Interrupter(nothing_runs).limited(fail(), 1000)

    assert caught.value.sqlstate == "22012"
