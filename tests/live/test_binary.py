"""Binary values of the source's own types: what they say inside is what the catalog says outside.

Drivers look types up in `pg_type` (the shadow's) and meet the same numbers in the values (the
source's, written anew): asyncpg reads everything in binary, psycopg when asked to.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import psycopg
import pytest
import pytest_asyncio
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum

from proxy.server import opened
from proxy.wire.backend import ErrorResponse, RowDescription
from proxy.wire.batch import RowBatch
from proxy.wire.frontend import Bind, Describe, Execute, Parse, Sync
from tests.live.gate import DATABASE, Gate, prepared
from tests.live.wire import RawClient

SCHEMA = """
CREATE TYPE shop.place AS (street text, number int, mood shop.mood);
CREATE TYPE shop.visit AS (at shop.place, others shop.place[], day date);
CREATE DOMAIN shop.level AS int CHECK (VALUE > 0);
CREATE TYPE shop.span AS RANGE (subtype = float8);
CREATE TABLE shop.visits (
  id int PRIMARY KEY, mood shop.mood, moods shop.mood[], place shop.place, places shop.place[],
  visit shop.visit, level shop.level, levels shop.level[], span shop.span, note text);
INSERT INTO shop.visits VALUES
  (1, 'ok', '{ok,sad}', ('Main', 7, 'ok'),
   ARRAY[('A', 1, 'sad'), ('B', NULL, 'happy')]::shop.place[],
   (('C', 2, 'ok'), ARRAY[('D', 3, NULL)]::shop.place[], '2026-01-02'), 3, '{4,5}', '[1,2)', 'x'),
  (2, NULL, '{}', NULL, ARRAY[NULL]::shop.place[], (NULL, '{}', NULL), NULL, NULL, NULL, NULL);
GRANT SELECT ON shop.visits TO gate, reader;
"""

POLICY = """
version: 1
source: main
roles: {analyst: reads}
tables:
  shop.visits:
    columns: {id: {}, mood: {}, moods: {}, place: {}, places: {}, visit: {}, level: {}, levels: {},
              span: {}, note: {}}
    rules:
      - grant: visits
        roles: [analyst]
