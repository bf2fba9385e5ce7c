"""Visible rows: counted through the gate, up to a limit, remembered for each caller apart."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from sidecars.mcp.limits import COUNT_MS_MAX, SIZE_SECONDS_MAX, SIZES_REMEMBERED_MAX
from sidecars.mcp.sizes import Size, Sizes, count
from sidecars.mcp.tables import Table
from tests.live.gate import DATABASE, Gate

ORDERS = Table("shop", "orders", None)


@pytest_asyncio.fixture(loop_scope="session")
async def connection(shop: Gate) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(
        host="127.0.0.1", port=shop.port, user="alice", database=DATABASE, password=shop.token(),
        ssl=False,
    )  # fmt: skip
    yield opened
    await opened.close()


async def test_hidden_rows_do_not_count(connection: asyncpg.Connection) -> None:
    assert await count(connection, ORDERS, 5_000) == Size(1_000, is_exact=True)
    assert await count(connection, ORDERS, 1_000) == Size(1_000, is_exact=True)
    assert await count(connection, ORDERS, 999) == Size(999, is_exact=False)


async def test_the_time_limit_ends_with_the_count(connection: asyncpg.Connection) -> None:
    await connection.execute("SET statement_timeout = 7000")
    await count(connection, ORDERS, 10)

    assert await connection.fetchval("SHOW statement_timeout") == "7s"


async def test_remembered_for_a_while_and_for_one_caller(connection: asyncpg.Connection) -> None:
    now = [0.0]
    sizes = Sizes(lambda: now[0])
    assert (await sizes.of(connection, "a", ORDERS, 10)).rows == 10
    closed = await _closed(connection)
    assert (await sizes.of(closed, "a", ORDERS, 10)).rows == 10  # nothing was asked
    for whose, at in (("b", 0.0), ("a", SIZE_SECONDS_MAX)):
        now[0] = at
        try:
            await sizes.of(closed, whose, ORDERS, 10)
        except asyncpg.InterfaceError:
            continue
        raise AssertionError("it must be counted again")


async def test_what_is_remembered_is_bounded(connection: asyncpg.Connection) -> None:
    sizes = Sizes()
    for number in range(SIZES_REMEMBERED_MAX + 5):
        sizes._known[("x", str(number), 1)] = (0.0, Size(1, is_exact=True))
    await sizes.of(connection, "a", ORDERS, 1)

    assert len(sizes._known) == SIZES_REMEMBERED_MAX


def test_what_a_model_is_told() -> None:
    assert Size(5, is_exact=True).told() == {"visible_rows": 5}
    assert Size(5, is_exact=False).told() == {"visible_rows_at_least": 5}
    assert str(COUNT_MS_MAX) in str(Size(None, is_exact=False).told()["why"])


async def _closed(like: asyncpg.Connection) -> asyncpg.Connection:
    """A connection that can answer nothing."""

    class Closed:
        def transaction(self) -> object:
            raise asyncpg.InterfaceError("connection is closed")

    return Closed()
