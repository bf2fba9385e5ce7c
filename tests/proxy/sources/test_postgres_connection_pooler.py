"""Behind a real PgBouncer in transaction mode (pitfall 25): many of ours on few of its servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from proxy.faults import SourceFault
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_options import Address, Pooling, TlsMode, TlsOptions
from proxy.sources.postgres_role import inspect_role
from tests.proxy.sources.live import (
    NO_ARGUMENTS,
    borrowed,
    eventually,
    fragment,
    numbers_of,
    options_of,
    process_id_of,
    rows_of,
    series,
    started,
    upto,
    value_of,
)
from tests.servers import pgbouncer
from tests.servers.postgres import Server


@pytest.fixture(scope="module")
def pooler(postgres_server: Server) -> Iterator[pgbouncer.Peer]:
    with pgbouncer.running(postgres_server) as peer:
        yield peer


@pytest_asyncio.fixture
async def source(postgres_server: Server, pooler: pgbouncer.Peer) -> AsyncIterator[PostgresSource]:
    direct = options_of(postgres_server)
    options = replace(
        direct,
        addresses=(Address(pooler.host, pooler.port),),
        tls=TlsOptions(TlsMode.DISABLE),
        pooling=Pooling.TRANSACTION,
        pool=replace(direct.pool, connections_max=8),
    )
    async with started(options) as made:
        yield made


async def test_statements_portals_and_copy(source: PostgresSource) -> None:
    async with borrowed(source, {"DateStyle": "SQL, DMY"}) as connection:
        assert await numbers_of(await connection.execute(series(), upto(3))) == [1, 2, 3]
        assert await value_of(connection, "SHOW DateStyle") == b"SQL, DMY"
        assert await value_of(connection, "SHOW search_path") == b"pg_catalog"
        stream = await connection.execute(series(), upto(3), row_max=2, portal="p")
        assert await numbers_of(stream) == [1, 2]
        assert await numbers_of(await connection.resume("p")) == [3]
        await connection.sync()
        copy = await connection.copy_out(fragment("COPY (SELECT 1) TO STDOUT"))
        assert [batch.data async for batch in copy] == [b"d\0\0\0\x061\n"]


async def test_transactions_and_errors(source: PostgresSource) -> None:
    async with borrowed(source) as connection:
        await connection.begin("repeatable read")
        assert await value_of(connection, "SHOW transaction_read_only") == b"on"
        with pytest.raises(SourceFault):
            await rows_of(await connection.execute(fragment("SELECT 1 / 0"), NO_ARGUMENTS))
        assert connection.status == b"E"
        await connection.rollback()
        with pytest.raises(SourceFault):
            await rows_of(await connection.execute(fragment("SELECT 1 / 0"), NO_ARGUMENTS))
        assert connection.status == b"I"
        assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_settings_do_not_bleed_between_sessions(source: PostgresSource) -> None:
    async def ask(number: int) -> None:
        zone = ("Asia/Tokyo", "Europe/Paris", "UTC")[number % 3]
        async with borrowed(source, {"TimeZone": zone}) as connection:
            for _ in range(5):
                assert await value_of(connection, "SHOW TimeZone") == zone.encode()

    await asyncio.gather(*(ask(number) for number in range(24)))


async def test_settings_follow_the_client_inside_a_transaction(source: PostgresSource) -> None:
    async with borrowed(source, {"TimeZone": "UTC"}) as connection:
        await connection.begin()
        assert await value_of(connection, "SHOW TimeZone") == b"UTC"
        await connection.savepoint("a")
        connection.pin({"TimeZone": "Asia/Tokyo"})
        assert await value_of(connection, "SHOW TimeZone") == b"Asia/Tokyo"
        await connection.rollback_to("a")
        assert await value_of(connection, "SHOW TimeZone") == b"Asia/Tokyo"
        connection.pin({"TimeZone": "UTC"})
        assert await value_of(connection, "SHOW TimeZone") == b"UTC"
        await connection.commit()


async def test_cancel_reaches_the_right_server(source: PostgresSource) -> None:
    async with borrowed(source) as connection, borrowed(source) as bystander:

        async def sleep(seconds: float) -> None:
            asked = fragment(f"SELECT pg_catalog.pg_sleep({seconds})")
            target = connection if seconds > 1 else bystander
            await rows_of(await target.execute(asked, NO_ARGUMENTS))

        running = asyncio.ensure_future(sleep(30))
        other = asyncio.ensure_future(sleep(0.5))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await connection.cancel()
            with pytest.raises(SourceFault) as caught:
                await running
            assert caught.value.sqlstate == "57014"
            await other


async def test_a_long_result_given_up(source: PostgresSource) -> None:
    async with borrowed(source) as connection:
        stream = await connection.execute(series(row_limit=10), upto(5_000_000))
        assert len(await rows_of(stream)) == 10
        assert stream.truncated
        assert connection.status == b"I"
        assert await numbers_of(await connection.execute(series(), upto(2))) == [1, 2]


async def test_a_server_that_dies_behind_it(
    source: PostgresSource, postgres_server: Server
) -> None:
    connection = await source.acquire({})
    await connection.begin()
    process_id = await process_id_of(connection)
    with postgres_server.connect() as direct:
        direct.execute("SELECT pg_terminate_backend(%s)", (process_id,))
    with pytest.raises(SourceFault) as caught:
        await rows_of(await connection.execute(series(), upto(1)))
    assert caught.value.sqlstate == "08006"
    await connection.release()
    await eventually(lambda: "busy=0" in repr(source))
    async with borrowed(source) as other:
        assert await numbers_of(await other.execute(series(), upto(1))) == [1]


async def test_the_start_up_check_works_there_too(source: PostgresSource) -> None:
    async with borrowed(source) as connection:
        report = await inspect_role(connection, [("pg_catalog", "pg_class")])
    assert report.is_superuser
    assert report.owned == (("pg_catalog", "pg_class"),)
