"""A reader from the outside: its rows, its troubles, and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.faults import LimitFault, SourceFault
from proxy.files.frames import FileTable
from proxy.sources.files_process import Reader, ReaderOptions


@pytest.fixture
def options(tmp_path: Path) -> ReaderOptions:
    (tmp_path / "a.csv").write_text("n,t\n1,x\n2,\n")
    return ReaderOptions("web", tmp_path, 64 << 20, 1 << 20, 1, 30.0)


@pytest_asyncio.fixture
async def reader(options: ReaderOptions) -> AsyncIterator[Reader]:
    made = await Reader.start(options)
    yield made
    made.abort()
    await made.ended()
    assert not made.is_running


def request(sql: str, tables: list[FileTable]) -> dict[str, object]:
    named = [{"schema": "web", "table": table.as_json()} for table in tables]
    return {"sql": sql, "tables": named, "values": []}


async def test_rows_and_then_the_next_request(reader: Reader) -> None:
    tables = await reader.tables()
    wish = request("SELECT * FROM web.a", tables)
    assert [row async for row in reader.read(wish, "web.a")] == [(2, b'1,"x"\n2,\n')]
    assert reader.is_usable
    assert [row async for row in reader.read(wish, "web.a")] == [(2, b'1,"x"\n2,\n')]


async def test_a_trouble_names_source_and_table_and_no_value(
    reader: Reader, options: ReaderOptions
) -> None:
    tables = await reader.tables()
    (options.folder / "a.csv").write_text("n,t\nsecret,x\n")
    with pytest.raises(SourceFault) as caught:
        [row async for row in reader.read(request("SELECT * FROM web.a", tables), "web.a")]
    assert caught.value.sqlstate == "22000"
    assert caught.value.message == (
        'source "web", table web.a: a value does not fit the type of its column'
    )
    assert reader.is_usable


async def test_memory_is_a_limit_that_is_told(reader: Reader) -> None:
    tables = await reader.tables()
    wish = request("SELECT list(r.range) FROM web.a, range(30000000) r", tables)
    with pytest.raises(LimitFault) as caught:
        [row async for row in reader.read(wish, "web.a")]
    assert caught.value.sqlstate == "53200"


async def test_who_stops_early_ends_the_reader(reader: Reader) -> None:
    tables = await reader.tables()
    rows = reader.read(request("SELECT r.range FROM web.a, range(10000000) r", tables), "web.a")
    await anext(rows)
    await rows.aclose()
    assert not reader.is_usable


async def test_a_reader_that_dies_is_one_error(reader: Reader) -> None:
    tables = await reader.tables()
    reader.abort()
    reader._is_usable = True  # as if nobody had noticed yet
    with pytest.raises((SourceFault, AssertionError)):
        [row async for row in reader.read(request("SELECT 1", tables), "web.a")]


async def test_silence_has_an_end(options: ReaderOptions) -> None:
    made = await Reader.start(options)
    tables = await made.tables()
    made._options = replace(options, statement_seconds_max=0.2)
    sql = (
        "SELECT count(*) FROM web.a, range(100000000) r, range(1000) q WHERE r.range + q.range = 7"
    )
    with pytest.raises(SourceFault):
        [row async for row in made.read(request(sql, tables), "web.a")]
    assert not made.is_usable
    await made.ended()


async def test_a_folder_that_is_not_there(options: ReaderOptions, tmp_path: Path) -> None:
    made = await Reader.start(replace(options, folder=tmp_path / "none"))
    with pytest.raises(SourceFault):
        await made.tables()
    made.abort()
    await made.ended()
    assert "pid=" in repr(made)
