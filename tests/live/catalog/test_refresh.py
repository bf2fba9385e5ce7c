"""Goal: a schema or a policy that changes under connected clients breaks no session.

Method: gates whose sources are altered while clients hold what they hold: numbers of tables and
types, prepared statements, cursors, transactions. What they hold stays valid where the object is
still visible; what was described differently is refused with 0A000, as Postgres does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest
import pytest_asyncio
from psycopg import errors

from tests.live.catalog.asking import ask, oid_finder
from tests.live.catalog.stage import COMPANY, Stage, all_columns, policy_for, serving
from tests.proxy.catalog.conftest import DATABASE
from tests.proxy.catalog.queries import Entry

FILL = """
INSERT INTO public.customers (id, name, mood) SELECT n, 'c' || n, 'ok' FROM generate_series(1, 50) n;
"""


@pytest_asyncio.fixture(loop_scope="session")
async def changing() -> AsyncIterator[Stage]:
    async with serving(COMPANY + FILL) as stage:
        yield stage


async def connected(stage: Stage, role: str = "analyst") -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(stage.dsn(role), autocommit=True)


async def allow_everything(stage: Stage) -> None:
    await stage.adopt(policy_for({"analyst": await all_columns(stage.source)}))


async def numbers(stage: Stage, role: str = "analyst") -> dict[str, int]:
    client = await stage.client(role)
    found = (await oid_finder(client)).known  # type: ignore[attr-defined]
    client.close()
    return {name: oid for name, oid in found.items() if oid >= 16_384}


async def test_numbers_stay_through_changes_and_are_the_same_for_everybody(
    changing: Stage,
) -> None:
    before = await numbers(changing)
    await changing.change(
        "ALTER TABLE sales.orders ADD COLUMN priority int, DROP COLUMN qty;"
        "ALTER TYPE public.mood ADD VALUE 'elated' BEFORE 'sad';"
        "ALTER TABLE hr.salaries RENAME TO wages;"
        "CREATE TABLE public.added (id int PRIMARY KEY, mood public.mood)"
    )
    await allow_everything(changing)
    after = await numbers(changing)

    assert {"public.added", "hr.wages", "label:mood.elated"} <= set(after) - set(before)
    assert "hr.salaries" not in after
    kept = set(before) & set(after)
    assert {"sales.orders", "public.customers", "type:public.mood", "label:mood.sad"} <= kept
    assert {name for name in kept if before[name] != after[name]} == set()
    await changing.adopt(policy_for({"clerk": {"public.customers": ["id", "mood"]}}))
    clerks = await numbers(changing, "clerk")
    shared = set(clerks) & set(after)
    assert {"public.customers", "type:public.mood"} <= shared
    assert {name for name in shared if clerks[name] != after[name]} == set()


async def test_numbers_that_a_client_holds_answer_after_a_refresh(changing: Stage) -> None:
    client = await changing.client("analyst")
    oid_of = await oid_finder(client)
    await changing.change("ALTER TABLE sales.orders ADD COLUMN priority int")
    await allow_everything(changing)
    for name, columns in (("public.customers", 12), ("sales.orders", 9)):
        text = f"SELECT count(*) FROM pg_attribute WHERE attnum > 0 AND attrelid = {oid_of(name)}"
        reply = await ask(client, Entry(0, "", text))
        assert reply.rows == [(str(columns).encode(),)]
    client.close()


async def test_a_hidden_table_is_gone_by_name_and_number(changing: Stage) -> None:
    client = await changing.client("analyst")
    oid_of = await oid_finder(client)
    everything = await all_columns(changing.source)
    del everything["hr.salaries"]
    await changing.adopt(policy_for({"analyst": everything}))
    reply = await ask(client, Entry(0, "", f"SELECT {oid_of('hr.salaries')}::regclass::text"))
    assert reply.rows == [(str(oid_of("hr.salaries")).encode(),)]  # nothing bears the number
    reply = await ask(client, Entry(0, "", "SELECT 'hr.salaries'::regclass"))
    assert reply.error == '42P01 relation "hr.salaries" does not exist' or reply.error.startswith(
        "3F000"
    )
    client.close()


async def test_a_new_label_reaches_a_driver_that_has_cached_the_type(changing: Stage) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=changing.port,
        user="analyst",
        password=changing.token("analyst"),
        database=DATABASE,
        ssl=False,
    )
    prepared = await connection.prepare("SELECT id, mood FROM public.customers ORDER BY id")
    assert (await prepared.fetch())[0]["mood"] == "ok"
    await changing.change("ALTER TYPE public.mood ADD VALUE 'elated';")
    await changing.change("UPDATE public.customers SET mood = 'elated' WHERE id = 1")
    assert (await prepared.fetch())[0]["mood"] == "elated"
    text = "SELECT count(*) FROM public.customers WHERE mood = $1::public.mood"
    assert await connection.fetchval(text, "elated") == 1
    await connection.close()


async def test_prepared_statements_hold_or_say_what_changed(changing: Stage) -> None:
    connection = await connected(changing)
    for name, text in (
        ("stays", "SELECT id, name FROM public.customers WHERE id = 1"),
        ("star", "SELECT * FROM public.customers WHERE id = 1"),
        ("typed", "SELECT birth FROM public.customers WHERE id = 1"),
        ("gone", "SELECT balance FROM public.customers WHERE id = 1"),
        ("catalog", "SELECT count(*) > 3 FROM pg_class WHERE relname IN ('customers', 'orders')"),
    ):
        await connection.execute(f"PREPARE {name} AS {text}")  # type: ignore[arg-type]
    await changing.change(
        "DROP VIEW IF EXISTS sales.none; ALTER TABLE public.customers ADD COLUMN extra text,"
        " ALTER COLUMN birth TYPE text, DROP COLUMN balance"
    )
    await allow_everything(changing)

    assert await (await connection.execute("EXECUTE stays")).fetchall() == [(1, "c1")]
    assert await (await connection.execute("EXECUTE catalog")).fetchall() == [(False,)]
    for name in ("star", "typed"):
        with pytest.raises(errors.FeatureNotSupported, match="cached plan must not change"):
            await connection.execute(f"EXECUTE {name}")  # type: ignore[arg-type]
    with pytest.raises(errors.UndefinedColumn, match="balance"):
        await connection.execute("EXECUTE gone")
    assert await (await connection.execute("SELECT 1")).fetchall() == [(1,)]
    await connection.close()


async def test_a_transaction_and_its_cursor_go_on_or_say_why(changing: Stage) -> None:
    connection = await psycopg.AsyncConnection.connect(changing.dsn("analyst"))
    await connection.execute("DECLARE c CURSOR FOR SELECT relname FROM pg_class ORDER BY 1")
    first = await (await connection.execute("FETCH 2 FROM c")).fetchall()
    assert len(first) == 2
    await changing.change("CREATE TABLE public.aaa (id int)")
    await allow_everything(changing)
    assert await (await connection.execute("SELECT count(*) FROM public.customers")).fetchone() == (
        50,
    )
    # What the gate holds of an answer of the catalog is told to its end.
    assert len(await (await connection.execute("FETCH 2 FROM c")).fetchall()) == 2
    await connection.rollback()
    found = await connection.execute("SELECT 1 FROM pg_class WHERE relname = 'aaa'")
    assert await found.fetchall() == [(1,)]
    await connection.close()


async def test_busy_clients_survive_many_refreshes(changing: Stage) -> None:
    stop = asyncio.Event()
    counts = {"answers": 0, "told": 0}

    async def work(number: int) -> None:
        connection = await connected(changing)
        while not stop.is_set():
            for text in (
                "SELECT count(*) FROM public.customers",
                "SELECT relname, obj_description(oid) FROM pg_class WHERE relname = 'customers'",
                f"SELECT c{number % 3} FROM public.customers LIMIT 1",
            ):
                try:
                    await (await connection.execute(text)).fetchall()  # type: ignore[arg-type]
                    counts["answers"] += 1
                except (errors.UndefinedColumn, errors.FeatureNotSupported):
                    counts["told"] += 1
        assert not connection.closed
        await connection.close()

    workers = [asyncio.ensure_future(work(number)) for number in range(6)]
    for number in range(3):
        seen = counts["answers"]
        while not counts["told"] or counts["answers"] < seen + len(workers):
            assert not any(one.done() for one in workers)
            await asyncio.sleep(0.02)
        await changing.change(f"ALTER TABLE public.customers ADD COLUMN c{number} int")
        await allow_everything(changing)
    stop.set()
    await asyncio.gather(*workers)
