"""Statements over files through a whole gate: answers, refusals, and files that are not as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from psycopg import errors

from proxy.runtime.audit.query import records
from tests.proxy.federation.answers import Connection, assert_alike
from tests.proxy.federation.files_stage import FilesStage, events, files_staged, write_events
from tests.servers.postgres import Server

QUERIES = [
    line
    for line in Path(__file__).with_name("files.sql").read_text().splitlines()
    if line and not line.startswith("--")
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(postgres_of: Callable[[int], Server]) -> AsyncIterator[FilesStage]:
    async with files_staged(postgres_of(16)) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def alice(stage: FilesStage) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(stage.dsn(), autocommit=True) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reference(stage: FilesStage) -> AsyncIterator[Connection]:
    connecting = psycopg.AsyncConnection.connect(
        stage.reference, autocommit=True, options="-c TimeZone=UTC"
    )
    async with await connecting as found:
        yield found


async def one(connection: Connection, sql: str, *arguments: object) -> object:
    row = await (await connection.execute(sql, arguments)).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("sql", QUERIES)
async def test_answers_equal_one_postgres(
    alice: Connection, reference: Connection, sql: str
) -> None:
    await assert_alike(alice, reference, sql)


async def test_each_person_has_their_own_answer(stage: FilesStage, alice: Connection) -> None:
    query = "SELECT count(*), count(DISTINCT mail) FROM web.events"
    async with await psycopg.AsyncConnection.connect(stage.dsn("bob", role="auditor")) as bob:
        seen = await (await bob.execute(query)).fetchone()
    told = await (await alice.execute(query)).fetchone()
    assert seen == (2_000, 1_778)
    assert told == (800, 1)


@pytest.mark.parametrize(
    "arguments",
    [(25, "de", "%"), (None, "de", "%"), (25, None, "d%"), (25, "de", r"\d%"), (-1, "it", "%")],
)
async def test_values_are_bound(
    alice: Connection, reference: Connection, arguments: tuple[object, ...]
) -> None:
    sql = "SELECT count(*) FROM web.events WHERE id > %s AND country = %s AND country LIKE %s"
    assert await one(alice, sql, *arguments) == await one(reference, sql, *arguments)


async def test_cursors_copy_and_row_limits(alice: Connection, stage: FilesStage) -> None:
    async with alice.cursor().copy(
        "COPY (SELECT id FROM web.events WHERE id < 9) TO STDOUT"
    ) as copy:
        assert sorted([row[0] async for row in copy.rows()]) == ["0", "1", "5", "6"]
    async with (
        await psycopg.AsyncConnection.connect(stage.dsn()) as connection,
        connection.cursor("c") as cursor,
    ):
        await cursor.execute("SELECT id FROM web.events ORDER BY id")
        assert await cursor.fetchmany(3) == [(0,), (1,), (5,)]
        assert len(await cursor.fetchall()) == 797


# Each would tell of rows and values that alice must not see, if anything ran before the guard.
ATTACKS = [
    "SELECT count(*) FROM web.events WHERE 1 / (CASE WHEN country = 'it' THEN 0 ELSE 1 END) = 1",
    "SELECT count(*) FROM web.events WHERE country = 'it' AND (mail || id)::int > 0",
    "SELECT max(customer) FROM web.events WHERE country = 'us' OR country IS NULL",
    "SELECT count(*) FROM web.events WHERE mail LIKE '%@x.test'",
    "SELECT count(*) FROM web.events WHERE mail = 'u10@x.test'",
    "SELECT count(*) FROM web.events e WHERE e::text LIKE '%@x.test%'",
    "SELECT count(*) FROM web.events a JOIN web.events b ON a.mail > b.mail",
    "SELECT count(*) FROM web.visits WHERE 1 / (length(page) - 1) > 5",
    "SELECT count(*) FROM web.visits WHERE page = 'a' OR page = ''",
    "SELECT count(*) FROM web.visits WHERE page IS NULL",
    "SELECT count(*) FROM web.visits WHERE (CASE WHEN page = 'a' THEN 'x' ELSE '1' END)::int = 1",
]


@pytest.mark.parametrize("sql", ATTACKS)
async def test_nothing_of_a_hidden_row_gets_out(
    alice: Connection, reference: Connection, sql: str
) -> None:
    await assert_alike(alice, reference, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM 'visits.csv'",
        "SELECT getenv('HOME') FROM web.events",
        "SELECT * FROM web.duckdb_settings()",
        "COPY web.events TO '/tmp/x.csv'",
        "INSERT INTO web.visits VALUES (1)",
        "SELECT 1 FROM web.events FOR UPDATE",
        "SELECT filename FROM web.visits",
        "SELECT file_row_number FROM web.events",
        "SELECT rowid FROM web.events",
        "SELECT * FROM pg_temp.s1",
    ],
)
async def test_duckdbs_own_words_mean_nothing(alice: Connection, sql: str) -> None:
    with pytest.raises(psycopg.Error):
        await alice.execute(sql)


async def test_what_ran_is_on_record(stage: FilesStage, alice: Connection) -> None:
    await alice.execute("SELECT id FROM web.events WHERE id = 424242")
    [facts] = [
        str(record.facts)
        for record in records(stage.directory / "audit")
        if record.phase == "intent" and "424242" in str(record.facts)
    ]
    assert "web.events" in facts
    assert "w1: SELECT" in facts


async def test_explain_policy_tells_what_files_are_asked_for(alice: Connection) -> None:
    rows = await (
        await alice.execute("EXPLAIN POLICY SELECT page FROM web.visits WHERE id = 5")
    ).fetchall()
    text = "\n".join(str(row[0]) for row in rows)
    assert "t1 from web: " in text
    assert "page" in text
    assert "length" not in text


# Files that are not as they were


async def told(connection: Connection, sql: str) -> errors.Error:
    with pytest.raises(psycopg.Error) as caught:
        await connection.execute(sql)
    assert 'source "web"' in str(caught.value)
    return caught.value


async def test_a_new_file_of_the_known_shape_is_there_at_once(
    stage: FilesStage, alice: Connection
) -> None:
    path = stage.folder / "events/3.parquet"
    write_events(path, events(5_000, 10))
    try:
        assert await one(alice, "SELECT count(*) FROM web.events WHERE id >= 5000") == 4
    finally:
        path.unlink()
    assert await one(alice, "SELECT count(*) FROM web.events WHERE id >= 5000") == 0


async def test_a_broken_file_is_one_clear_error_and_others_go_on(
    stage: FilesStage, alice: Connection
) -> None:
    path = stage.folder / "events/3.parquet"
    whole = (stage.folder / "events/2.parquet").read_bytes()
    other = pa.table({"id": ["x"]})
    for state, content in (("58030", whole[:2_000]), ("58030", b"garbage"), ("55000", None)):
        if content is None:
            pq.write_table(other, path)
        else:
            path.write_bytes(content)
        try:
            assert (await told(alice, "SELECT count(*) FROM web.events")).sqlstate == state
            assert await one(alice, "SELECT count(*) FROM crm.customers") == 200
            assert await one(alice, "SELECT count(*) FROM web.visits") == 400
        finally:
            path.unlink()
    assert await one(alice, "SELECT count(*) FROM web.events") == 800


async def test_a_link_out_of_the_folder_is_refused(
    stage: FilesStage, alice: Connection, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.parquet"
    write_events(outside, events(9_000, 10))
    link = stage.folder / "events/4.parquet"
    link.symlink_to(outside)
    try:
        assert (await told(alice, "SELECT count(*) FROM web.events")).sqlstate == "58030"
    finally:
        link.unlink()


async def test_a_csv_value_of_another_type_is_one_clear_error(
    stage: FilesStage, alice: Connection
) -> None:
    path = stage.folder / "visits.csv"
    before = path.read_text()
    path.write_text(before + "secret-number,1,home,1,2026-01-01\n")
    try:
        error = await told(alice, "SELECT id FROM web.visits")
        assert error.sqlstate == "22000"
        assert "secret" not in str(error)
        path.write_text(before + "1,1,home,secret-number,2026-01-01\n")
        with pytest.raises(psycopg.Error) as caught:
            await alice.execute("SELECT seconds FROM web.visits")
        assert "web.visits" in str(caught.value)
        assert "secret" not in str(caught.value)
    finally:
        path.write_text(before)


async def test_a_table_whose_file_is_gone(stage: FilesStage, alice: Connection) -> None:
    path = stage.folder / "visits.csv"
    before = path.read_text()
    path.unlink()
    try:
        assert (await told(alice, "SELECT id FROM web.visits")).sqlstate == "58P01"
    finally:
        path.write_text(before)
