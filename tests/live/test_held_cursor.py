"""Cursors WITH HOLD: what outlives a transaction, and what ends a cursor all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors

from proxy import gate as conductor
from proxy.runtime.audit import records
from tests.live.gate import Gate, policy_set, serving

ORDERS = "SELECT id, note FROM shop.orders ORDER BY id"
Connection = psycopg.AsyncConnection[tuple[object, ...]]


@pytest_asyncio.fixture(loop_scope="session")
async def connection(gate: Gate) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True) as opened:
        yield opened


async def rows(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    return await (await connection.execute(sql)).fetchall()


async def test_it_is_read_after_its_transaction(connection: Connection) -> None:
    await connection.execute(f"BEGIN; DECLARE c CURSOR WITH HOLD FOR {ORDERS}")
    assert await rows(connection, "FETCH 1 FROM c") == [(3, "[withheld]")]
    await connection.execute("COMMIT")
    assert await rows(connection, "FETCH 2 FROM c") == [(6, "[withheld]"), (9, "[withheld]")]
    await connection.execute("BEGIN; SELECT 1; ROLLBACK")  # of another transaction
    assert (await connection.execute("MOVE 900 IN c")).statusmessage == "MOVE 900"
    assert len(await rows(connection, "FETCH ALL FROM c")) == 1000 - 903
    assert await rows(connection, "FETCH c") == []
    await connection.execute("CLOSE c")
    with pytest.raises(errors.InvalidCursorName):
        await connection.execute("FETCH c")


async def test_it_needs_no_transaction(connection: Connection) -> None:
    """As Django's `QuerySet.iterator()` uses it."""
    async with connection.cursor("held", withhold=True) as cursor:
        await cursor.execute("SELECT id FROM shop.orders WHERE id > %s ORDER BY id", (9,))
        assert await cursor.fetchmany(2) == [(12,), (15,)]
        assert len(await cursor.fetchall()) == 1000 - 5


@pytest.mark.parametrize(
    "end", ["ROLLBACK", "ROLLBACK TO a", "CLOSE ALL", "DISCARD ALL", "SELECT 1 / 0; COMMIT"]
)
async def test_what_takes_it_away(connection: Connection, end: str) -> None:
    before = {"DISCARD ALL": "", "CLOSE ALL": ""}.get(end, "BEGIN; SAVEPOINT a; ")
    await connection.execute(f"{before}DECLARE c CURSOR WITH HOLD FOR {ORDERS}")
    try:
        await connection.execute(end)
    except errors.DivisionByZero:
        await connection.execute("COMMIT")
    with pytest.raises(errors.InvalidCursorName):
        await connection.execute("FETCH c")
    await connection.execute("ROLLBACK")


async def test_a_failed_declaration_leaves_nothing(connection: Connection) -> None:
    with pytest.raises(errors.DivisionByZero):
        await connection.execute(
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1 / (id - 6) FROM shop.orders"
        )
    with pytest.raises(errors.InvalidCursorName):
        await connection.execute("FETCH c")


async def test_rows_in_memory_are_limited(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conductor, "HELD_BYTES_MAX", 100_000)
    await connection.execute(f"DECLARE a CURSOR WITH HOLD FOR {ORDERS}")
    await connection.execute(f"DECLARE b CURSOR WITH HOLD FOR {ORDERS}")
    await connection.execute(f"DECLARE c CURSOR WITH HOLD FOR {ORDERS}")
    with pytest.raises(errors.ProgramLimitExceeded):
        await connection.execute(f"DECLARE d CURSOR WITH HOLD FOR {ORDERS}")
    await connection.execute("CLOSE a")
    await connection.execute("CLOSE b")
    assert await rows(connection, "SELECT 1") == [(1,)]


async def test_a_new_policy_ends_it_and_the_log_has_its_run() -> None:
    async with serving() as gate:
        async with await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True) as own:
            await own.execute(f"DECLARE c CURSOR WITH HOLD FOR {ORDERS}")
            assert await rows(own, "FETCH 1 FROM c") == [(3, "[withheld]")]
            gate.policy[0] = policy_set("v2", without_column="note")
            await gate.worker.upkeep.reload_policy()
            with pytest.raises(psycopg.Error) as caught:
                await own.execute("FETCH 1 FROM c")
            assert caught.value.sqlstate in ("0A000", "42703")
        told = list(records(gate.directory / "audit"))
        (first, *_) = [place for place, one in enumerate(told) if "WITH HOLD" in str(one.facts)]
        assert [one.phase for one in told[first : first + 2]] == ["intent", "outcome"]
