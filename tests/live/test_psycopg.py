"""psycopg through the gate: both protocols, cursors, pipelines, COPY, transactions, settings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors

from tests.live.gate import Gate


@pytest_asyncio.fixture(loop_scope="session")
async def connection(gate: Gate) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True) as opened:
        yield opened


async def rows(
    connection: psycopg.AsyncConnection, sql: str, *arguments: object
) -> list[tuple[object, ...]]:
    cursor = await connection.execute(sql, arguments or None)
    return await cursor.fetchall()


async def test_rows_are_filtered_and_masked(connection: psycopg.AsyncConnection) -> None:
    found = await rows(connection, "SELECT count(*), min(region), max(note) FROM shop.orders")

    assert found == [(1000, "emea", "[withheld]")]


async def test_another_person_sees_other_rows(gate: Gate) -> None:
    token = gate.token("bob", roles=("auditor",), regions=())

    async with await psycopg.AsyncConnection.connect(gate.dsn("bob", token=token)) as connection:
        assert await rows(connection, "SELECT count(*), max(id) FROM shop.orders") == [(3000, 3000)]
        found = await rows(connection, "SELECT note FROM shop.orders WHERE id = 1")
        assert found == [("note 1",)]


@pytest.mark.parametrize("is_binary", [False, True])
async def test_parameters_and_formats(connection: psycopg.AsyncConnection, is_binary: bool) -> None:
    cursor = connection.cursor(binary=is_binary)

    await cursor.execute(
        "SELECT id, amount, tags, placed, mood FROM shop.orders WHERE id = %s", (3,)
    )
    (found,) = await cursor.fetchall()

    assert found[0] == 3
    assert str(found[1]) == "4.50"
    assert found[2] == ["a", "b3"]
    assert found[4] in ("sad", b"sad")  # psycopg leaves a binary enum as bytes


async def test_prepared_statement_runs_many_times(connection: psycopg.AsyncConnection) -> None:
    for number in range(3, 30, 3):
        cursor = await connection.execute(
            "SELECT id FROM shop.orders WHERE id = %s", (number,), prepare=True
        )
        assert await cursor.fetchall() == [(number,)]


async def test_server_cursor_fetches_in_pieces(gate: Gate) -> None:
    async with await psycopg.AsyncConnection.connect(gate.dsn()) as connection:
        async with connection.cursor("c") as cursor:
            await cursor.execute("SELECT id FROM shop.orders WHERE id > %s ORDER BY id", (9,))
            assert await cursor.fetchmany(2) == [(12,), (15,)]
            assert await cursor.fetchone() == (18,)
            await cursor.scroll(1)
            assert len(await cursor.fetchall()) == 1000 - 3 - 4
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


async def test_pipeline(connection: psycopg.AsyncConnection) -> None:
    async with connection.pipeline():
        first = await connection.execute("SELECT 1")
        second = await connection.execute("SELECT id FROM shop.orders ORDER BY id LIMIT 2")
        assert await first.fetchall() == [(1,)]
        assert await second.fetchall() == [(3,), (6,)]


async def test_error_in_pipeline_skips_to_sync(connection: psycopg.AsyncConnection) -> None:
    async def three() -> None:
        async with connection.pipeline():
            await connection.execute("SELECT 1")
            await connection.execute("SELECT * FROM shop.secrets")
            await connection.execute("SELECT 2")

    with pytest.raises(errors.UndefinedTable):
        await three()
    assert await rows(connection, "SELECT 3") == [(3,)]


async def test_copy_to_stdout(connection: psycopg.AsyncConnection) -> None:
    cursor = connection.cursor()

    async with cursor.copy("COPY shop.orders (id, note) TO STDOUT") as copy:
        lines = [bytes(line) async for line in copy]

    assert len(lines) == 1000
    assert b"3\t[withheld]\n" in lines
    assert cursor.rowcount == 1000


@pytest.mark.parametrize(
    "sql",
    [
        "COPY shop.orders FROM STDIN",
        "COPY shop.orders TO PROGRAM 'cat'",
        "COPY shop.orders TO '/tmp/x'",
        "COPY (DELETE FROM shop.orders RETURNING id) TO STDOUT",
    ],
)
async def test_other_copies_are_refused(connection: psycopg.AsyncConnection, sql: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.FeatureNotSupported)):
        await connection.execute(sql)


# Transactions


async def status(connection: psycopg.AsyncConnection) -> str:
    return connection.info.transaction_status.name


async def test_a_refusal_fails_the_whole_transaction(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("BEGIN")
    await rows(connection, "SELECT count(*) FROM shop.orders")
    with pytest.raises(errors.InsufficientPrivilege):
        await connection.execute("DELETE FROM shop.orders")

    assert await status(connection) == "INERROR"
    with pytest.raises(errors.InFailedSqlTransaction):
        await connection.execute("SELECT 1")
    cursor = await connection.execute("COMMIT")
    assert cursor.statusmessage == "ROLLBACK"
    assert await status(connection) == "IDLE"


async def test_savepoints_span_gate_and_source(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("BEGIN")
    await connection.execute("SAVEPOINT a")
    assert await rows(connection, "SELECT count(*) FROM shop.orders") == [(1000,)]
    with pytest.raises(errors.DivisionByZero):
        await connection.execute("SELECT id / 0 FROM shop.orders")
    await connection.execute("ROLLBACK TO a")
    assert await rows(connection, "SELECT count(*) FROM shop.orders") == [(1000,)]
    with pytest.raises(errors.UndefinedTable):
        await connection.execute("SELECT * FROM shop.secrets")
    await connection.execute("ROLLBACK TO SAVEPOINT a")
    await connection.execute("RELEASE a")
    with pytest.raises(errors.InvalidSavepointSpecification):
        await connection.execute("ROLLBACK TO a")
    await connection.execute("ROLLBACK")
    assert await status(connection) == "IDLE"


async def test_repeatable_read_keeps_its_snapshot(
    connection: psycopg.AsyncConnection, gate: Gate
) -> None:
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    assert await rows(connection, "SELECT count(*) FROM shop.items") == [(6000,)]
    admin = await gate.source.connect("shop")
    await admin.execute("INSERT INTO shop.items VALUES (999999, 1, 'x')")
    try:
        assert await rows(connection, "SELECT count(*) FROM shop.items") == [(6000,)]
        await connection.execute("COMMIT")
        assert await rows(connection, "SELECT count(*) FROM shop.items") == [(6001,)]
    finally:
        await admin.execute("DELETE FROM shop.items WHERE id = 999999")
        await admin.close()


async def test_several_statements_are_one_transaction(connection: psycopg.AsyncConnection) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        await connection.execute("SET timezone TO 'Europe/Rome'; DELETE FROM shop.orders")

    assert await rows(connection, "SHOW timezone") == [("UTC",)]
    assert await status(connection) == "IDLE"


async def test_a_statement_that_fails_sets_nothing(connection: psycopg.AsyncConnection) -> None:
    text = "SELECT set_config('TimeZone', 'Asia/Tokyo', false), set_config('nothing', '', false)"
    with pytest.raises(errors.UndefinedObject):
        await connection.execute(text)

    assert await rows(connection, "SHOW timezone") == [("UTC",)]


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN READ WRITE",
        "SET default_transaction_read_only = off",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "SET standard_conforming_strings = off",
        "SET work_mem = '1GB'",
    ],
)
async def test_settings_that_loosen_are_refused(
    connection: psycopg.AsyncConnection, sql: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        await connection.execute(sql)


async def test_settings_change_what_sources_print(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("SET timezone TO 'America/New_York'")
    await connection.execute("SET datestyle TO 'SQL, DMY'")

    found = await rows(connection, "SELECT placed::text FROM shop.orders WHERE id = 3")

    assert found == [("31/12/2025 22:00:00 EST",)]
    assert connection.info.parameter_status("TimeZone") == "America/New_York"


# SQL cursors and prepared statements


async def test_sql_cursor(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("BEGIN")
    await connection.execute("DECLARE c CURSOR FOR SELECT id FROM shop.orders ORDER BY id")
    assert await rows(connection, "FETCH 2 FROM c") == [(3,), (6,)]
    cursor = await connection.execute("MOVE 3 IN c")
    assert cursor.statusmessage == "MOVE 3"
    assert await rows(connection, "FETCH NEXT FROM c") == [(18,)]
    with pytest.raises(errors.FeatureNotSupported):
        await connection.execute("FETCH BACKWARD 1 FROM c")
    await connection.execute("ROLLBACK")
    with pytest.raises(errors.InvalidCursorName):
        await connection.execute("FETCH c")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("DECLARE c CURSOR FOR SELECT 1", errors.NoActiveSqlTransaction),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM shop.secrets", errors.UndefinedTable),
        ("DECLARE c CURSOR FOR SELECT * FROM shop.secrets", errors.UndefinedTable),
        ("LISTEN x", errors.FeatureNotSupported),
        ("SELECT * FROM shop.orders FOR UPDATE", psycopg.Error),
        ("SELECT nextval('x')", psycopg.Error),
        ("SELECT lo_get(1)", psycopg.Error),
        ("SET nonsense = 1", errors.UndefinedObject),
        ("SET client_encoding = 'SJIS'", errors.InvalidParameterValue),
        ("LOCK TABLE shop.orders", errors.InsufficientPrivilege),
        ("SELECT 1 INTO x", psycopg.Error),
        ("EXECUTE nothing", errors.InvalidSqlStatementName),
        ("EXPLAIN SELECT 1", errors.FeatureNotSupported),
    ],
)
async def test_refusals_are_clear(
    connection: psycopg.AsyncConnection, sql: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await connection.execute(sql)


async def test_prepare_and_execute(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("PREPARE p (bigint) AS SELECT id, note FROM shop.orders WHERE id = $1")
    assert await rows(connection, "EXECUTE p(3)") == [(3, "[withheld]")]
    assert await rows(connection, "EXECUTE p(4)") == []
    with pytest.raises(errors.DuplicatePreparedStatement):
        await connection.execute("PREPARE p AS SELECT 1")
    with pytest.raises(errors.UndefinedTable):
        await connection.execute("PREPARE q AS SELECT * FROM shop.secrets")
    await connection.execute("DEALLOCATE p")
    with pytest.raises(errors.InvalidSqlStatementName):
        await connection.execute("EXECUTE p(3)")


async def test_error_position_is_in_the_clients_text(connection: psycopg.AsyncConnection) -> None:
    with pytest.raises(errors.UndefinedColumn) as caught:
        await connection.execute("SELECT 1; SELECT nope FROM shop.orders")

    assert caught.value.diag.statement_position == "18"


async def test_statement_timeout(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("SET statement_timeout = '200ms'")
    slow = "SELECT count(*) FROM shop.orders a, shop.orders b, shop.items c WHERE a.amount < c.id"
    with pytest.raises(errors.QueryCanceled, match="statement timeout"):
        await connection.execute(slow)

    assert await rows(connection, "SELECT 1") == [(1,)]


async def test_cancel(connection: psycopg.AsyncConnection) -> None:
    import asyncio

    slow = "SELECT count(*) FROM shop.orders a, shop.orders b, shop.items c WHERE a.amount < c.id"
    running = asyncio.ensure_future(connection.execute(slow))
    await asyncio.sleep(0.3)
    await connection.cancel_safe()

    with pytest.raises(errors.QueryCanceled, match="user request"):
        await running
    assert await rows(connection, "SELECT 1") == [(1,)]
