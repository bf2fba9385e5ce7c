"""asyncpg through the gate: binary formats, its own catalog queries, portals, pool resets."""

from __future__ import annotations

import decimal
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from tests.live.gate import DATABASE, Gate


@pytest_asyncio.fixture(loop_scope="session")
async def connection(gate: Gate) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(
        host="127.0.0.1",
        port=gate.port,
        user="alice",
        database=DATABASE,
        password=gate.token(),
        ssl=False,
    )
    yield opened
    await opened.close()


async def test_binary_values_of_many_types(connection: asyncpg.Connection) -> None:
    row = await connection.fetchrow("SELECT * FROM shop.orders WHERE id = $1", 3)

    assert row["amount"] == decimal.Decimal("4.50")
    assert row["tags"] == ["a", "b3"]
    assert row["mood"] == "sad"  # introspected by asyncpg through the catalog
    assert row["note"] == "[withheld]"
    assert "hidden" not in row


async def test_portal_is_read_in_pieces(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        seen = [
            row["id"]
            async for row in connection.cursor("SELECT id FROM shop.orders ORDER BY id", prefetch=7)
        ]

    assert seen == list(range(3, 3001, 3))


async def test_portal_is_moved_forward(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        cursor = await connection.cursor("SELECT id FROM shop.orders ORDER BY id")
        first = await cursor.fetchrow()
        skipped = await cursor.forward(3)
        later = await cursor.fetchrow()

    assert (first["id"], skipped, later["id"]) == (3, 3, 15)


async def test_pool_resets_its_connections(gate: Gate) -> None:
    async with asyncpg.create_pool(
        host="127.0.0.1",
        port=gate.port,
        user="alice",
        database=DATABASE,
        password=gate.token(),
        ssl=False,
        min_size=1,
        max_size=2,
    ) as pool:
        for _ in range(3):
            async with pool.acquire() as borrowed:
                assert await borrowed.fetchval("SELECT count(*) FROM shop.orders") == 1000


async def test_nested_transactions(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        with pytest.raises(asyncpg.UndefinedTableError):
            async with connection.transaction():
                await connection.fetch("SELECT * FROM shop.secrets")
        assert await connection.fetchval("SELECT count(*) FROM shop.orders") == 1000


async def test_copy_of_a_query(connection: asyncpg.Connection) -> None:
    import io

    target = io.BytesIO()
    await connection.copy_from_query(
        "SELECT id, region FROM shop.orders ORDER BY id LIMIT 2", output=target, format="csv"
    )

    assert target.getvalue() == b"3,emea\n6,emea\n"


async def test_execute_many_and_prepared(connection: asyncpg.Connection) -> None:
    statement = await connection.prepare(
        "SELECT sku FROM shop.items WHERE order_id = $1 ORDER BY 1"
    )

    assert [row["sku"] for row in await statement.fetch(3)] == ["sku2", "sku3002"]
    assert [attribute.type.name for attribute in statement.get_attributes()] == ["text"]
