"""Answers of two servers, compared as their bytes."""

from __future__ import annotations

import psycopg

Row = tuple[object, ...]
Connection = psycopg.AsyncConnection[Row]
Answer = tuple[list[tuple[object, int]], list[Row]]

FIRST_NORMAL_OID = 16_384
"""Lower OIDs are built in; higher ones are each server's own."""


async def answer(connection: Connection, sql: str) -> Answer:
    """Names and types of the columns, and the values as the server sent them, as text."""
    cursor = psycopg.AsyncRawCursor(connection)
    await cursor.execute(sql)
    result = cursor.pgresult
    assert result is not None
    columns = [
        (result.fname(number), min(result.ftype(number), FIRST_NORMAL_OID))
        for number in range(result.nfields)
    ]
    rows: list[Row] = [
        tuple(result.get_value(row, number) for number in range(result.nfields))
        for row in range(result.ntuples)
    ]
    return columns, rows


async def assert_alike(gate: Connection, reference: Connection, sql: str) -> list[Row]:
    """Both answer alike, in order where the statement gives one. Returns the rows."""
    found, wanted = await answer(gate, sql), await answer(reference, sql)
    if "ORDER BY" not in sql:
        found[1].sort(key=repr)
        wanted[1].sort(key=repr)
    assert found == wanted
    return wanted[1]
