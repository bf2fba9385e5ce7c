"""Goal: what the policy says of tables, columns and masks is what clients and models read.

Method: a gate of its own whose policy has comments and masks; asked as psql's \\d+ and as language
models ask.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest_asyncio

from tests.live.catalog.stage import COMPANY, Stage, serving

COLUMNS = """
SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a
WHERE a.attrelid = 'public.customers'::regclass AND a.attnum > 0 ORDER BY a.attnum
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def commented() -> AsyncIterator[Stage]:
    async with serving(COMPANY) as stage:
        policy: dict[str, Any] = dict(stage.policy)
        policy["masks"] = {"initial": {"partial": {"first": 1}}}
        table = policy["tables"]["public.customers"]
        table["comment"] = "People who buy; one row each"
        table["columns"]["name"] = {"comment": "Full name", "mask": "initial"}
        table["columns"]["email"] = {"mask": "email"}
        table["columns"]["birth"] = {"comment": "Day of birth", "mask": None}
        for rule in table["rules"]:
            rule["unmask"] = ["name"] if rule["roles"] == ["analyst"] else []
        policy["tables"]["sales.orders"]["columns"]["amount"] = {"comment": ""}
        await stage.adopt(policy)
        yield stage


async def answer(stage: Stage, role: str, sql: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(stage.dsn(role)) as connection:
        return await (await connection.execute(sql)).fetchall()


async def test_columns_tell_comments_and_masks(commented: Stage) -> None:
    told = dict(await answer(commented, "analyst", COLUMNS))
    assert told["name"] == "Full name"
    assert told["email"] == "masked for analysts (masked: email)"
    assert told["birth"] == "Day of birth (masked: null)"
    assert told["id"] is None
    assert dict(await answer(commented, "clerk", COLUMNS)) == {
        "id": None,
        "name": "Full name (masked: initial)",
    }


async def test_tables_tell_the_policys_comment_or_the_sources(commented: Stage) -> None:
    sql = "SELECT obj_description('public.customers'::regclass)"
    assert await answer(commented, "clerk", sql) == [("People who buy; one row each",)]
    sql = "SELECT description FROM pg_description WHERE objoid = 'sales.orders'::regclass"
    assert await answer(commented, "analyst", sql) == []
    sql = "SELECT obj_description('sales'::regnamespace)"
    assert await answer(commented, "analyst", sql) == [("Sales mart",)]


async def test_a_masked_column_has_the_masks_type_and_may_be_null(commented: Stage) -> None:
    sql = (
        "SELECT column_name::text, data_type::text, is_nullable::text"
        " FROM information_schema.columns WHERE table_name = 'customers'"
        " AND column_name IN ('name', 'birth') ORDER BY 1"
    )
    assert await answer(commented, "analyst", sql) == [
        ("birth", "date", "YES"),
        ("name", "character varying", "NO"),
    ]
    assert await answer(commented, "clerk", sql) == [("name", "text", "YES")]


async def test_a_changed_comment_reaches_connected_clients(commented: Stage) -> None:
    async with await psycopg.AsyncConnection.connect(
        commented.dsn("analyst"), autocommit=True
    ) as connection:
        sql = "SELECT col_description('sales.orders'::regclass, 7)"
        assert await (await connection.execute(sql)).fetchall() == [(None,)]
        await commented.change("COMMENT ON COLUMN sales.orders.notes IS 'By the seller'")
        assert await (await connection.execute(sql)).fetchall() == [("By the seller",)]
