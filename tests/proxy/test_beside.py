"""Long work leaves the loop to others, one piece at a time, and its faults come back."""

from __future__ import annotations

import asyncio
import threading

import pytest

from proxy.beside import Beside
from proxy.faults import LimitFault

PATIENCE_SECONDS = 20.0


async def test_the_loop_goes_on_meanwhile() -> None:
    is_going_on = threading.Event()
    asyncio.get_running_loop().call_later(0, is_going_on.set)

    assert await Beside().run(lambda: is_going_on.wait(PATIENCE_SECONDS))


async def test_one_at_a_time() -> None:
    beside, running, most = Beside(), [], []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        running.pop()

    await asyncio.gather(*(beside.run(work) for _ in range(20)))

    assert max(most) == 1


async def test_a_fault_comes_back() -> None:
    def refuse() -> None:
        raise LimitFault("too much", sqlstate="54001")

    with pytest.raises(LimitFault, match="too much"):
        await Beside().run(refuse)
