"""What changes under a running session: the policy, the schema, the worker, the source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors

from policies.errors import PolicyLoadError, Problem
from proxy.runtime.audit import records
from proxy.wire import frontend
from tests.live.gate import DATABASE, Gate, policy_set, serving
from tests.live.wire import RawClient, told

_versions = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def changing() -> AsyncIterator[Gate]:
    """A gate whose policy the tests of this file change."""
    async with serving() as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="session")
async def gate(changing: Gate) -> AsyncIterator[Gate]:
    """The same with the usual policy again."""
    changing.policy[0] = policy_set(f"again {next(_versions)}")
    changing.refuse_policy = lambda: None
    await changing.worker.upkeep.reload_policy()
    yield changing


STARTUP = {"user": "alice", "database": DATABASE}
NOTE = "SELECT note FROM shop.orders WHERE id = 3"
ALL = "SELECT * FROM shop.orders WHERE id = 3"


async def until(is_reached: Callable[[], bool]) -> None:
    """Wait for something that happens by itself, a few seconds at most."""
    for _ in range(100):
        if is_reached():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen")


async def raw(gate: Gate) -> RawClient:
    return await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())


async def test_a_new_policy_holds_for_sessions_that_are_open(gate: Gate) -> None:
    client = await raw(gate)
    query = [frontend.Query(NOTE)]
    prepare = [frontend.Parse("s", NOTE), frontend.Parse("t", ALL), frontend.Sync()]
    assert "DataRow (b'[withheld]',)" in told(await client.converse(query))
    await client.converse(prepare)

    gate.policy[0] = policy_set("v2", note_clear=True)
    await gate.worker.upkeep.reload_policy()

    assert "DataRow (b'note 3',)" in told(await client.converse(query))
    run = [frontend.Bind("", "s"), frontend.Execute(), frontend.Sync()]
    assert "DataRow (b'note 3',)" in told(await client.converse(run))
    client.close()


async def test_a_changed_result_is_told_and_not_given(gate: Gate) -> None:
    client = await raw(gate)
    await client.converse([frontend.Parse("t", ALL), frontend.Sync()])

    gate.policy[0] = policy_set("v2", without_column="amount")
    await gate.worker.upkeep.reload_policy()

    run = [frontend.Bind("", "t"), frontend.Execute(), frontend.Sync()]
    answer = told(await client.converse(run))
    assert any("0A000 cached plan must not change result type" in line for line in answer)
    client.close()


async def test_an_open_cursor_does_not_survive_a_new_policy(gate: Gate) -> None:
    client = await raw(gate)
    begin = "BEGIN; DECLARE c CURSOR FOR SELECT note FROM shop.orders; FETCH 1 FROM c"
    await client.converse([frontend.Query(begin)])

    gate.policy[0] = policy_set("v2", note_clear=True)
    await gate.worker.upkeep.reload_policy()

    answer = told(await client.converse([frontend.Query("FETCH 1 FROM c")]))
    assert any(" 0A000 " in line for line in answer)
    assert answer[-1] == "ReadyForQuery(status=b'E')"
    client.close()


async def test_a_bad_policy_changes_nothing_and_is_on_record(gate: Gate) -> None:
    client = await raw(gate)
    good = gate.policy[0]

    def refuse() -> None:
        raise PolicyLoadError((Problem("policy.yaml", 7, "is nonsense"),))

    gate.refuse_policy = refuse
    assert not await gate.worker.upkeep.reload_policy()

    assert gate.worker.upkeep.estate().policy is good
    assert "DataRow (b'[withheld]',)" in told(await client.converse([frontend.Query(NOTE)]))
    reloads = [r for r in records(gate.directory / "audit") if r.phase == "reload"]
    assert "policy.yaml:7" in reloads[-1].facts["status_detail"]
    client.close()


async def test_a_changed_file_is_noticed(gate: Gate) -> None:
    gate.policy[0] = policy_set("v2", note_clear=True)
    (gate.directory / "policy.yaml").write_text("version: 1\n# changed\n")

    await until(lambda: gate.worker.upkeep.estate().policy.version == "v2")


async def test_a_new_column_stays_hidden_and_a_dropped_one_is_told() -> None:
    async with serving() as gate:
        admin = await gate.source.connect(DATABASE)
        await admin.execute("ALTER TABLE shop.items ADD COLUMN cost int")
        await gate.worker.upkeep.reload_catalogs()
        async with await psycopg.AsyncConnection.connect(gate.dsn()) as connection:
            cursor = await connection.execute("SELECT * FROM shop.items LIMIT 0")
            assert [column.name for column in cursor.description or ()] == ["id", "order_id", "sku"]
        await admin.execute("ALTER TABLE shop.items DROP COLUMN sku")
        await admin.close()
        async with await psycopg.AsyncConnection.connect(gate.dsn()) as connection:
            with pytest.raises(psycopg.Error) as caught:
                await connection.execute("SELECT sku FROM shop.items")
        assert "cost" not in str(caught.value)


async def test_drain_lets_a_statement_end() -> None:
    async with serving(listen={"port": 0, "drain_seconds_max": 60}) as gate:
        busy = await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True)
        idle = await raw(gate)
        slow = (
            "SELECT count(*) FROM shop.items a, shop.items b WHERE a.id + b.id < 0 AND a.id < 1000"
        )
        running = asyncio.ensure_future(busy.execute(slow))
        admin = await gate.source.connect(DATABASE)
        is_reading = "SELECT 1 FROM pg_locks WHERE relation = 'shop.items'::regclass"
        async with asyncio.timeout(60):
            while await admin.fetchval(is_reading) is None:  # noqa: ASYNC110  the server tells nobody
                await asyncio.sleep(0.01)
        await admin.close()
    # The gate has been closed: the running statement got its answer, the idle client its reason.
    cursor = await running
    assert await cursor.fetchall() == [(0,)]
    assert "57P01" in told(await idle.converse([]))[-1]
    idle.close()
    await busy.close()


async def test_a_source_that_dies_and_comes_back(gate: Gate) -> None:
    connection = await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True)
    await connection.execute("BEGIN")
    await connection.execute("SELECT count(*) FROM shop.orders")
    admin = await gate.source.connect()
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gate'"
    )
    await admin.close()
    await asyncio.sleep(0.2)
    with pytest.raises(psycopg.Error) as caught:
        await connection.execute("SELECT count(*) FROM shop.orders")
    assert caught.value.sqlstate is not None
    with pytest.raises(errors.InFailedSqlTransaction):
        await connection.execute("SELECT 1")
    await connection.execute("ROLLBACK")
    cursor = await connection.execute("SELECT count(*) FROM shop.orders")
    assert await cursor.fetchall() == [(1000,)]
    await connection.close()


async def test_a_client_that_vanishes_leaves_nothing_behind(gate: Gate) -> None:
    for _ in range(5):
        client = await raw(gate)
        client.write(
            frontend.Query("BEGIN; SELECT * FROM shop.items a, shop.items b ORDER BY a.id"),
        )
        await client.writer.drain()
        await asyncio.sleep(0.1)
        client.writer.transport.abort()
    admin = await gate.source.connect()
    busy = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE usename = 'gate' AND locktype = 'relation'"
    )
    for _ in range(100):
        if not await admin.fetchval(busy):
            break
        await asyncio.sleep(0.1)
    assert await admin.fetchval(busy) == 0
    await admin.close()
    async with await psycopg.AsyncConnection.connect(gate.dsn()) as connection:
        cursor = await connection.execute("SELECT count(*) FROM shop.orders")
        assert await cursor.fetchall() == [(1000,)]


async def test_a_slow_reader_holds_no_memory(gate: Gate) -> None:
    client = await raw(gate)
    client.write(frontend.Query("SELECT repeat(a.sku, 50) FROM shop.items a, shop.items b"))
    await client.writer.drain()
    await asyncio.sleep(1.0)
    # 36 million rows of 200 bytes: had they been read, memory would show it.
    pages = int(Path("/proc/self/statm").read_text().split()[1])  # noqa: ASYNC240
    client.close()
    assert pages * 4096 < 1_000_000_000
