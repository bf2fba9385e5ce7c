"""When a connection goes back to the pool without a reset, and when it does not (I12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.faults import SourceFault
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_backend import UNTOUCHED_CHECKOUTS_MAX
from tests.proxy.sources.live import (
    INTEGER_OID,
    NO_ARGUMENTS,
    borrowed,
    fragment,
    numbers_of,
    rows_of,
    series,
    upto,
    value_of,
)

PLAIN = series(leaves_nothing=True)
LAST_STATEMENT = fragment(
    "SELECT query FROM pg_catalog.pg_stat_activity WHERE pid = $1", INTEGER_OID
)
LOCKS = "SELECT pg_catalog.count(*) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.mark.parametrize("work", [PLAIN, series()], ids=["proven", "unproven"])
async def test_only_what_leaves_nothing_goes_back_without_a_reset(
    source: PostgresSource, work: object
) -> None:
    """The server shows a reset as its last statement."""
    async with borrowed(source) as watcher:
        async with borrowed(source) as connection:
            process_id = connection.backend.session.process_id
            assert isinstance(work, type(PLAIN))
            assert await numbers_of(await connection.execute(work, upto(2))) == [1, 2]
        ((text,),) = await rows_of(await watcher.execute(LAST_STATEMENT, upto(process_id or 0)))
        assert (text is not None and b"DISCARD" in text) is not work.leaves_nothing


@pytest.mark.parametrize("trace", ["begin", "limit", "portal", "pins", "error", "cancel", "copy"])
async def test_what_may_leave_a_trace_is_not_taken_on_trust(
    source: PostgresSource, trace: str
) -> None:
    pins = {"TimeZone": "Asia/Tokyo"} if trace == "pins" else {}
    async with borrowed(source, pins) as connection:
        assert connection.backend.is_untouched
        match trace:
            case "begin":
                await connection.begin()
                await connection.rollback()
            case "limit":
                await rows_of(await connection.execute(PLAIN, upto(9), row_max=1))
                await connection.sync()
            case "portal":
                await connection.open_portal(PLAIN, upto(9), portal="p")
                await connection.sync()
            case "error":
                division = fragment("SELECT 1 / 0", leaves_nothing=True)
                with pytest.raises(SourceFault):
                    await rows_of(await connection.execute(division, NO_ARGUMENTS))
            case "cancel":
                stream = await connection.execute(PLAIN, upto(5_000_000))
                await connection.cancel()
                await stream.aclose()
            case "copy":
                async for _ in await connection.copy_out(fragment("COPY (SELECT 1) TO STDOUT")):
                    pass
        await numbers_of(await connection.execute(PLAIN, upto(1)))
        assert not connection.backend.is_untouched


async def test_trust_has_an_end(source: PostgresSource) -> None:
    """Were the first proof ever mistaken, the mistake would not last."""
    lying = fragment("SELECT pg_catalog.pg_advisory_lock(4711)", leaves_nothing=True)
    async with borrowed(source) as connection:
        await rows_of(await connection.execute(lying, NO_ARGUMENTS))
        backend = connection.backend
        for _ in range(UNTOUCHED_CHECKOUTS_MAX):
            assert backend.is_untouched
            backend.checked_in()
        assert not backend.is_untouched
    async with borrowed(source) as connection:
        assert connection.backend is backend
        assert await value_of(connection, LOCKS) == b"0"


async def test_a_reset_begins_a_new_trust(source: PostgresSource) -> None:
    async with borrowed(source) as connection:
        backend = connection.backend
        backend.touch()
        assert not backend.is_untouched
    async with borrowed(source) as connection:
        assert connection.backend is backend
        assert backend.is_untouched
        held = replace(PLAIN, row_limit=3)
        assert await numbers_of(await connection.execute(held, upto(2))) == [1, 2]
        assert backend.is_untouched
