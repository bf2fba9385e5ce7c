"""Databases of the merge engine: what a design needs, made once, dropped unless somebody is inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from proxy.catalog.virtual import TextRules
from proxy.faults import UnsupportedFault
from proxy.federation.engine import merge_cluster
from proxy.federation.merge_database import design_of, drop, ensure
from proxy.runtime.embedded import Cluster
from tests.proxy.sql.two_sources import catalog

SOURCES = ("crm", "sales")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with merge_cluster(tmp_path_factory.mktemp("merge"), 1 << 20) as running:
        yield running


def test_a_design_is_named_by_what_it_holds() -> None:
    design = design_of(catalog(), SOURCES)
    assert design.name == design_of(catalog(), reversed(SOURCES)).name  # type: ignore[arg-type]
    german = TextRules("de_DE.UTF-8", "de_DE.UTF-8")
    other = design_of(catalog(german, german), SOURCES)
    assert other.name != design.name
    assert other.rules == german
    assert len(design.name) <= 63


def test_types_that_clash() -> None:
    seen = catalog()
    [grade] = [one for one in seen.types["crm"].values() if one.kind == "e"]
    other = {**seen.types, "sales": {grade.oid: replace(grade, labels=("x",))}}
    with pytest.raises(UnsupportedFault):
        design_of(replace(seen, types=other), SOURCES)


async def test_several_make_it_at_once_and_it_is_made_once(cluster: Cluster) -> None:
    design = design_of(catalog(), SOURCES)
    found = await asyncio.gather(*(ensure(cluster, design, "analytics") for _ in range(4)))
    assert set(found) == {(design.name,)}


async def test_dropped_unless_somebody_is_inside(cluster: Cluster) -> None:
    design = design_of(catalog(), SOURCES)
    await ensure(cluster, design, "analytics")
    guest = await cluster.connect(design.name)
    await drop(cluster, design.name)
    assert await guest.fetchval("SELECT 'low'::crm.grade::text") == "low"
    await guest.close()
    await drop(cluster, design.name)
    admin = await cluster.connect()
    count = "SELECT count(*) FROM pg_database WHERE datname = $1"
    assert await admin.fetchval(count, design.name) == 0
    await admin.close()
    await drop(cluster, design.name)  # once more is no error
