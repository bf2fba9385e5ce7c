"""The merge engine: a database for each set of types, locked down, and nothing shared."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from proxy.catalog.virtual import ClassCatalog, TextRules
from proxy.faults import LimitFault, SourceFault, UnsupportedFault
from proxy.federation.engine import MergeEngine, merge_cluster
from proxy.runtime.embedded import Cluster
from tests.proxy.sources.live import NO_ARGUMENTS, fragment, rows_of, value_of
from tests.proxy.sql.two_sources import catalog

SOURCES = ("crm", "sales")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    directory: Path = tmp_path_factory.mktemp("merge")
    async with merge_cluster(directory, 1 << 20) as running:
        yield running


@pytest_asyncio.fixture
async def engine(cluster: Cluster) -> AsyncIterator[MergeEngine]:
    made = MergeEngine(cluster, "analytics", statement_ms_max=5_000, connections_max=2)
    yield made
    await made.close()


async def test_types_of_the_sources_are_there(engine: MergeEngine) -> None:
    connection = await engine.open(catalog(), SOURCES, {})
    assert await value_of(connection, "SELECT 'low'::crm.grade < 'high'::crm.grade") == b"t"
    assert await value_of(connection, "SELECT current_database()") == b"analytics"
    await connection.release()


async def test_equal_types_share_a_database_and_other_processes_find_it(
    engine: MergeEngine, cluster: Cluster
) -> None:
    first = await engine.open(catalog(), SOURCES, {})
    second = MergeEngine(cluster, "analytics", statement_ms_max=5_000, connections_max=2)
    other = await second.open(catalog(), SOURCES, {})
    query = "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'crm'"
    assert await value_of(first, query) == await value_of(other, query)
    await first.release()
    await other.release()
    await second.close()


async def test_settings_of_the_client_hold_there(engine: MergeEngine) -> None:
    connection = await engine.open(
        catalog(), SOURCES, {"TimeZone": "Asia/Tokyo", "DateStyle": "German"}
    )
    text = await value_of(connection, "SELECT '2026-01-01 00:00+00'::timestamptz::text")
    assert text == b"01.01.2026 09:00:00 JST"
    await connection.release()


REFUSED = [
    "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.pg_ls_dir('/')",
    "SELECT pg_catalog.lo_import('/etc/passwd')",
    "SELECT pg_catalog.pg_sleep(1)",
    "SELECT pg_catalog.query_to_xml('SELECT 1', true, true, '')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "CREATE TABLE crm.kept (a int)",
    "CREATE SCHEMA mine",
    "SELECT * FROM pg_catalog.pg_authid",
    "ALTER SYSTEM SET fsync = on",
]


@pytest.mark.parametrize("sql", REFUSED)
async def test_it_is_locked_down(engine: MergeEngine, sql: str) -> None:
    connection = await engine.open(catalog(), SOURCES, {})
    with pytest.raises(SourceFault) as caught:
        await rows_of(await connection.execute(fragment(sql), NO_ARGUMENTS))
    assert caught.value.sqlstate in ("42501", "25006", "0A000")
    await connection.release()


async def test_its_role_reaches_no_other_database(engine: MergeEngine, cluster: Cluster) -> None:
    connection = await engine.open(catalog(), SOURCES, {})
    role = (await value_of(connection, "SELECT session_user::text") or b"").decode()
    await connection.release()
    for database in ("postgres", "template1"):
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(
                host=str(cluster.socket_directory), port=cluster.port, user=role, database=database
            )


async def test_limits(engine: MergeEngine) -> None:
    connection = await engine.open(catalog(), SOURCES, {})
    numbers = "SELECT g FROM pg_catalog.generate_series(1, 3000000) g ORDER BY -g, g::text"
    with pytest.raises((SourceFault, LimitFault)) as caught:
        await rows_of(await connection.execute(fragment(numbers), NO_ARGUMENTS))
    assert caught.value.sqlstate in ("53400", "57014")
    await connection.release()


async def test_a_locale_that_the_machine_lacks_is_told(engine: MergeEngine) -> None:
    rules = TextRules("xx_XX.UTF-8", "xx_XX.UTF-8")
    with pytest.raises(UnsupportedFault, match="lacks the locale"):
        await engine.open(catalog(rules, rules), SOURCES, {})
    # Where the sources differ it does not matter: such a statement needs no order of texts.
    connection = await engine.open(catalog(rules, TextRules()), SOURCES, {})
    await connection.release()


async def test_a_builtin_locale_needs_a_new_engine(engine: MergeEngine, tmp_path: Path) -> None:
    rules = TextRules("C", "builtin:C.UTF-8")
    with pytest.raises(UnsupportedFault, match="lacks the locale"):
        await engine.open(catalog(rules, rules), SOURCES, {})
    lower = "SELECT pg_catalog.lower('Ä')"
    async with merge_cluster(tmp_path / "merge", 1 << 20, major=18) as cluster:
        new = MergeEngine(cluster, "analytics", statement_ms_max=5_000, connections_max=2)
        for known, expected in ((rules, "ä"), (TextRules(), "Ä")):
            connection = await new.open(catalog(known, known), SOURCES, {})
            assert await value_of(connection, lower) == expected.encode()
            await connection.release()
        await new.close()


async def test_a_source_that_is_not_asked_has_no_say_in_the_order_of_texts(
    engine: MergeEngine,
) -> None:
    """Two sources agree on an order that a third, visible as well, does not have: the two's holds."""
    rules = TextRules("xx_XX.UTF-8", "xx_XX.UTF-8")
    seen = catalog(rules, rules)
    three = replace(seen, text_rules={**seen.text_rules, "archive": TextRules()})
    with pytest.raises(UnsupportedFault, match="lacks the locale"):
        await engine.open(three, SOURCES, {})