"""

COLUMNS = ("mood", "moods", "place", "places", "visit", "level", "levels", "note")


@dataclass
class Place:
    gate: Gate

    async def asyncpg(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1", port=self.gate.port, user="alice", database=DATABASE,
            password=self.gate.token(), ssl=False,
        )  # fmt: skip

    async def directly(self) -> asyncpg.Connection:
        return await self.gate.source.connect(DATABASE)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place() -> AsyncIterator[Place]:
    listen = {"port": 0, "workers": 1, "drain_seconds_max": 2}
    async with prepared(listen=listen) as files:
        admin = await files.source.connect(DATABASE)
        # The source's numbers and the shadow's must differ, or nothing is proven.
        await admin.execute("CREATE TABLE public.filler AS SELECT 1; " + SCHEMA)
        await admin.close()
        (files.directory / "policy.yaml").write_text(POLICY)
        async with opened(files.configuration) as server:
            yield Place(files.gate(server.port))


QUERIES = [
    *(f"SELECT {name} FROM shop.visits ORDER BY id" for name in COLUMNS),
    "SELECT v.* FROM shop.visits v WHERE span IS NULL ORDER BY id",
    "SELECT array_agg(mood ORDER BY id) FROM shop.visits",
    "SELECT array_agg(place ORDER BY id) FROM shop.visits",
    "SELECT (visit).at, (visit).others FROM shop.visits ORDER BY id",
]


@pytest.mark.parametrize("sql", QUERIES)
async def test_asyncpg_reads_what_it_reads_directly(place: Place, sql: str) -> None:
    gated, direct = await place.asyncpg(), await place.directly()
    try:
        expected = [repr(row) for row in await direct.fetch(sql)]
        found = [repr(row) for row in await gated.fetch(sql)]
    finally:
        await gated.close()
        await direct.close()

    assert found == expected


async def test_asyncpg_sends_own_types(place: Place) -> None:
    gated = await place.asyncpg()
    try:
        by_mood = "SELECT id FROM shop.visits WHERE mood = ANY($1::shop.mood[])"
        assert await gated.fetchval(by_mood, ["ok", "happy"]) == 1
        by_place = "SELECT id FROM shop.visits WHERE place = $1::shop.place"
        assert await gated.fetchval(by_place, ("Main", 7, "ok")) == 1
        by_places = "SELECT id FROM shop.visits WHERE places = $1::shop.place[]"
        assert await gated.fetchval(by_places, [("A", 1, "sad"), ("B", None, "happy")]) == 1
    finally:
        await gated.close()


async def test_psycopg_finds_its_loaders(place: Place) -> None:
    async with await psycopg.AsyncConnection.connect(place.gate.dsn()) as connection:
        info = await CompositeInfo.fetch(connection, "shop.place")
        assert info is not None
        register_composite(info, connection)
        mood = await EnumInfo.fetch(connection, "shop.mood")
        assert mood is not None
        register_enum(mood, connection)
        cursor = connection.cursor(binary=True)
        await cursor.execute("SELECT moods, place, places FROM shop.visits WHERE id = 1")
        (row,) = await cursor.fetchall()

    assert [one.name for one in row[0]] == ["ok", "sad"]
    assert (row[1].street, row[1].number, row[1].mood.name) == ("Main", 7, "ok")
    assert [one.street for one in row[2]] == ["A", "B"]


def numbers_inside(row: bytes) -> list[int]:
    """The OIDs that a binary row tells of its fields."""
    count, position, inside = struct.unpack_from(">i", row)[0], 4, []
    for _ in range(count):
        oid, length = struct.unpack_from(">Ii", row, position)
        inside.append(oid)
        position += 8 + max(length, 0)
    return inside


async def raw(place: Place, sql: str) -> list[object]:
    client = await RawClient.open(
        ("127.0.0.1", place.gate.port), {"user": "alice", "database": DATABASE}, place.gate.token()
    )
    try:
        return list(
            await client.converse(
                [Parse("", sql), Bind("", "", (), (), (1,)), Describe(b"P", ""), Execute(), Sync()]
            )
        )
    finally:
        client.close()


async def test_a_whole_row_and_its_array_tell_the_numbers_of_the_catalog(place: Place) -> None:
    messages = await raw(place, "SELECT v, array[v] FROM shop.visits v WHERE span IS NULL")
    (described,) = (m for m in messages if isinstance(m, RowDescription))
    (batch,) = (m for m in messages if isinstance(m, RowBatch))
    (values,) = batch.rows()
    row_oid, array_oid = (one.type_oid for one in described.fields)
    gated = await place.asyncpg()
    try:
        text = "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = $1::regclass"
        numbers = dict(await gated.fetch(f"{text} AND attnum > 0 ORDER BY attnum", "shop.visits"))
        types = "SELECT typarray, typrelid::regclass::text FROM pg_type WHERE oid = $1"
        assert tuple(await gated.fetchrow(types, row_oid)) == (array_oid, "shop.visits")
    finally:
        await gated.close()
    assert values[0] is not None
    assert values[1] is not None
    assert numbers_inside(values[0]) == list(numbers.values())
    assert struct.unpack_from(">iiI", values[1])[2] == row_oid


async def test_a_row_without_a_type_tells_the_numbers_of_the_catalog(place: Place) -> None:
    messages = await raw(place, "SELECT ROW(id, mood, moods, place, level) FROM shop.visits")
    (batch,) = (m for m in messages if isinstance(m, RowBatch))
    gated = await place.asyncpg()
    try:
        names = ("int4", "shop.mood", "shop.mood[]", "shop.place", "shop.level")
        known = [await gated.fetchval("SELECT $1::text::regtype::oid", name) for name in names]
    finally:
        await gated.close()

    assert [numbers_inside(value) for (value,) in batch.rows() if value] == [known, known]


async def test_a_type_that_text_stands_in_for_arrives_as_text(place: Place) -> None:
    messages = await raw(place, "SELECT span, note FROM shop.visits WHERE id = 1")
    (batch,) = (m for m in messages if isinstance(m, RowBatch))

    assert list(batch.rows()) == [(b"[1,2)", b"x")]


async def test_inside_a_row_it_is_refused(place: Place) -> None:
    messages = await raw(place, "SELECT ROW(span, 1) FROM shop.visits WHERE id = 1")
    (error,) = (m for m in messages if isinstance(m, ErrorResponse))

    assert (error.sqlstate, error.fields["H"]) == ("0A000", "Ask for the text format.")
