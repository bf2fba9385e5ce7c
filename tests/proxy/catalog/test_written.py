"""Goal: tables written into the catalogs are, row by row, what CREATE TABLE would have made.

Method: the same tables in two databases of one cluster, written in one and made by DDL in the
other, then numbered; every row of every catalog that tells of them must be the same. The rules
that choose names are compared with Postgres' own choices in passing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

import asyncpg
import pytest

from proxy.catalog.class_building import renumber, write_tables
from proxy.catalog.class_database import prepare_template
from proxy.catalog.definition import Definition, qualified, quote_identifier, quote_literal
from proxy.catalog.shadow import MAJOR_NEW, MAJOR_OLD
from proxy.catalog.virtual import CatalogError
from proxy.catalog.written import (
    Kind,
    WrittenColumn,
    WrittenKey,
    WrittenSequence,
    WrittenTable,
    needs_toast,
)
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import DATABASE, Place

TYPES = (
    "CREATE SCHEMA sales",
    'CREATE SCHEMA "Odd schema"',
    "CREATE TYPE public.mood AS ENUM ('sad', 'ok')",
    "CREATE DOMAIN public.short AS varchar(10)",
    "CREATE TYPE public.place AS (street text, zip int)",
)
LONG = "l" * 60


def table(
    name: str, *columns: WrittenColumn, schema: str = "public", **more: object
) -> WrittenTable:
    return replace(WrittenTable(schema, name, columns), **more)  # type: ignore[arg-type]


def column(name: str, type_name: str, modifier: int = -1, **more: object) -> WrittenColumn:
    return replace(WrittenColumn(name, type_name, modifier), **more)  # type: ignore[arg-type]


ID = column("id", "bigint", not_null=True)
TABLES = (
    table("nothing"),
    table("fixed", column("a", "integer"), column("b", "numeric(12,2)", 786438)),
    table(
        "orders",
        replace(ID, identity="a", comment="the number"),
        column("who", "character varying(80)", 84, not_null=True),
        column("mood", "public.mood"),
        column("tags", "text[]", dimensions=1),
        column("code", "text", collation="C"),
        column("part", "public.short"),
        column("home", "public.place"),
        column("at", "timestamp(3) without time zone", 3),
        schema="sales",
        comment="it's \\ all",
        keys=(
            WrittenKey("p", ("id",)),
            WrittenKey("u", ("who", "mood")),
            WrittenKey("u", ("code", "part", "tags")),
        ),
        sequences=(WrittenSequence("id", is_identity=True),),
    ),
    table(
        'Say "hi"',
        column("select", "uuid", not_null=True),
        column("new\nline", "character(3)", 7),
        schema="Odd schema",
        keys=(WrittenKey("p", ("select",)), WrittenKey("u", ("new\nline",))),
    ),
    table(LONG, ID, column("b", "date"), keys=(WrittenKey("p", ("id",)), WrittenKey("u", ("b",)))),
    table(LONG[:-1] + "é", ID, keys=(WrittenKey("p", ("id",)),)),
    table("orders_pkey", ID, schema="sales"),
    table("wide", *(column(f"c{number}", "character(5)", 9) for number in range(200))),
    table("ranges", column("a", "int4range", not_null=True), keys=(WrittenKey("p", ("a",)),)),
    table("nets", column("a", "cidr", not_null=True), keys=(WrittenKey("p", ("a",)),)),
)
STEPS = Definition((), (), TABLES, (), (), frozenset(one.place for one in TABLES))

# What tells of a table; without what depends on the file that only DDL makes.
CATALOGS = (
    "pg_class", "pg_attribute", "pg_type", "pg_index", "pg_constraint", "pg_sequence", "pg_depend",
    "pg_description",
)  # fmt: skip


def ddl(one: WrittenTable) -> Iterator[str]:
    name = qualified(one.schema, one.name)
    parts = []
    for each in one.columns:
        text = f"{quote_identifier(each.name)} {each.type_name}"
        if each.collation:
            text += f' COLLATE "{each.collation}"'
        if each.identity:
            text += " GENERATED ALWAYS AS IDENTITY"
        parts.append(text + (" NOT NULL" if each.not_null and not each.identity else ""))
    for key in one.keys:
        names = ", ".join(map(quote_identifier, key.columns))
        parts.append(f"{'PRIMARY KEY' if key.kind == 'p' else 'UNIQUE'} ({names})")
    yield f"CREATE TABLE {name} ({', '.join(parts)})"
    yield f"GRANT SELECT ON {name} TO PUBLIC"
    if one.comment:
        yield f"COMMENT ON TABLE {name} IS {quote_literal(one.comment)}"
    for each in one.columns:
        if each.comment:
            target = f"{name}.{quote_identifier(each.name)}"
            yield f"COMMENT ON COLUMN {target} IS {quote_literal(each.comment)}"


@pytest.fixture(scope="module", params=[MAJOR_OLD, MAJOR_NEW])
async def both(
    request: pytest.FixtureRequest, place_of: Callable[[int], Awaitable[Place]]
) -> AsyncIterator[list[asyncpg.Connection]]:
    """Two databases with the types, one with the tables written, one with them made by DDL."""
    cluster, _ = await place_of(request.param)
    template = await prepare_template(cluster, DATABASE)
    admin = await cluster.connect()
    connections = []
    # The taken name `orders_pkey` is a table's that comes later: DDL is told of it first.
    by_ddl = sorted(TABLES, key=lambda one: one.name != "orders_pkey")
    for name, statements in (
        ("t_written", ()),
        ("t_stated", [text for one in by_ddl for text in ddl(one)]),
    ):
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        connections.append(await _made(cluster, name, statements))
    yield connections
    for connection in connections:
        await connection.close()
    for name in ("t_written", "t_stated"):
        await admin.execute(f"DROP DATABASE {name}")
    await admin.close()


async def _made(cluster: Cluster, name: str, statements: Sequence[str]) -> asyncpg.Connection:
    for texts in filter(None, (TYPES, statements)):
        connection = await cluster.connect(name)
        await connection.execute(";".join(texts))
        await renumber(connection)
        await connection.close()
    connection = await cluster.connect(name)
    if not statements:
        await write_tables(connection, STEPS)
    return connection


@pytest.mark.parametrize("catalog", CATALOGS)
async def test_rows_are_those_that_ddl_makes(both: list[asyncpg.Connection], catalog: str) -> None:
    text = f"SELECT x::text FROM {catalog} x"
    if catalog == "pg_class":
        # DDL numbers types and tables before it names a toast table; pages are counted by storage.
        text = "SELECT (to_jsonb(x) - '{relpages,reltuples}'::text[])::text FROM pg_class x"
    found = [sorted(row[0] for row in await one.fetch(text)) for one in both]
    assert [one for one in found[0] if one not in found[1]][:3] == [
        one for one in found[1] if one not in found[0]
    ][:3]
    assert found[0] == found[1]


async def test_described_as_a_table_is(both: list[asyncpg.Connection]) -> None:
    texts = []
    for connection in both:
        prepared = await connection.prepare("SELECT *, o FROM sales.orders o WHERE who = $1")
        texts.append(repr(prepared.get_attributes()) + repr(prepared.get_parameters()))
    assert texts[0] == texts[1]


async def test_a_type_that_is_not_there_is_told(both: list[asyncpg.Connection]) -> None:
    broken = replace(STEPS, written=(table("broken", column("a", "no_such.type")),))
    with pytest.raises(CatalogError, match="no_such"):
        await write_tables(both[0], broken)


async def test_names_that_clash_leave_nothing_behind(both: list[asyncpg.Connection]) -> None:
    before = await both[0].fetchval("SELECT count(*) FROM pg_attribute")
    clash = table("mood", column("a", "integer"))
    steps = replace(STEPS, written=(clash,), relation_names=frozenset([clash.place]))
    with pytest.raises(CatalogError, match="duplicate key"):
        await write_tables(both[0], steps)
    assert await both[0].fetchval("SELECT count(*) FROM pg_attribute") == before


TEXT, INTEGER, NUMERIC = Kind(25, -1, "x"), Kind(23, 4, "p"), Kind(1700, -1, "m")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([], False),
        ([(INTEGER, -1)] * 1_000, False),
        ([(TEXT, -1)], True),
        ([(NUMERIC, 786438)], False),
        ([(NUMERIC, -1)], True),
        ([(Kind(1043, -1, "x"), 504)], False),
        ([(Kind(1043, -1, "x"), 509)], True),
    ],
)  # fmt: skip
def test_toast_tables(columns: list[tuple[Kind, int]], expected: bool) -> None:
    assert needs_toast(columns) is expected