async def test_types_defined_twice_are_refused(engine: MergeEngine) -> None:
    seen = catalog()
    [grade] = [one for one in seen.types["crm"].values() if one.kind == "e"]
    other = {**seen.types, "sales": {grade.oid: replace(grade, labels=("x",))}}
    with pytest.raises(UnsupportedFault, match="define a type differently"):
        await engine.open(replace(seen, types=other), SOURCES, {})


def designs(count: int) -> list[ClassCatalog]:
    """Catalogs that need a database each."""
    seen = catalog()
    [grade] = [one for one in seen.types["crm"].values() if one.kind == "e"]
    return [
        replace(seen, types={"crm": {grade.oid: replace(grade, labels=("low", "high", f"x{n}"))}})
        for n in range(count)
    ]


async def databases(cluster: Cluster) -> set[str]:
    admin = await cluster.connect()
    rows = await admin.fetch("SELECT datname FROM pg_database WHERE datname ~ '^m_'")
    await admin.close()
    return {row["datname"] for row in rows}


async def settled(cluster: Cluster, count: int) -> set[str]:
    """The databases, once there are no more than `count`."""
    for _ in range(200):
        names = await databases(cluster)
        if len(names) <= count:
            return names
        await asyncio.sleep(0.05)
    raise AssertionError(f"too many are kept: {names}")


async def test_a_database_in_use_is_kept_and_others_are_dropped(cluster: Cluster) -> None:
    limits = {"statement_ms_max": 5_000, "connections_max": 4, "databases_max": 2}
    engine = MergeEngine(cluster, "analytics", **limits)
    first, *others = designs(5)
    held = await engine.open(first, SOURCES, {})
    names = await databases(cluster)
    for one in others:
        connection = await engine.open(one, SOURCES, {})
        assert await value_of(connection, "SELECT 'low'::crm.grade::text") == b"low"
        await connection.release()
    assert await value_of(held, "SELECT 'x0'::crm.grade::text") == b"x0"
    left = await settled(cluster, 2)
    assert left & names, "the database that was in use from the start is there"
    await held.release()

    # Another process finds them, may have them taken away, and makes its own once more.
    other = MergeEngine(cluster, "analytics", **limits)
    for one in others:
        await (await other.open(one, SOURCES, {})).release()
    await settled(cluster, 2)
    again = await engine.open(first, SOURCES, {})
    assert await value_of(again, "SELECT 'x0'::crm.grade::text") == b"x0"
    await again.release()
    await engine.close()
    await other.close()


async def test_connections_are_limited_over_all_databases(cluster: Cluster) -> None:
    engine = MergeEngine(cluster, "analytics", statement_ms_max=5_000, connections_max=2)
    held = [await engine.open(one, SOURCES, {}) for one in designs(2)]
    third = asyncio.ensure_future(engine.open(catalog(), SOURCES, {}))
    await asyncio.sleep(0.1)
    assert not third.done()
    await held[0].release()
    await (await third).release()
    await held[1].release()
    await engine.close()


async def test_what_was_lost_with_its_cluster_is_made_again(tmp_path: Path) -> None:
    async with merge_cluster(tmp_path / "merge", 1 << 20) as dying:
        engine = MergeEngine(dying, "analytics", statement_ms_max=5_000, connections_max=2)
        await (await engine.open(catalog(), SOURCES, {})).release()
        held = await engine.open(catalog(), SOURCES, {})
        victim = dying.process_id
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        await dying.wait()
        for _ in range(4):  # more often than there are places: a failure gives its place back
            with pytest.raises(SourceFault, match="cannot be run now") as caught:
                await engine.open(catalog(), SOURCES, {})
            assert caught.value.sqlstate == "57P03"
        await held.release()
        await dying.revive()
        connection = await engine.open(catalog(), SOURCES, {})
        assert await value_of(connection, "SELECT 'low'::crm.grade::text") == b"low"
        await connection.release()
        await engine.close()
