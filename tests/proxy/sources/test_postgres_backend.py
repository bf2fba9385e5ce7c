"""Cancelling the statement that runs and never its successor, on real and scripted servers."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from proxy.faults import SourceFault
from proxy.sources import postgres_backend, postgres_dial
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_options import Pooling, TlsMode, TlsOptions
from proxy.wire.backend import ErrorResponse, ReadyForQuery
from proxy.wire.frontend import CancelRequest, StartupMessage
from tests.proxy.sources.fake_server import Peer, fake_server, options_at
from tests.proxy.sources.live import (
    NO_ARGUMENTS,
    borrowed,
    fragment,
    numbers_of,
    options_of,
    process_id_of,
    rows_of,
    series,
    started,
    upto,
)
from tests.servers.postgres import Server

SLEEP = fragment("SELECT pg_catalog.pg_sleep(30)")


async def asleep(connection: PostgresConnection) -> None:
    await rows_of(await connection.execute(SLEEP, NO_ARGUMENTS))


async def cancelled(connection: PostgresConnection) -> SourceFault:
    """Run something long, cancel it, return the fault."""
    running = asyncio.ensure_future(asleep(connection))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(5):
        await connection.cancel()
        with pytest.raises(SourceFault) as caught:
            await running
    return caught.value


@pytest.mark.parametrize("mode", [TlsMode.VERIFY_FULL, TlsMode.DISABLE])
async def test_a_running_statement_is_cancelled(postgres_server: Server, mode: TlsMode) -> None:
    tls = TlsOptions(mode, postgres_server.root_certificate)
    async with started(options_of(postgres_server, tls=tls)) as source:
        async with borrowed(source) as connection:
            process_id = await process_id_of(connection)
            assert (await cancelled(connection)).sqlstate == "57014"
            assert connection.status == b"I"
            assert await numbers_of(await connection.execute(series(), upto(1))) == [1]
        async with borrowed(source) as connection:
            assert await process_id_of(connection) == process_id


async def test_cancel_in_a_transaction_fails_it(connection: PostgresConnection) -> None:
    await connection.begin()
    assert (await cancelled(connection)).sqlstate == "57014"
    assert connection.status == b"E"
    await connection.rollback()


async def test_cancel_when_nothing_runs_does_nothing(connection: PostgresConnection) -> None:
    await connection.cancel()
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]
    await connection.begin()
    await rows_of(await connection.execute(series(), upto(3), row_max=1, portal="p"))
    await connection.cancel()
    assert await numbers_of(await connection.resume("p")) == [2, 3]


async def test_a_cancel_never_hits_the_successor(source: PostgresSource) -> None:
    """Attack 94. Short statements, each cancelled as it ends; the one after it must live."""
    async with borrowed(source) as connection:
        for round_number in range(60):
            stream = await connection.execute(series(), upto(1))
            cancelling = asyncio.ensure_future(connection.cancel())
            if round_number % 2:
                await asyncio.sleep(0)
            # Only the statement that was meant may be hit.
            with suppress(SourceFault):
                await rows_of(stream)
            assert await numbers_of(await connection.execute(series(), upto(3))) == [1, 2, 3]
            await cancelling


async def test_two_cancels_are_one(connection: PostgresConnection) -> None:
    running = asyncio.ensure_future(asleep(connection))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await asyncio.gather(*(connection.cancel() for _ in range(5)))
        with pytest.raises(SourceFault):
            await running
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_a_cancel_that_lost_its_target_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The statement ends while the cancel's own connection is being made: nothing is sent on it."""
    asked = asyncio.Event()
    seen: list[object] = []

    async def script(peer: Peer) -> None:
        first = await peer.receive()
        if isinstance(first, StartupMessage):
            raise AssertionError("greet() reads the startup")
        seen.append(first)

    async def serve(peer: Peer) -> None:
        if not seen and not asked.is_set():
            asked.set()
            await peer.greet()
            while True:
                await peer.receive_batch()
                peer.send(ReadyForQuery(b"I"))
        await script(peer)

    async with fake_server(serve) as address, started(options_at(address)) as source:
        connection = await source.acquire({})
        backend = connection.backend
        backend.conversation.is_owed = True
        dial = postgres_dial.dial

        async def slow_dial(*arguments: object, **named: object) -> object:
            dialled = await dial(*arguments, **named)  # type: ignore[arg-type]
            backend.conversation.is_owed = False
            return dialled

        monkeypatch.setattr(postgres_backend, "dial", slow_dial)
        await backend.cancel()
        assert seen == []
        assert connection.is_usable
        await connection.release()


async def test_an_unanswered_cancel_costs_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the request still waits somewhere is not known, so nothing may follow."""
    monkeypatch.setattr(postgres_backend, "CANCEL_SECONDS_MAX", 0.2)
    requests: list[object] = []
    greeted = asyncio.Event()

    async def script(peer: Peer) -> None:
        if greeted.is_set():
            requests.append(await peer.receive())
            await peer.closed()
            return
        greeted.set()
        await peer.greet()
        await peer.receive_batch()
        peer.send(ReadyForQuery(b"I"))
        await peer.closed()

    async with fake_server(script) as address, started(options_at(address)) as source:
        connection = await source.acquire({})
        running = asyncio.ensure_future(connection.execute(SLEEP, NO_ARGUMENTS))
        await asyncio.sleep(0.05)
        await connection.cancel()
        with pytest.raises(SourceFault) as caught:
            await running
        assert caught.value.sqlstate == "08006"
        assert not connection.is_usable
        assert requests == [CancelRequest(1, b"keys")]
        await connection.release()


async def test_behind_a_pooler_a_cancelled_connection_is_not_kept(postgres_server: Server) -> None:
    options = options_of(postgres_server, pooling=Pooling.TRANSACTION)
    async with started(options) as source:
        async with borrowed(source) as connection:
            process_id = await process_id_of(connection)
            await cancelled(connection)
            assert await numbers_of(await connection.execute(series(), upto(1))) == [1]
        async with borrowed(source) as connection:
            assert await process_id_of(connection) != process_id


async def test_a_query_of_our_own_reads_an_error() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.receive_batch()
        peer.send(ReadyForQuery(b"I"))
        await peer.receive_batch()
        error = {"S": "ERROR", "V": "ERROR", "C": "42501", "M": "hush-4711"}
        peer.send(ErrorResponse(error), ReadyForQuery(b"I"))

    async with fake_server(script) as address, started(options_at(address)) as source:
        connection = await source.acquire({})
        with pytest.raises(SourceFault) as caught:
            await connection.backend.query("SELECT 1", (), ())
        assert caught.value.sqlstate == "42501"
        assert "hush" not in caught.value.message
        await connection.release()


async def test_repr_tells_state_and_no_key(connection: PostgresConnection) -> None:
    text = repr(connection.backend) + repr(connection.backend.session)
    assert "status=I" in text
    assert "cancel_key" not in text
