"""`query`: one statement's rows, within caps, after a question if it is huge.

This file must not know MCP, nor SQL: the gate parses, decides and runs. The statement is prepared
first, so a mistake in it is told before anything else.

Theory of operation. The cost gate asks for the visible rows of each table that the statement reads
(EXPLAIN POLICY names them) and demands a confirmation from a number of rows on. The gate shows no
plan of the source, for estimates tell of hidden rows; visible rows tell of none. Rows come through
a cursor, a few at first, so a result is never held whole, and stop at the caps.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from sidecars.mcp.arguments import QueryArguments
from sidecars.mcp.gate import Caller, Session
from sidecars.mcp.limits import (
    FETCH_ROWS_FIRST,
    FETCH_ROWS_MAX,
    TEXT_CHARACTERS_MAX,
    ToolLimits,
)
from sidecars.mcp.policy_lines import read_policy, titles
from sidecars.mcp.sizes import Size, Sizes
from sidecars.mcp.tables import read_tables
from sidecars.mcp.values import Json, Renderer, compact

EXPLAIN_PREFIX = "EXPLAIN POLICY "


class NoRows(Exception):
    """COPY, SET and the like: nothing that could be answered here."""


async def query(
    session: Session, caller: Caller, asked: QueryArguments, limits: ToolLimits, sizes: Sizes
) -> dict[str, Json]:
    """Rows, or the question whether to run it. Raises asyncpg.PostgresError, InterfaceError,
    NoRows."""
    connection = session.connection
    prepared = await connection.prepare(asked.sql)
    if not prepared.get_attributes():
        raise NoRows("the statement returns no rows and was not run: use SELECT")
    if not asked.confirm:
        estimate = await _estimate(
            connection, caller, asked.sql, limits.unconfirmed_rows_max, sizes
        )
        if _is_huge(estimate, limits.unconfirmed_rows_max):
            return _question(estimate, limits.unconfirmed_rows_max)
    started = time.monotonic()
    answer = await _rows(connection, prepared, asked, limits)
    answer["milliseconds"] = round((time.monotonic() - started) * 1000)
    if session.notices:
        told: list[Json] = list(dict.fromkeys(session.notices))
        answer["notices"] = told
    return answer


async def _estimate(
    connection: asyncpg.Connection, caller: Caller, sql: str, rows_max: int, sizes: Sizes
) -> dict[str, Size]:
    """Visible rows of each table that is read; nothing for a statement that reads none."""
    try:
        records = await connection.fetch(EXPLAIN_PREFIX + sql)
    except asyncpg.PostgresError:
        return {}  # not a query over tables: SHOW, a question to the catalog
    read = titles(read_policy([record[0] for record in records]))
    if not read:
        return {}
    known = {table.title: table for table in await read_tables(connection)}
    return {
        title: await sizes.of(connection, caller.fingerprint, known[title], rows_max)
        if title in known
        else Size(None, is_exact=False)
        for title in read
    }


def _is_huge(estimate: dict[str, Size], rows_max: int) -> bool:
    """Whether to ask: too many rows together, or some that could not be counted to the end."""
    total = sum(size.rows or 0 for size in estimate.values())
    return total > rows_max or not all(size.is_exact for size in estimate.values())


def _question(estimate: dict[str, Size], rows_max: int) -> dict[str, Json]:
    return {
        "needs_confirmation": True,
        "estimate": {title: size.told() for title, size in estimate.items()},
        "why": f"It reads tables with more than {rows_max} visible rows together, or too many to"
        " count quickly. It was not run.",
        "advice": "Narrow it (WHERE on a key, fewer tables), or call again with confirm: true.",
    }


async def _rows(
    connection: asyncpg.Connection,
    prepared: PreparedStatement,
    asked: QueryArguments,
    limits: ToolLimits,
) -> dict[str, Json]:
    rows_max = min(asked.max_rows or limits.rows_max, limits.rows_max)
    renderer = Renderer(TEXT_CHARACTERS_MAX)
    rows: list[Json] = []
    bytes_left, why = limits.bytes_max, ""
    async with connection.transaction():
        cursor = await prepared.cursor()
        count = FETCH_ROWS_FIRST
        while not why:
            records = await cursor.fetch(min(count, rows_max - len(rows) + 1))
            for record in records:
                row = renderer.row(record)
                bytes_left -= len(compact(row).encode())
                if len(rows) == rows_max:
                    why = "rows"
                elif bytes_left < 0:
                    why = "bytes"
                else:
                    rows.append(row)
                    continue
                break
            if not records:
                break
            count = FETCH_ROWS_MAX
    answer: dict[str, Json] = {
        "columns": _columns(prepared),
        "rows": rows,
        "row_count": len(rows),
        "truncated": bool(why),
    }
    if why:
        limit = rows_max if why == "rows" else limits.bytes_max
        answer["truncated_because"] = f"there are more rows; the cap is {limit} {why}"
    if renderer.shortened:
        answer["shortened_values"] = renderer.shortened
    return answer


def _columns(prepared: PreparedStatement) -> list[Json]:
    """`name type` of each column."""
    return [f"{one.name} {one.type.name}" for one in prepared.get_attributes()]


async def explain_policy(connection: asyncpg.Connection, sql: str) -> dict[str, Json]:
    """How policy shapes a statement. Raises asyncpg.PostgresError."""
    lines: Sequence[str] = [record[0] for record in await connection.fetch(EXPLAIN_PREFIX + sql)]
    told: list[Json] = list(lines)
    return {"policy": told}
