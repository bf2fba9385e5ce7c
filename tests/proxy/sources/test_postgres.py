"""The source as a whole: state, fail-over, back-off, waiting, and servers that go and come."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from proxy.faults import LimitFault, SourceFault
from proxy.sources import postgres as postgres_module
from proxy.sources.backoff import Backoff
from proxy.sources.base import SourceState
from proxy.sources.pool import PoolLimits
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_options import Address
from proxy.wire.backend import ReadyForQuery
from tests.proxy.sources.fake_server import Peer, fake_server, options_at
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
)
from tests.servers import postgres as server_module
from tests.servers.postgres import Server

NOBODY = Address("127.0.0.1", 1)


async def test_starts_with_the_source_down_and_says_so() -> None:
    told: list[tuple[SourceState, str | None]] = []
    source = PostgresSource(options_at(NOBODY), lambda state, reason: told.append((state, reason)))
    assert source.state.value == "new"
    await source.start()
    try:
        assert source.state.value == "down"
        assert source.down_reason is not None
        assert "127.0.0.1:1" in source.down_reason
        async with asyncio.timeout(1):
            with pytest.raises(SourceFault) as caught:
                await source.acquire({})
        assert caught.value.sqlstate == "08006"
        # The client learns no address.
        assert "127.0.0.1" not in f"{caught.value.message}{caught.value.detail}"
    finally:
        await source.close()
    assert [state for state, _ in told] == [SourceState.DOWN, SourceState.CLOSED]


async def test_nobody_queues_for_a_dead_server() -> None:
    async with started(options_at(NOBODY)) as source:
        source._retry_at += 3600
        async with asyncio.timeout(1):
            answers = await asyncio.gather(
                *(source.acquire({}) for _ in range(200)), return_exceptions=True
            )
        assert {type(answer) for answer in answers} == {SourceFault}


async def test_the_next_address_is_tried_and_remembered(postgres_server: Server) -> None:
    good = Address(postgres_server.host, postgres_server.port)
    async with started(options_of(postgres_server, addresses=(NOBODY, good))) as source:
        assert source.state is SourceState.UP
        assert source._first_address == 1
        async with borrowed(source) as connection:
            assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_a_source_that_comes_back_is_found() -> None:
    """Its own server: this test stops and starts it."""
    with server_module.running() as server:
        async with started(options_of(server)) as source:
            async with borrowed(source) as connection:
                await process_id_of(connection)
            server.stop()
            await asyncio.sleep(0.1)
            with pytest.raises(SourceFault) as caught:
                await source.acquire({})
            assert caught.value.sqlstate == "08006"
            await eventually(lambda: source.state is SourceState.DOWN)
            server.start()
            await eventually(lambda: source.state is SourceState.UP, 20)
            async with borrowed(source) as connection:
                assert await numbers_of(await connection.execute(series(), upto(2))) == [1, 2]


async def test_a_server_that_dies_in_the_middle_of_rows(postgres_server: Server) -> None:
    async with started(options_of(postgres_server)) as source:
        connection = await source.acquire({})
        process_id = await process_id_of(connection)
        stream = await connection.execute(series(), upto(20_000_000))
        await anext(stream)
        with postgres_server.connect() as direct:
            direct.execute("SELECT pg_terminate_backend(%s)", (process_id,))
        with pytest.raises(SourceFault) as caught:
            await rows_of(stream)
        assert caught.value.sqlstate == "08006"
        # The gate closes its stream in any case; that never raises.
        await stream.aclose()
        await connection.release()
        async with borrowed(source) as other:
            assert await process_id_of(other) != process_id


async def test_an_idle_connection_that_died_is_not_lent(postgres_server: Server) -> None:
    async with started(options_of(postgres_server)) as source:
        async with borrowed(source) as connection:
            process_id = await process_id_of(connection)
        with postgres_server.connect() as direct:
            direct.execute("SELECT pg_terminate_backend(%s)", (process_id,))
        await asyncio.sleep(0.2)
        async with borrowed(source) as connection:
            assert await process_id_of(connection) != process_id


async def test_the_keeper_notices_a_silent_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody uses the source; its state is true nevertheless."""
    monkeypatch.setattr(postgres_module, "KEEPER_INTERVAL_SECONDS", 0.05)
    is_alive = True

    async def script(peer: Peer) -> None:
        if not is_alive:
            return
        await peer.greet()
        while is_alive:
            await peer.receive_batch()
            # Answers the empty Sync of a probe; as an answer to RESET it would be no proof.
            peer.send(ReadyForQuery(b"I"))

    async with fake_server(script) as address, started(options_at(address)) as source:
        assert source.state is SourceState.UP
        is_alive = False
        await eventually(lambda: source.state is SourceState.DOWN)
        is_alive = True
        await eventually(lambda: source.state is SourceState.UP)


