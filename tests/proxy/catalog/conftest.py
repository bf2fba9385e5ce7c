"""The fixture company as introspected, and one shadow over it, for all tests of the catalog."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from policies.model import RelationKey, VisibleColumn
from proxy.catalog.introspect import introspect
from proxy.catalog.shadow import MAJOR_OLD, Shadow, shadow_cluster
from proxy.catalog.virtual import ClassCatalog, SourceCatalog, class_catalog
from proxy.runtime.embedded import Cluster
from tests.servers import postgres

FIXTURE = Path(__file__).with_name("fixture.sql").read_text()
DATABASE = "analytics"


@pytest.fixture(scope="session")
async def company(postgres_server: postgres.Server) -> AsyncIterator[SourceCatalog]:
    """The fixture company on a live server, read once. A composite type is used by a column, or
    nobody would see it."""
    with postgres_server.database("catalog_company"):
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=postgres_server.port,
            user=postgres.USER,
            password=postgres.PASSWORD,
            database="catalog_company",
            ssl=False,
        )
        await connection.execute(FIXTURE + "ALTER TABLE public.customers ADD COLUMN home addr;")
        catalog = await introspect(connection, "main")
        await connection.close()
        yield catalog


Place = tuple[Cluster, Shadow]


@pytest.fixture(scope="session")
async def place_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Callable[[int], Awaitable[Place]]]:
    """A function from a major version to its shadow, made on first use."""
    places: dict[int, Place] = {}
    async with AsyncExitStack() as stack:

        async def place(major: int) -> Place:
            if major not in places:
                folder = tmp_path_factory.mktemp("shadow")
                cluster = await stack.enter_async_context(shadow_cluster(folder, major))
                places[major] = (cluster, Shadow(cluster, DATABASE))
                await places[major][1].start()
                stack.push_async_callback(places[major][1].close)
            return places[major]

        yield place


@pytest.fixture(scope="session")
async def cluster(place_of: Callable[[int], Awaitable[Place]]) -> Cluster:
    return (await place_of(MAJOR_OLD))[0]


@pytest.fixture(scope="session")
async def shadow(place_of: Callable[[int], Awaitable[Place]]) -> Shadow:
    return (await place_of(MAJOR_OLD))[1]


def everything(catalog: SourceCatalog) -> ClassCatalog:
    """The class that sees all of it."""
    return seeing(
        catalog,
        {
            f"{key.schema}.{key.name}": [column.name for column in relation.columns]
            for key, relation in catalog.relations.items()
        },
    )


def seeing(
    catalog: SourceCatalog,
    visible: Mapping[str, Iterable[str]],
    masks: Mapping[str, str] | None = None,
) -> ClassCatalog:
    """The class that sees these columns of `schema.relation`; `masks` gives some a masked type."""
    return class_catalog(
        [catalog],
        {
            RelationKey(catalog.source, *name.split(".")): [
                VisibleColumn(column, (masks or {}).get(column)) for column in columns
            ]
            for name, columns in visible.items()
        },
    )
