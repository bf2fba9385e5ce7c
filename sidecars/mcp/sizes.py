"""How many rows of a table this caller sees: counted through the gate, so hidden ones never count.

This file must not know tools. A count stops at a number of rows or after a time; what it found is
remembered for a while, for each caller apart.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from sidecars.mcp.limits import COUNT_MS_MAX, SIZE_SECONDS_MAX, SIZES_REMEMBERED_MAX
from sidecars.mcp.tables import Table, always_quoted
from sidecars.mcp.values import Json

QUERY_CANCELLED = "57014"


@dataclass(frozen=True, slots=True)
class Size:
    """`rows` that are visible. Not `is_exact`: at least so many; None: counting took too long."""

    rows: int | None
    is_exact: bool

    def told(self) -> dict[str, Json]:
        """For a model."""
        if self.rows is None:
            return {"visible_rows": None, "why": f"counting took over {COUNT_MS_MAX} ms"}
        return {"visible_rows" if self.is_exact else "visible_rows_at_least": self.rows}


class Sizes:
    """Remembers sizes. `clock` in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, int], tuple[float, Size]] = OrderedDict()

    async def of(
        self, connection: asyncpg.Connection, whose: str, table: Table, rows_max: int
    ) -> Size:
        """The size of a table for the caller who is logged in on `connection`; `whose` is a
        fingerprint of the token."""
        key = (whose, table.title, rows_max)
        known = self._known.get(key)
        if known is not None and self._clock() - known[0] < SIZE_SECONDS_MAX:
            return known[1]
        size = await count(connection, table, rows_max)
        self._known[key] = (self._clock(), size)
        self._known.move_to_end(key)
        while len(self._known) > SIZES_REMEMBERED_MAX:
            self._known.popitem(last=False)
        return size


async def count(connection: asyncpg.Connection, table: Table, rows_max: int) -> Size:
    """Count up to `rows_max` rows. Raises asyncpg.PostgresError but for running out of time."""
    statement = (
        f"SELECT pg_catalog.count(*) FROM (SELECT 1 FROM {always_quoted(table)}"
        f" LIMIT {rows_max + 1}) AS counted"
    )
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL statement_timeout = {COUNT_MS_MAX}")
            counted = await connection.fetchval(statement)
    except asyncpg.PostgresError as error:
        if error.sqlstate == QUERY_CANCELLED:
            return Size(None, is_exact=False)
        raise
    return Size(min(counted, rows_max), is_exact=counted <= rows_max)
