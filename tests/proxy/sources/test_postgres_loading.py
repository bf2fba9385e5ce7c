"""Rows of one server loaded into another: every value arrives, and nothing outlives its statement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.faults import LimitFault, SourceFault
from proxy.sources.base import BINARY_FORMAT
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_loading import LoadingConnection, LoadingSource, tuples
from proxy.wire.backend import DataRow
from proxy.wire.batch import RowBatch
from tests.proxy.sources.live import (
    NO_ARGUMENTS,
    eventually,
    fragment,
    options_of,
    rows_of,
)
from tests.servers.postgres import Server

VALUES = """SELECT g, CASE WHEN g % 3 = 0 THEN NULL ELSE g::numeric / 7 END AS n, 'ü' || g AS t,
 ARRAY[g, NULL] AS a, '2026-01-01'::timestamptz + g * interval '1 s' AS w, ''::text AS e
 FROM pg_catalog.generate_series(1, 2500) AS g"""
COLUMNS = [("g", "integer"), ("n", "numeric"), ("t", "text"), ("a", "integer[]"),
           ("w", "timestamp with time zone"), ("e", "text")]  # fmt: skip
LIMIT = 1 << 24


@asynccontextmanager
async def loading(server: Server) -> AsyncIterator[LoadingConnection]:
    source = LoadingSource(options_of(server))
    await source.start()
    try:
        connection = await source.acquire({})
        try:
            yield connection
        finally:
            await connection.release()
    finally:
        await source.close()


async def test_every_value_arrives(source: PostgresSource, postgres_server: Server) -> None:
    origin = await source.acquire({})
    async with loading(postgres_server) as target:
        stream = await origin.execute(fragment(VALUES), NO_ARGUMENTS, (BINARY_FORMAT,))
        rows, size = await target.load("t1", COLUMNS, stream, bytes_max=LIMIT)
        assert (rows, size) == (2500, stream.byte_count)
        kept = await rows_of(
            await target.execute(
                fragment("SELECT g, n, t, a, w, e FROM pg_temp.t1 ORDER BY g"), NO_ARGUMENTS
            )
        )
        sent = await rows_of(await origin.execute(fragment(VALUES), NO_ARGUMENTS))
        assert kept == sent
    await origin.release()


async def test_tables_without_rows_or_columns(postgres_server: Server) -> None:
    async with loading(postgres_server) as target:
        assert await target.load("none", COLUMNS, _batches(), bytes_max=LIMIT) == (0, 0)
        bare = RowBatch(2, DataRow(()).encode() * 2)
        await target.load("bare", [], _batches(bare), bytes_max=LIMIT)
        count = fragment(
            "SELECT (SELECT count(*) FROM pg_temp.none), (SELECT count(*) FROM pg_temp.bare)"
        )
        assert await rows_of(await target.execute(count, NO_ARGUMENTS)) == [(b"0", b"2")]


async def test_it_reads_only_once_loaded(postgres_server: Server) -> None:
    async with loading(postgres_server) as target:
        await target.load("t1", [("g", "integer")], _batches(), bytes_max=LIMIT)
        await target.begin("REPEATABLE READ")
        with pytest.raises(SourceFault) as caught:
            await rows_of(
                await target.execute(fragment("CREATE TABLE public.kept (a int)"), NO_ARGUMENTS)
            )
        assert caught.value.sqlstate == "25006"


async def test_names_are_quoted(postgres_server: Server) -> None:
    async with loading(postgres_server) as target:
        odd = 'a"; DROP TABLE x; --'
        await target.load(odd, [(odd, "integer")], _batches(), bytes_max=LIMIT)


async def test_more_than_may_be_loaded_is_refused(
    source: PostgresSource, postgres_server: Server
) -> None:
    origin = await source.acquire({})
    async with loading(postgres_server) as target:
        stream = await origin.execute(fragment(VALUES), NO_ARGUMENTS, (BINARY_FORMAT,))
        with pytest.raises(LimitFault) as caught:
            await target.load("t1", COLUMNS, stream, bytes_max=10_000)
        assert caught.value.sqlstate == "54000"
        await stream.aclose()
    await origin.release()


async def test_rows_that_do_not_fit_are_an_error(postgres_server: Server) -> None:
    async with loading(postgres_server) as target:
        wrong = RowBatch(1, DataRow((b"\x00\x01",)).encode())
        with pytest.raises(SourceFault):
            await target.load("t1", [("g", "integer")], _batches(wrong), bytes_max=LIMIT)


async def test_a_connection_serves_one_statement_and_ends(postgres_server: Server) -> None:
    source = LoadingSource(options_of(postgres_server))
    await source.start()
    seen = set()
    for _ in range(3):
        connection = await source.acquire({})
        pid = fragment("SELECT pg_catalog.pg_backend_pid()")
        seen |= set(await rows_of(await connection.execute(pid, NO_ARGUMENTS)))
        await connection.release()
        await connection.release()
        assert not connection.is_usable
    assert len(seen) == 3
    await source.close()


async def test_a_statement_that_runs_when_released_is_stopped(postgres_server: Server) -> None:
    sleep = "SELECT pg_catalog.pg_sleep(120), 'loading test'"
    with postgres_server.connect() as admin:

        def is_running() -> bool:
            query = "SELECT 1 FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'"
            return (
                admin.execute(query, ["SELECT%pg_sleep(120), 'loading test'"]).fetchone()
                is not None
            )

        async with loading(postgres_server) as target:

            async def run() -> None:
                await rows_of(await target.execute(fragment(sleep), NO_ARGUMENTS))

            running = asyncio.ensure_future(run())
            await eventually(is_running)
            await target.release()
            with pytest.raises(SourceFault):
                await running
        await eventually(lambda: not is_running())


async def test_keys_of_a_loaded_table(postgres_server: Server) -> None:
    async with loading(postgres_server) as target:
        rows = [DataRow((value,)).encode() for value in (b"x", b'a"b', b"x", None)]
        await target.load(
            "t1", [("k", "text")], _batches(RowBatch(4, b"".join(rows))), bytes_max=LIMIT
        )
        assert await target.keys("t1", "k", 2) in (b'{x,"a\\"b"}', b'{"a\\"b",x}')
        assert await target.keys("t1", "k", 1) is None
        await target.load("none", [("k", "text")], _batches(), bytes_max=LIMIT)
        assert await target.keys("none", "k", 0) == b"{}"


def test_a_tuple_is_a_data_row_without_its_header() -> None:
    first, second = DataRow((b"a", None)).encode(), DataRow((b"",)).encode()
    assert tuples(first + second) == first[5:] + second[5:]
    assert tuples(b"") == b""


async def _batches(*batches: RowBatch) -> AsyncIterator[RowBatch]:
    for batch in batches:
        yield batch
