"""The history of policy loads, as a gate writes it and an operator reads it."""

from __future__ import annotations

import asyncio

from proxy.runtime.config import load
from proxy.runtime.state.database import opened, prepare
from proxy.runtime.state.journal import PolicyJournal
from proxy.runtime.state.place import StatePlace
from tests.proxy.commands.conftest import Run, Workplace


async def loads(place: Workplace) -> None:
    """A load that is accepted, then an edit that is refused."""
    configuration = load(place.configuration)
    assert configuration.state is not None
    state_place = StatePlace.configured(configuration.state)
    await prepare(state_place)
    async with opened(state_place) as state:
        journal = PolicyJournal(state, configuration.policies)
        await journal.note(version_before="", version_after="a" * 64, is_accepted=True)
        place.policy.write_text("version: 2\n")
        await journal.note(
            version_before="a" * 64,
            version_after="",
            is_accepted=False,
            reason="policy.yaml:1: needs version: 1",
        )


def test_the_newest_first(kept: Workplace, sallyport: Run) -> None:
    assert sallyport("policy", "history").out == ""
    asyncio.run(loads(kept))
    text = sallyport("policy", "history").out
    assert text.index("refused") < text.index("accepted")
    assert "needs version: 1" in text
    assert f"changed {kept.policy}" in text
    newest, oldest = sallyport("policy", "history", "--json").objects
    assert (newest["is_accepted"], oldest["is_accepted"]) == (False, True)
    assert len(newest["digest"]) == 64
    assert len(sallyport("policy", "history", "-n", "1", "--json").objects) == 1
