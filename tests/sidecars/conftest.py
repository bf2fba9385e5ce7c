"""One gate over the small shop for all sidecars' tests of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.live.gate import Gate, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop() -> AsyncIterator[Gate]:
    """A serving gate."""
    async with serving() as found:
        yield found
