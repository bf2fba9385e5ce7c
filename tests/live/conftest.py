"""One gate for all live tests of a run; a test that changes it starts its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.live.gate import Gate, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gate() -> AsyncIterator[Gate]:
    """A serving gate over the shop."""
    async with serving() as found:
        yield found
