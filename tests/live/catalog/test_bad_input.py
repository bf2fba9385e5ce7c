"""Goal: names that no sane person would choose, and questions that are meant to hurt, do no harm.

Method: a gate over tables called like keywords, with dots, quotes, newlines and emoji, views with
columns named as system columns are, and a table of 1,600 columns: each is read through the gate and
found in its catalog. Catalog bombs are thrown at it while others work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors, sql

from tests.live.catalog.stage import Stage, policy_for, serving

EMOJI = "😀" * 15 + "abc"  # 63 bytes
NAMES = [
    "select", "user", "Table", "a.b", "a.b.c", '"', 'say "hi"', "new\nline", "tab\t", " ", "--",
    "/*", "'; DROP TABLE x; --", "$1", "%s", "\\", "é", EMOJI, "x" * 63, "pg_class_of_mine",
]  # fmt: skip
WIDE = 1_600
"""Columns of one table at most (PostgreSQL documentation, appendix K)."""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


SCHEMA = "".join(
    [
        *(
            f"CREATE TABLE public.{quoted(name)} ({quoted(name)} int, oid int);"
            f"INSERT INTO public.{quoted(name)} VALUES ({number}, 7);"
            for number, name in enumerate(NAMES)
        ),
        'CREATE SCHEMA "Sch.ema"; CREATE TABLE "Sch.ema"."T.t" (a int);',
        "CREATE VIEW public.systemic AS SELECT 1 AS xmin, 2 AS ctid, 3 AS tableoid, 4 AS cmax;",
        "CREATE TABLE public.nothing (); CREATE TABLE public.part (a int, b int);",
        "CREATE TABLE public.wide (" + ", ".join(f"c{n} bool" for n in range(WIDE)) + ");",
    ]
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd() -> AsyncIterator[Stage]:
    """Not through `policy_for` over what the source says: the policy has to be quoted."""
    async with serving("CREATE TABLE public.first (a int);" + SCHEMA) as stage:
        tables = {f"public.{quoted(name)}": [name, "oid"] for name in NAMES}
        tables['"Sch.ema"."T.t"'] = ["a"]
        tables["public.systemic"] = ["xmin", "ctid", "tableoid", "cmax"]
        tables["public.wide"] = [f"c{number}" for number in range(WIDE)]
        tables["public.part"] = ["b"]
        await stage.adopt(policy_for({"analyst": tables}))
        yield stage


async def connected(stage: Stage) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(stage.dsn("analyst"), autocommit=True)


async def test_odd_names_are_read_and_found(odd: Stage) -> None:
    async with await connected(odd) as connection:
        for number, name in enumerate(NAMES):
            table = sql.Identifier("public", name)
            text = sql.SQL("SELECT {}, oid, {}.* FROM {}").format(
                sql.Identifier(name), sql.Identifier(name), table
            )
            assert await (await connection.execute(text)).fetchall() == [(number, 7, number, 7)]
            found = await connection.execute(
                "SELECT c.relname::text, a.attname::text, c.oid::regclass::oid = c.oid"
                " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE c.oid = %s::text::regclass AND a.attnum = 1",
                (f"public.{quoted(name)}",),
            )
            assert await found.fetchall() == [(name, name, True)]
        text = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("Sch.ema", "T.t"))
        assert await (await connection.execute(text)).fetchall() == [(0,)]


async def test_a_name_of_64_bytes_is_cut_as_in_postgres(odd: Stage) -> None:
    async with await connected(odd) as connection:
        text = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("x" * 70))
        assert await (await connection.execute(text)).fetchall() == [(1,)]


async def test_columns_named_as_system_columns_are_in_the_catalog(odd: Stage) -> None:
    async with await connected(odd) as connection:
        found = await connection.execute(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 'systemic'::regclass"
            " AND attnum > 0 ORDER BY attnum"
        )
        assert [row[0] for row in await found.fetchall()] == ["xmin", "ctid", "tableoid", "cmax"]
        text = "SELECT * FROM systemic"
        assert await (await connection.execute(text)).fetchall() == [(1, 2, 3, 4)]


async def test_the_widest_table(odd: Stage) -> None:
    async with await connected(odd) as connection:
        found = await connection.execute(
            "SELECT count(*) FROM information_schema.columns WHERE table_name = 'wide'"
        )
        assert await found.fetchall() == [(WIDE,)]
        cursor = await connection.execute("SELECT * FROM wide")
        assert len(cursor.description or ()) == WIDE


async def test_a_table_without_columns_or_grant_does_not_exist(odd: Stage) -> None:
    async with await connected(odd) as connection:
        for name in ("nothing", "first"):
            with pytest.raises(errors.UndefinedTable):
                await connection.execute(f"SELECT count(*) FROM {name}")  # type: ignore[arg-type]
        for name in ("nothing", "first"):
            cursor = await connection.execute(f"SELECT to_regclass('{name}') IS NULL")  # type: ignore[arg-type]
            assert await cursor.fetchall() == [(True,)]


async def test_hidden_columns_leave_no_gap(odd: Stage) -> None:
    async with await connected(odd) as connection:
        cursor = await connection.execute(
            "SELECT attname::text, attnum FROM pg_attribute WHERE attrelid = 'part'::regclass"
            " AND attnum > 0"
        )
        assert await cursor.fetchall() == [("b", 1)]


TEMPORARY = [
    'CREATE LOCAL TEMPORARY TABLE "#Tableau_1_Connect" ("COL" INTEGER) ON COMMIT PRESERVE ROWS',
    "CREATE TEMP TABLE probe AS SELECT 1",
    "CREATE TEMPORARY VIEW probe AS SELECT 1 AS one",
    "CREATE TABLE pg_temp.probe (a int)",
    "SELECT 1 INTO TEMPORARY TABLE probe",
]


@pytest.mark.parametrize("text", TEMPORARY)
async def test_a_probe_for_temporary_tables_gets_postgres_own_refusal(
    odd: Stage, text: str
) -> None:
    async with await connected(odd) as connection:
        with pytest.raises(errors.InsufficientPrivilege, match="to create temporary tables"):
            await connection.execute(text)  # type: ignore[arg-type]
        assert await (await connection.execute("SELECT 1")).fetchall() == [(1,)]


async def test_what_mixes_catalog_and_data_is_told_which_is_which(odd: Stage) -> None:
    async with await connected(odd) as connection:
        text = "SELECT p.b, c.relname FROM part p, pg_class c WHERE c.oid = p.b"
        with pytest.raises(errors.FeatureNotSupported) as caught:
            await connection.execute(text)
        assert caught.value.diag.message_detail == "Of the catalog: pg_class. Data: part."
        assert caught.value.diag.message_hint is not None
        text = "SELECT current_database()::text, version() <> '', count(p.*) FROM part p"
        assert await (await connection.execute(text)).fetchall() == [("analytics", True, 0)]


BOMBS = [
    "SELECT count(*) FROM pg_class a, pg_class b, pg_attribute c, pg_attribute d",
    "SELECT max(a.relname::text || b.attname::text) FROM pg_class a, pg_attribute b, pg_proc c",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r, pg_am",
    "SELECT count(*) FROM pg_class, generate_series(1, 1000000000)",
    "SELECT a.*, b.* FROM pg_attribute a, pg_attribute b",
    "SELECT string_agg(repeat('x', 1000000), '') FROM pg_class a, pg_class b, pg_class c",
    "SELECT array_agg(a ORDER BY b.oid) FROM pg_attribute a, pg_proc b",
    "SELECT count(*) FROM pg_proc a, pg_proc b, pg_proc c WHERE a.prosrc <> b.proname::text || '!'",
]
DOCUMENTED = {"57014", "54000", "53200", "53400", "53300"}
"""Time, size of the answer, memory, temporary space, a place in the queue."""


async def test_catalog_bombs_end_and_others_go_on(odd: Stage) -> None:
    finished: list[str] = []

    async def throw(text: str) -> None:
        async with await connected(odd) as connection:
            try:
                await connection.execute(text)  # type: ignore[arg-type]
                finished.append("answered")
            except psycopg.Error as error:
                finished.append(str(error.sqlstate))

    bombs = [asyncio.ensure_future(throw(text)) for text in BOMBS]
    await asyncio.sleep(0.5)
    async with await connected(odd) as connection:
        for number in range(10):
            text = f"SELECT count(*) + {number} FROM part"
            assert await (await connection.execute(text)).fetchall() == [(number,)]  # type: ignore[arg-type]
    assert not all(bomb.done() for bomb in bombs)  # they burn while data is read
    await asyncio.gather(*bombs)
    print(finished)
    assert set(finished) <= DOCUMENTED
    async with await connected(odd) as connection:
        cursor = await connection.execute(
            "SELECT relname::text FROM pg_class WHERE relname = 'part'"
        )
        assert await cursor.fetchall() == [("part",)]
