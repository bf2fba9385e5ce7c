"""Goal: one class cannot take the links of all others, and whoever waits in vain is told so.

Method: places are held by the test itself; links are those of a real class.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from proxy.catalog import class_links
from proxy.catalog.class_links import ClassLinks, LinkBudget, Turns
from proxy.catalog.shadow import Shadow
from proxy.catalog.virtual import SourceCatalog
from proxy.faults import LimitFault
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import seeing


async def test_a_class_has_few_places_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_links, "LINK_WAIT_SECONDS", 0.01)
    budget = LinkBudget()
    greedy, modest = Turns(budget), Turns(budget)
    async with AsyncExitStack() as stack:
        for _ in range(class_links.ANSWERING_MAX):
            await stack.enter_async_context(greedy.taken(is_describing=False))
        with pytest.raises(LimitFault) as caught:
            async with greedy.taken(is_describing=False):
                pass
        assert caught.value.sqlstate == "53300"
        async with greedy.taken(is_describing=True), modest.taken(is_describing=False):
            pass
    async with greedy.taken(is_describing=False):
        pass


async def test_all_classes_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_links, "LINK_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(class_links, "DESCRIBING_TOTAL_MAX", 2)
    budget = LinkBudget()
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(Turns(budget).taken(is_describing=True))
        with pytest.raises(LimitFault):
            async with Turns(budget).taken(is_describing=True):
                pass
    assert not budget.describing.locked()


async def test_who_gives_up_waiting_holds_nothing() -> None:
    budget = LinkBudget()
    turns = Turns(budget)
    async with AsyncExitStack() as stack:
        for _ in range(class_links.DESCRIBING_MAX):
            await stack.enter_async_context(turns.taken(is_describing=True))
        waiting = asyncio.ensure_future(turns.taken(is_describing=True).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    for _ in range(2):
        async with turns.taken(is_describing=True):
            pass


async def test_idle_links_are_used_again_and_closed_with_the_class(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    asked = await shadow.class_for(seeing(company, {"public.customers": ["id", "uid"]}))
    name = (await asked._wholly()).name
    budget = LinkBudget()
    links = ClassLinks(cluster.socket_path, name, budget)
    async with links.link() as first:
        pass
    async with links.link() as again, links.link() as other:
        assert again is first
        assert other is not first
        links.close()
    assert links.idle == ()
    assert budget.idle == 0
    assert not first.is_usable
