"""Limits in the stream, giving up early, and back-pressure, against a real server."""

from __future__ import annotations

import asyncio

import pytest

from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_channel import QUEUE_BYTES_HIGH
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_portal import Portal
from proxy.sources.postgres_statement import Statement
from proxy.sources.postgres_stream import STEP_ROWS, EmptyRowStream, next_step
from tests.proxy.sources.live import (
    NO_ARGUMENTS,
    borrowed,
    fragment,
    numbers_of,
    process_id_of,
    rows_of,
    series,
    upto,
)

MANY = 100_000
WIDE = fragment("SELECT pg_catalog.repeat('x', 1000) FROM pg_catalog.generate_series(1, 200000)")


@pytest.mark.parametrize("is_explicit", [False, True], ids=["free", "stepped"])
@pytest.mark.parametrize("rows", [0, 1, 10, STEP_ROWS - 1, STEP_ROWS, STEP_ROWS + 1, 9_999])
async def test_a_row_limit_cuts_exactly_and_says_so(
    connection: PostgresConnection, rows: int, is_explicit: bool
) -> None:
    if is_explicit:
        await connection.begin()
    stream = await connection.execute(series(row_limit=rows), upto(MANY))
    assert await numbers_of(stream) == list(range(1, rows + 1))
    assert stream.truncated
    assert stream.command_tag == f"SELECT {rows}"
    assert connection.status == (b"T" if is_explicit else b"I")
    assert await numbers_of(await connection.execute(series(), upto(2))) == [1, 2]


@pytest.mark.parametrize("is_explicit", [False, True], ids=["free", "stepped"])
@pytest.mark.parametrize("rows", [0, 1, STEP_ROWS - 1, STEP_ROWS, STEP_ROWS + 1])
async def test_a_limit_that_is_not_crossed_cuts_nothing(
    connection: PostgresConnection, rows: int, is_explicit: bool
) -> None:
    if is_explicit:
        await connection.begin()
    stream = await connection.execute(series(row_limit=rows), upto(rows))
    assert len(await rows_of(stream)) == rows
    assert not stream.truncated
    assert stream.command_tag == f"SELECT {rows}"


@pytest.mark.parametrize("is_explicit", [False, True], ids=["free", "stepped"])
async def test_a_byte_limit_cuts_at_a_whole_row(
    connection: PostgresConnection, is_explicit: bool
) -> None:
    if is_explicit:
        await connection.begin()
    # A frame of one-digit rows has 1 + 4 + 2 + 4 + 1 bytes.
    stream = await connection.execute(series(byte_limit=12 * 5 + 3), upto(MANY))
    assert await numbers_of(stream) == [1, 2, 3, 4, 5]
    assert (stream.truncated, stream.byte_count) == (True, 60)
    assert connection.status == (b"T" if is_explicit else b"I")


async def test_small_portions_do_not_enlarge_a_limit(connection: PostgresConnection) -> None:
    await connection.begin()
    stream = await connection.execute(series(row_limit=5), upto(MANY), row_max=2, portal="p")
    assert await numbers_of(stream) == [1, 2]
    assert (stream.suspended, stream.truncated) == (True, False)
    assert await numbers_of(await connection.resume("p", 2)) == [3, 4]
    last = await connection.resume("p", 2)
    assert await numbers_of(last) == [5]
    assert (last.suspended, last.truncated) == (False, True)
    after = await connection.resume("p", 2)
    assert await rows_of(after) == []
    assert after.truncated
    assert connection.status == b"T"


async def test_a_limit_while_held(connection: PostgresConnection) -> None:
    stream = await connection.execute(series(row_limit=3), upto(MANY), row_max=2, portal="p")
    assert await numbers_of(stream) == [1, 2]
    last = await connection.resume("p")
    assert await numbers_of(last) == [3]
    assert last.truncated
    await connection.sync()
    assert connection.status == b"I"
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_giving_up_a_long_result_is_quick(source: PostgresSource) -> None:
    """200 MB are not read to the end: the rest is cancelled, and the connection stays good."""
    async with borrowed(source) as connection:
        process_id = await process_id_of(connection)
        stream = await connection.execute(WIDE, NO_ARGUMENTS)
        await anext(stream)
        async with asyncio.timeout(5):
            await stream.aclose()
        await stream.aclose()
        assert await rows_of(stream) == []
        assert await numbers_of(await connection.execute(series(), upto(2))) == [1, 2]
        assert await process_id_of(connection) == process_id


async def test_a_slow_reader_stops_the_server(connection: PostgresConnection) -> None:
    """Back-pressure: with nobody reading, the queue stays near its mark; nothing is lost later."""
    stream = await connection.execute(WIDE, NO_ARGUMENTS)
    channel = connection.backend.conversation.channel
    await anext(stream)
    await asyncio.sleep(0.3)
    assert channel._is_paused
    # One read of the transport may come on top of the mark.
    assert channel._queue_bytes < QUEUE_BYTES_HIGH + 1024 * 1024
    count = 0
    async for batch in stream:
        count += batch.count
    assert stream.row_count == 200_000
    assert not channel._is_paused
    assert channel._queue_bytes == 0


async def test_the_first_run_checks_the_width_of_what_came_with_the_description(
    connection: PostgresConnection,
) -> None:
    stream = await connection.execute(series(), upto(1))
    assert stream._unchecked > 0
    await rows_of(stream)
    again = await connection.execute(series(), upto(1))
    assert again._unchecked == 0
    assert connection.backend.conversation.channel._wire.expected_columns == 1
    await rows_of(again)
    assert connection.backend.conversation.channel._wire.expected_columns is None


@pytest.mark.parametrize(
    ("limit", "seen", "left", "step"),
    [
        (None, 0, 0, STEP_ROWS),
        (10, 0, 0, 11),
        (10, 9, 0, 2),
        (10, 10, 0, 1),
        (10, 0, 5, 5),
        (None, 0, 7, 7),
        (0, 0, 0, 1),
    ],
)
def test_steps(limit: int | None, seen: int, left: int, step: int) -> None:
    portal = Portal("", Statement(("", ()), ""), row_limit=limit, byte_limit=1, rows=seen)
    assert next_step(portal, left) == step


async def test_an_empty_stream() -> None:
    stream = EmptyRowStream(Portal("", Statement(("", ()), "")))
    assert await rows_of(stream) == []
    assert stream.command_tag == "SELECT 0"
    await stream.aclose()


async def test_repr_tells_progress(connection: PostgresConnection) -> None:
    stream = await connection.execute(series(), upto(2))
    assert repr(stream) == "<PostgresRowStream open rows=0 bytes=0>"
    await rows_of(stream)
    assert repr(stream) == "<PostgresRowStream done rows=2 bytes=24>"
