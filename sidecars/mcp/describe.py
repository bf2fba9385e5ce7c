"""`describe`: the tables of this principal, in an overview or in full.

This file must not know MCP. Everything is asked through the gate as this principal: samples come
masked, counts count visible rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from sidecars.mcp.arguments import DescribeArguments
from sidecars.mcp.correction import correction
from sidecars.mcp.gate import Caller, Session
from sidecars.mcp.limits import (
    COUNT_ROWS_MAX,
    SAMPLE_ROWS,
    SAMPLE_TEXT_CHARACTERS_MAX,
    TABLES_LISTED_MAX,
)
from sidecars.mcp.policy_lines import TablePolicy, read_policy
from sidecars.mcp.sizes import Sizes
from sidecars.mcp.tables import Table, always_quoted, find, near, read_tables, search
from sidecars.mcp.values import Json, Renderer


async def describe(
    session: Session, caller: Caller, asked: DescribeArguments, sizes: Sizes
) -> dict[str, Json]:
    """The answer; types and keys name tables with their schemas, whatever the session's path.

    Raises asyncpg.PostgresError.
    """
    await session.connection.execute("SET search_path = pg_catalog")
    if asked.tables:
        return await _details(session, caller, asked.tables, sizes)
    return _overview(await read_tables(session.connection), asked.search)


def _overview(tables: Sequence[Table], words: str) -> dict[str, Json]:
    found = search(tables, words)
    listed: list[Json] = [
        {
            "name": one.quoted,
            "comment": one.comment,
            "columns": ", ".join(column.name for column in one.columns),
        }
        for one in found[:TABLES_LISTED_MAX]
    ]
    answer: dict[str, Json] = {"tables": listed}
    if len(found) > len(listed):
        answer["tables_not_listed"] = len(found) - len(listed)
        answer["advice"] = "Narrow the list with `search`."
    elif not found and tables:
        answer["advice"] = f"No table matches all of these words; {len(tables)} exist."
    elif not tables:
        answer["advice"] = "This user may read no table at all."
    return answer


async def _details(
    session: Session, caller: Caller, wanted: Sequence[str], sizes: Sizes
) -> dict[str, Json]:
    tables = await read_tables(session.connection, with_keys=True)
    described: list[Json] = []
    missing: list[Json] = []
    for name in dict.fromkeys(wanted):
        table = find(tables, name)
        if table is None:
            close = near(name, (one.title for one in tables))
            likely: list[Json] = [one.quoted for one in tables if one.title in close]
            missing.append({"name": name, "did_you_mean": likely})
        else:
            described.append(await _one(session.connection, caller, table, sizes))
    answer: dict[str, Json] = {"tables": described}
    if missing:
        answer["tables_that_do_not_exist"] = missing
    return answer


async def _one(
    connection: asyncpg.Connection, caller: Caller, table: Table, sizes: Sizes
) -> dict[str, Json]:
    name = always_quoted(table)
    policy = await table_policy(connection, table)
    columns: list[Json] = []
    for column in table.columns:
        told: dict[str, Json] = {"name": column.name, "type": column.type}
        if column.comment:
            told["comment"] = column.comment
        if column.name in policy.masks:
            told["masked"] = policy.masks[column.name]
        columns.append(told)
    answer: dict[str, Json] = {
        "name": table.quoted,
        "comment": table.comment,
        "columns": columns,
        "keys": list(table.keys),
        "rows_shown": policy.rows or None,
    }
    try:
        answer.update(
            (await sizes.of(connection, caller.fingerprint, table, COUNT_ROWS_MAX)).told()
        )
        records = await connection.fetch(f"SELECT * FROM {name} LIMIT {SAMPLE_ROWS}")
        renderer = Renderer(SAMPLE_TEXT_CHARACTERS_MAX)
        answer["sample_rows"] = [renderer.row(record) for record in records]
    except asyncpg.PostgresError as error:
        # A table may be listed and not be readable now: its source is down, a claim is missing.
        answer["not_readable_now"] = correction(error)
    return answer


async def table_policy(connection: asyncpg.Connection, table: Table) -> TablePolicy:
    """Rows and masks of one table, in the gate's words; empty when it has none to tell."""
    try:
        records = await connection.fetch(f"EXPLAIN POLICY TABLE {always_quoted(table)}")
    except asyncpg.PostgresError:
        return TablePolicy(table.title)
    found = read_policy([record[0] for record in records])
    return found[0] if found else TablePolicy(table.title)
