"""What clients do with a statement over several sources, and what the sources are asked for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
import pytest_asyncio
from psycopg import errors

from proxy.decision import Runnable
from proxy.faults import UnsupportedFault
from proxy.federation.merge import Merger
from proxy.runtime.audit.query import records
from proxy.sources.base import Arguments
from proxy.sources.postgres_loading import LoadingConnection
from tests.proxy.federation.stage import Stage

JOIN = "FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id"

Connection = psycopg.AsyncConnection[tuple[object, ...]]


@pytest_asyncio.fixture
async def alice(stage: Stage) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(stage.dsn(), autocommit=True) as found:
        yield found


async def one(connection: Connection, sql: str, *arguments: object) -> object:
    row = await (await connection.execute(sql, arguments)).fetchone()
    assert row is not None
    return row[0]


async def test_a_gate_with_one_source_merges_nothing() -> None:
    with pytest.raises(UnsupportedFault):
        await Merger(None).load(None, Runnable(), Arguments())  # type: ignore[arg-type]


async def test_each_person_has_their_own_answer(stage: Stage, alice: Connection) -> None:
    query = f"SELECT count(*), min(c.email), count(*) FILTER (WHERE o.status = 'late') {JOIN}"
    dsn = stage.dsn("bob", role="auditor")
    async with await psycopg.AsyncConnection.connect(dsn) as bob:
        seen = await (await bob.execute(query)).fetchone()
    told = await (await alice.execute(query)).fetchone()
    assert told is not None
    assert seen is not None
    assert told[0] < seen[0]
    assert (told[1], told[2]) == ("[hidden]", 0)
    assert seen[1] == "c100@example.test"
    assert seen[2] > 0


async def test_values_are_bound(alice: Connection) -> None:
    sql = f"SELECT count(*) {JOIN} WHERE c.id = %s AND o.total > %s AND c.grade = %s"
    assert await one(alice, sql, 4, 10.5, "silver") == 2
    assert await one(alice, sql, 4, 10.5, "gold") == 0
    async with alice.cursor(binary=True) as cursor:
        for number in (4, 8, 4):
            await cursor.execute(f"SELECT count(*), max(o.took) {JOIN} WHERE c.id = %b", [number])
            assert await cursor.fetchone()


async def test_asyncpg_with_prepared_statements_and_portals(stage: Stage) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1", port=stage.worker.port, user="alice", database="crm",
        password=stage.password(), ssl=False,
    )  # fmt: skip
    try:
        statement = await connection.prepare(
            f"SELECT c.id, o.id, o.total, c.tags, c.key {JOIN} WHERE c.id < $1 ORDER BY 1, 2"
        )
        whole = await statement.fetch(60)
        assert whole == await statement.fetch(60)
        async with connection.transaction():
            pieces = []
            cursor = await statement.cursor(60)
            while piece := await cursor.fetch(7):
                pieces += piece
        assert pieces == whole
    finally:
        await connection.close()


async def test_cursors_side_by_side(alice: Connection) -> None:
    async with alice.transaction():
        await alice.execute(f"DECLARE a CURSOR FOR SELECT o.id {JOIN} ORDER BY 1")
        await alice.execute(f"DECLARE b CURSOR FOR SELECT c.id {JOIN} ORDER BY 1 DESC")
        first = await (await alice.execute("FETCH 2 FROM a")).fetchall()
        other = await (await alice.execute("FETCH 1 FROM b")).fetchall()
        second = await (await alice.execute("FETCH 2 FROM a")).fetchall()
        await alice.execute("CLOSE a")
        await alice.execute("FETCH 1 FROM b")
    ordered = await (await alice.execute(f"SELECT o.id {JOIN} ORDER BY 1 LIMIT 4")).fetchall()
    assert first + second == ordered
    assert len(other) == 1


@pytest.mark.parametrize("options", ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"])
async def test_copy(stage: Stage, alice: Connection, options: str) -> None:
    sql = f"COPY (SELECT c.id, c.email, o.total {JOIN} WHERE o.id < 50 ORDER BY o.id) TO STDOUT"
    taken = []
    async with await psycopg.AsyncConnection.connect(stage.reference) as reference:
        for connection in (alice, reference):
            async with connection.cursor() as cursor, cursor.copy(f"{sql} {options}") as copy:
                taken.append(b"".join([bytes(piece) async for piece in copy]))
    assert taken[0] == taken[1]


async def test_a_transaction_holds_at_every_source(stage: Stage, alice: Connection) -> None:
    query = f"SELECT count(*) {JOIN}"
    before = await one(alice, query)
    async with await psycopg.AsyncConnection.connect(stage.sales, autocommit=True) as admin:
        async with alice.transaction():
            await alice.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            assert await one(alice, query) == before
            await admin.execute(
                "INSERT INTO sales.orders (id, customer_id, status) VALUES (-1, 4, '')"
            )
            assert await one(alice, query) == before
        try:
            assert await one(alice, query) == int(str(before)) + 1
        finally:
            await admin.execute("DELETE FROM sales.orders WHERE id = -1")


async def test_sources_are_asked_for_what_is_needed(stage: Stage, alice: Connection) -> None:
    async with await psycopg.AsyncConnection.connect(stage.crm, autocommit=True) as admin:
        await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await admin.execute("SELECT pg_stat_statements_reset()")
        await alice.execute(
            f"SELECT o.total {JOIN} WHERE c.name LIKE 'Customer 1%' AND c.score > 7"
        )
        cursor = await admin.execute(
            "SELECT query FROM pg_stat_statements WHERE query LIKE '%crm.customers%part%'"
        )
        [(text,)] = await cursor.fetchall()
    told = str(text)
    assert told.startswith("SELECT part.id AS id, part.name AS name, part.score AS score FROM (")
    assert " part WHERE part.name LIKE " in told
    assert " AND part.score > " in told
    assert "region = ANY" in told


async def test_parts_of_one_source_see_one_state(stage: Stage, alice: Connection) -> None:
    async with await psycopg.AsyncConnection.connect(stage.sales, autocommit=True) as admin:
        await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await admin.execute("SELECT pg_stat_statements_reset()")
        await alice.execute(f"SELECT i.sku {JOIN} JOIN sales.items i ON i.order_id = o.id LIMIT 1")
        cursor = await admin.execute("SELECT query FROM pg_stat_statements")
        texts = [str(text) for (text,) in await cursor.fetchall()]
    assert "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" in texts


async def test_the_plan_is_told(alice: Connection) -> None:
    cursor = await alice.execute(f"EXPLAIN POLICY SELECT o.id {JOIN} WHERE c.id = 3")
    lines = [str(line) for (line,) in await cursor.fetchall()]
    assert "crm.customers" in lines
    assert "  t1 from crm: SELECT part.id AS id FROM crm.customers part WHERE part.id = 3" in lines
    assert any(line.startswith("  t2 from sales: SELECT ") for line in lines)
    assert lines[-1].endswith(", with the keys of t1 if few")
    assert not any("late" in line for line in lines)


async def test_errors_speak_as_postgres_does(alice: Connection) -> None:
    with pytest.raises(errors.DivisionByZero, match="division by zero"):
        await alice.execute(f"SELECT 1 / (c.id - c.id) {JOIN}")
    with pytest.raises(errors.InvalidTextRepresentation, match='integer: "Customer'):
        await alice.execute(f"SELECT c.name::int {JOIN}")
    with pytest.raises(errors.UndefinedColumn, match=r"o\.nothing"):
        await alice.execute(f"SELECT o.nothing {JOIN}")
    assert await one(alice, "SELECT 1") == 1


async def test_an_error_leaves_the_transaction_failed_and_the_session_well(
    alice: Connection,
) -> None:
    with pytest.raises(errors.DivisionByZero):
        async with alice.transaction():
            await alice.execute(f"SELECT 1 / (c.id - c.id) {JOIN}")
    assert await one(alice, f"SELECT count(*) > 0 {JOIN}") is True


SLOW = f"SELECT count(*) {JOIN}, sales.items a, sales.items b WHERE a.quantity <> b.quantity + c.id"


async def test_cancel_reaches_whatever_runs(alice: Connection) -> None:
    running = asyncio.ensure_future(alice.execute(SLOW))
    await asyncio.sleep(1)
    assert not running.done()
    await alice.cancel_safe()
    with pytest.raises(errors.QueryCanceled):
        await running
    assert await one(alice, "SELECT 1") == 1


async def test_statement_timeout(alice: Connection) -> None:
    await alice.execute("SET statement_timeout = '700ms'")
    with pytest.raises(errors.QueryCanceled):
        await alice.execute(SLOW)


async def test_many_at_once(stage: Stage) -> None:
    async def ask(number: int) -> object:
        async with await psycopg.AsyncConnection.connect(stage.dsn()) as connection:
            return await one(connection, f"SELECT count(*) {JOIN} WHERE c.id <= %s", number)

    numbers = [number % 7 * 40 for number in range(25)]
    counts = await asyncio.gather(*map(ask, numbers))
    assert len({(number, count) for number, count in zip(numbers, counts, strict=True)}) == 7


async def test_the_record_names_every_relation_and_text(stage: Stage, alice: Connection) -> None:
    marker = "SELECT 'recorded', c.email, o.total"
    await alice.execute(f"{marker} {JOIN} WHERE o.id = 4")
    audit = Path(stage.directory / "audit")
    [found] = [
        record
        for record in records(audit)
        if record.phase == "intent" and marker in str(record.facts)
    ]
    facts = str(found.facts)
    for told in ("crm.customers", "sales.orders", "pg_temp.t1", "t2: SELECT", "hidden"):
        assert told in facts


async def test_few_keys_narrow_what_is_asked(stage: Stage, alice: Connection) -> None:
    query = f"SELECT o.id {JOIN} WHERE c.key = 'c81e728d-9d4c-2f63-6f06-7f89cc14862c'"
    async with await psycopg.AsyncConnection.connect(stage.sales, autocommit=True) as admin:
        await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await admin.execute("SELECT pg_stat_statements_reset()")
        await alice.execute(query)
        cursor = await admin.execute(
            "SELECT query, rows FROM pg_stat_statements WHERE query LIKE '%sales.orders%part%'"
        )
        [(text, rows)] = await cursor.fetchall()
    assert "part.customer_id = ANY(" in str(text)
    assert int(str(rows)) < 10


async def test_many_keys_do_not(alice: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    query = f"SELECT count(*) {JOIN} WHERE c.score > 1"
    before = await one(alice, query)
    monkeypatch.setattr(LoadingConnection, "keys", _none)
    assert await one(alice, query) == before


async def _none(*_: object) -> None:
    return None


async def test_the_engine_may_die_and_comes_back(stage: Stage, alice: Connection) -> None:
    count = await one(alice, f"SELECT count(*) {JOIN}")
    dying = asyncio.ensure_future(
        alice.execute(f"SELECT count(*) {JOIN} JOIN sales.items a ON a.line > 0 JOIN sales.items b"
                      " ON b.quantity + a.quantity + o.total > 0 WHERE a.line + b.line > 1")
    )  # fmt: skip
    admin = await stage.merge.connect()
    for _ in range(300):
        if await admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename ~ '^m_' AND state = 'active'"
        ):
            break
        await asyncio.sleep(0.02)
    victim = stage.merge.process_id
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    await asyncio.gather(admin.close(), return_exceptions=True)

    with pytest.raises(errors.CannotConnectNow):
        await dying
    told = set()
    for number in range(600):
        try:
            assert (
                await one(alice, f"SELECT count(*) + {number} {JOIN}") == int(str(count)) + number
            )
        except psycopg.Error as error:
            told.add(error.sqlstate)
        else:
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("it did not come back")
    assert told <= {"57P03"}
    assert stage.merge.process_id not in (None, victim)
    # Meanwhile a source alone, and the session, went on.
    assert await one(alice, "SELECT count(*) FROM sales.products") == 40
