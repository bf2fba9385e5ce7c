"""Names that models write, and the tables they mean."""

from __future__ import annotations

import pytest

from sidecars.mcp.tables import (
    Column,
    Table,
    always_quoted,
    find,
    mentioned,
    near,
    quoted,
    read_tables,
    search,
)
from tests.live.gate import Gate

TABLES = [
    Table("sales", "orders", "What was sold.", [Column("id", "int", None)]),
    Table("sales", "Order Items", None, [Column("sku", "text", "stock keeping unit")]),
    Table("old", "orders", None),
    Table("hr", "people", None, [Column("name", "text", None)]),
]


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("orders", "orders"),
        ("Order Items", '"Order Items"'),
        ('say "hi"', '"say ""hi"""'),
        ("1st", '"1st"'),
        ("naïve", '"naïve"'),
    ],
)
def test_names_are_quoted_where_needed(name: str, sql: str) -> None:
    assert quoted(name) == sql


def test_statements_of_ours_quote_always() -> None:
    assert always_quoted(Table('a"b', "select", None)) == '"a""b"."select"'


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        ("sales.orders", "sales.orders"),
        ('sales."Order Items"', "sales.Order Items"),
        ("people", "hr.people"),
        ("HR.People", "hr.people"),
        ("orders", None),  # two
        ("nope", None),
    ],
)
def test_the_table_that_is_meant(wanted: str, title: str | None) -> None:
    found = find(TABLES, wanted)

    assert (found and found.title) == title


def test_search_looks_at_names_columns_and_comments() -> None:
    assert [one.title for one in search(TABLES, "SOLD")] == ["sales.orders"]
    assert [one.title for one in search(TABLES, "stock items")] == ["sales.Order Items"]
    assert search(TABLES, "sold stock") == []
    assert search(TABLES, "") == TABLES


def test_near_names_come_likeliest_first() -> None:
    names = [one.title for one in TABLES]
    assert near("hr.peple", names)[0] == "hr.people"
    assert near("poeple", names) == ["hr.people"]
    assert near("xyzzy", names) == []


def test_mentioned_tables() -> None:
    statement = "SELECT * FROM hr.People p, (select 1) orders_x"
    assert [one.title for one in mentioned(TABLES, statement)] == ["hr.people"]


async def test_only_what_is_visible_is_read(shop: Gate) -> None:
    import asyncpg

    connection = await asyncpg.connect(
        host="127.0.0.1", port=shop.port, user="alice", database="shop", password=shop.token(),
        ssl=False,
    )  # fmt: skip
    try:
        tables = {one.title: one for one in await read_tables(connection, with_keys=True)}
    finally:
        await connection.close()

    assert set(tables) == {"shop.orders", "shop.items"}
    assert "hidden" not in [column.name for column in tables["shop.orders"].columns]
    assert tables["shop.items"].keys == [
        "PRIMARY KEY (id)",
        "FOREIGN KEY (order_id) REFERENCES shop.orders(id)",
    ]
