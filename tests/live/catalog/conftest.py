"""The gate over the fixture company, and the real Postgres beside it, once for these tests."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest_asyncio
import structlog

from proxy.runtime.embedded import Cluster
from tests.live.catalog.stage import COMPANY, Stage, reference, serving


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """Tests that change its schema or policy start their own."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with serving(COMPANY) as found:
        yield found
    structlog.configure(**before)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def real() -> AsyncIterator[Cluster]:
    async with reference() as found:
        yield found
