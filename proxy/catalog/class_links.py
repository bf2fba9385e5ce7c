"""Links to one class database, and what all classes of a process may hold together.

A *budget* bounds the links of a process: each is a backend of 4 to 20 MB. Those who wait for one
get it in the order in which they came, after the bound of their own class: a class whose statements
last long delays itself first. This file must not know what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from proxy.catalog.link import Link
from proxy.faults import LimitFault

DESCRIBING_MAX: Final = 2  # of one class at once: a statement takes 0.14 ms to describe
# Catalog statements of one class at once: 1 ms each as a rule, some seconds for one that is made to
# last. Apart from those described, so that nobody's data waits for somebody's catalog bomb.
ANSWERING_MAX: Final = 3
DESCRIBING_TOTAL_MAX: Final = 16  # over all classes of this process
ANSWERING_TOTAL_MAX: Final = 24
LINK_WAIT_SECONDS: Final = 10.0
STATEMENTS_PER_LINK_MAX: Final = 1_000  # a backend grows to 20 MB over some 300 differing ones
IDLE_LINKS_MAX: Final = 32  # over all classes of this process


class LinkBudget:
    """What all classes of this process use together."""

    def __init__(self) -> None:
        self.idle = 0
        self.describing = asyncio.Semaphore(DESCRIBING_TOTAL_MAX)
        self.answering = asyncio.Semaphore(ANSWERING_TOTAL_MAX)


class Turns:
    """The places that one class has, within the budget: for describing, and for answering."""

    def __init__(self, budget: LinkBudget) -> None:
        self._describing = (asyncio.Semaphore(DESCRIBING_MAX), budget.describing)
        self._answering = (asyncio.Semaphore(ANSWERING_MAX), budget.answering)

    @asynccontextmanager
    async def taken(self, *, is_describing: bool) -> AsyncIterator[None]:
        """Wait for a place and hold it. Raises LimitFault (53300) after LINK_WAIT_SECONDS."""
        own, total = self._describing if is_describing else self._answering
        held: list[asyncio.Semaphore] = []
        try:
            async with asyncio.timeout(LINK_WAIT_SECONDS):
                for semaphore in (own, total):
                    await semaphore.acquire()
                    held.append(semaphore)
        except TimeoutError:
            _release(held)
            raise LimitFault("the catalog is busy", sqlstate="53300") from None
        except BaseException:
            _release(held)
            raise
        try:
            yield
        finally:
            _release(held)


def _release(held: list[asyncio.Semaphore]) -> None:
    for semaphore in held:
        semaphore.release()


class ClassLinks:
    """Links to the database `name`, as the role of the same name."""

    def __init__(self, socket_path: Path, name: str, budget: LinkBudget) -> None:
        self._socket_path = socket_path
        self._name = name
        self._budget = budget
        self._idle: list[Link] = []
        self._is_closed = False

    @property
    def idle(self) -> tuple[Link, ...]:
        return tuple(self._idle)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """An idle link or a new one; it comes back only if its exchange ended as it should."""
        link: Link | None = None
        while self._idle and link is None:
            candidate = self._idle.pop()
            self._budget.idle -= 1
            link = candidate if candidate.is_usable else None
        if link is None:
            link = await Link.open(self._socket_path, self._name, self._name)
        try:
            yield link
        finally:
            self._give_back(link)

    def _give_back(self, link: Link) -> None:
        is_kept = (
            link.is_usable
            and link.statements < STATEMENTS_PER_LINK_MAX
            and self._budget.idle < IDLE_LINKS_MAX
            and not self._is_closed
        )
        if is_kept:
            self._idle.append(link)
            self._budget.idle += 1
        else:
            link.close()

    def close_idle(self) -> None:
        """Close what nobody uses: what took one link may have taken all."""
        for link in self._idle:
            link.close()
        self._budget.idle -= len(self._idle)
        self._idle.clear()

    def close(self) -> None:
        """Close them all, those in use when they come back."""
        self._is_closed = True
        self.close_idle()