async def test_waiting_is_fair_and_bounded(postgres_server: Server) -> None:
    limits = PoolLimits(connections_max=1, waiters_max=2, wait_ms_max=200)
    async with started(options_of(postgres_server, pool=limits)) as source:
        held = await source.acquire({})
        assert not source.is_contended
        waiting = asyncio.ensure_future(source.acquire({}))
        await asyncio.sleep(0)
        assert source.is_contended
        with pytest.raises(LimitFault) as caught:
            await waiting
        assert caught.value.sqlstate == "53300"
        assert "wait_ms_max" in (caught.value.detail or "")
        await held.release()
        async with borrowed(source) as connection:
            assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_one_principal_does_not_starve_another(postgres_server: Server) -> None:
    limits = PoolLimits(connections_max=1, waiters_max=100, wait_ms_max=10_000)
    async with started(options_of(postgres_server, pool=limits)) as source:
        order: list[str] = []

        async def ask(principal: str) -> None:
            connection = await source.acquire({}, principal=principal)
            order.append(principal)
            await numbers_of(await connection.execute(series(), upto(1)))
            await connection.release()

        held = await source.acquire({}, principal="noisy")
        noisy = [asyncio.ensure_future(ask("noisy")) for _ in range(100)]
        await asyncio.sleep(0)
        quiet = [asyncio.ensure_future(ask("quiet")) for _ in range(3)]
        await asyncio.sleep(0)
        await held.release()
        outcomes = await asyncio.gather(*quiet, *noisy, return_exceptions=True)

    assert order[:6] == ["noisy", "quiet"] * 3
    assert outcomes[:3] == [None] * 3
    refused = [one for one in outcomes if isinstance(one, LimitFault)]
    assert [one.sqlstate for one in refused] == ["53300"] * 3, "the last of the noisy gave way"
    assert outcomes.count(None) == 100


async def test_many_share_few(postgres_server: Server) -> None:
    """Forty sessions over two connections: every answer is the asker's own."""
    async with started(options_of(postgres_server)) as source:

        async def ask(number: int) -> None:
            pins = {"TimeZone": "Asia/Tokyo"} if number % 3 == 0 else {}
            async with borrowed(source, pins) as connection:
                if number % 2:
                    await connection.begin()
                asked = fragment("SELECT $1::text, pg_catalog.current_setting('TimeZone')", 25)
                arguments = replace(NO_ARGUMENTS, values=(str(number).encode(),))
                rows = await rows_of(await connection.execute(asked, arguments))
                zone = b"Asia/Tokyo" if number % 3 == 0 else b"UTC"
                assert rows == [(str(number).encode(), zone)]

        await asyncio.gather(*(ask(number) for number in range(40)))
        assert repr(source._pool) == "<Pool idle=2 busy=0 opening=0 waiting=0 of=2>"


async def test_a_pin_that_may_not_be_is_refused_before_anything(source: PostgresSource) -> None:
    with pytest.raises(SourceFault) as caught:
        await source.acquire({"search_path": "evil"})
    assert caught.value.sqlstate == "22023"
    assert "busy=0" in repr(source)


async def test_a_closed_source_refuses(postgres_server: Server) -> None:
    source = PostgresSource(options_of(postgres_server))
    await source.start()
    held = await source.acquire({})
    await source.close()
    assert source.state is SourceState.CLOSED
    with pytest.raises(SourceFault):
        await source.acquire({})
    with pytest.raises(SourceFault):
        await held.execute(series(), upto(1))
    await held.release()
    assert "idle=0 busy=0" in repr(source)


async def test_delays_grow_while_it_stays_down() -> None:
    # Not started: the keeper would try, too.
    source = PostgresSource(options_at(NOBODY))
    source._backoff = Backoff(uniform=lambda low, high: high)
    delays = []
    for _ in range(4):
        source._retry_at = 0.0
        with pytest.raises(SourceFault):
            await source.acquire({})
        delays.append(source._retry_at - asyncio.get_running_loop().time())
    await source.close()
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.05)


async def test_repr_names_no_credential(source: PostgresSource) -> None:
    assert (
        repr(source) == "<PostgresSource 'main' up <Pool idle=1 busy=0 opening=0 waiting=0 of=2>>"
    )
