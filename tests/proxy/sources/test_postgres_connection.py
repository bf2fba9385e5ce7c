"""A checkout on real servers: statements, portals, transactions, pins, what a release leaves."""

from __future__ import annotations

import asyncio

import pytest

from policies.claims import ClaimType
from proxy.faults import InternalFault, LimitFault, SourceFault
from proxy.sources import postgres_connection
from proxy.sources.base import Arguments
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_options import Pooling
from proxy.sql.claim import ClaimSlot
from tests.proxy.sources.live import (
    INTEGER_OID,
    NO_ARGUMENTS,
    borrowed,
    fragment,
    numbers_of,
    options_of,
    process_id_of,
    rows_of,
    series,
    started,
    upto,
    value_of,
)
from tests.servers.postgres import Server

DIVISION = fragment("SELECT 1 / (g - 3) FROM pg_catalog.generate_series(1, 5) AS g")


async def count_of(connection: PostgresConnection, relation: str) -> bytes | None:
    return await value_of(connection, f"SELECT pg_catalog.count(*) FROM {relation}")


def slot(name: str, type_name: str) -> ClaimSlot:
    return ClaimSlot(name, type_name, ClaimType.parse(type_name).oid)


async def test_rows_tag_and_description(connection: PostgresConnection) -> None:
    stream = await connection.execute(series(), upto(3))
    assert stream.description is not None
    assert [(field.name, field.type_oid) for field in stream.description.fields] == [("g", 23)]
    assert await numbers_of(stream) == [1, 2, 3]
    assert (stream.command_tag, stream.row_count, stream.suspended) == ("SELECT 3", 3, False)
    assert connection.status == b"I"


async def test_works_on_each_major(postgres_major_server: Server) -> None:
    async with started(options_of(postgres_major_server)) as source:
        for _ in range(3):
            async with borrowed(source, {"TimeZone": "Asia/Tokyo"}) as connection:
                assert await numbers_of(await connection.execute(series(), upto(2))) == [1, 2]
                assert await value_of(connection, "SHOW TimeZone") == b"Asia/Tokyo"
                await connection.begin()
                await connection.commit()
                process_id = await process_id_of(connection)
        # All three checkouts had the same server process: each release was proven clean.
        async with borrowed(source) as connection:
            assert await process_id_of(connection) == process_id


async def test_a_second_run_uses_the_prepared_statement(connection: PostgresConnection) -> None:
    first = await connection.execute(series(), upto(1))
    await rows_of(first)
    again = await connection.execute(series(), upto(4))
    assert await numbers_of(again) == [1, 2, 3, 4]
    assert again.description == first.description
    names = await connection.backend.query("SELECT name FROM pg_prepared_statements", (), ())
    assert names == [(b"s1",)]


async def test_binary_results_and_parameters(connection: PostgresConnection) -> None:
    arguments = Arguments(((2).to_bytes(4, "big"),), (1,))
    stream = await connection.execute(series(), arguments, (1,))
    assert await rows_of(stream) == [((1).to_bytes(4, "big"),), ((2).to_bytes(4, "big"),)]
    assert stream.description is not None
    assert stream.description.fields[0].format == 1
    text = await connection.execute(series(), upto(1))
    assert text.description is not None
    assert text.description.fields[0].format == 0
    await rows_of(text)


async def test_claims_follow_the_clients_parameters(connection: PostgresConnection) -> None:
    asked = fragment(
        "SELECT g, $3 FROM pg_catalog.generate_series(1, $1) AS g WHERE g::text = ANY ($2)",
        INTEGER_OID,
        claim_slots=(slot("regions", "text[]"), slot("name", "text")),
        claim_values=(("2", "3", 'x",{}'), None),
    )
    binary = Arguments(((9).to_bytes(4, "big"),), (1,))
    assert await rows_of(await connection.execute(asked, binary)) == [(b"2", None), (b"3", None)]


async def test_an_error_is_edited_and_the_connection_works_on(
    connection: PostgresConnection,
) -> None:
    leak = fragment("SELECT 'hush-4711'::text::int FROM pg_catalog.generate_series(1, 1)")
    with pytest.raises(SourceFault) as caught:
        await rows_of(await connection.execute(leak, NO_ARGUMENTS))
    assert caught.value.sqlstate == "22P02"
    assert "hush" not in f"{caught.value.message}{caught.value.detail}{caught.value.hint}"
    assert connection.status == b"I"
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_an_error_about_visible_data_may_be_told(connection: PostgresConnection) -> None:
    mine = fragment("SELECT $1::int", 25)
    with pytest.raises(SourceFault, match='type integer: "mine"'):
        await rows_of(
            await connection.execute(mine, Arguments((b"mine",)), is_text_about_visible_data=True)
        )


async def test_rows_before_an_error_are_handed_over(connection: PostgresConnection) -> None:
    stream = await connection.execute(DIVISION, NO_ARGUMENTS)
    batch = await anext(stream)
    assert [row[0] for row in batch.rows()] == [b"0", b"-1"]
    with pytest.raises(SourceFault) as caught:
        await anext(stream)
    assert caught.value.sqlstate == "22012"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_writing_is_refused_by_the_connection_itself(connection: PostgresConnection) -> None:
    """The guard never lets this through; were it to, the connection is read-only by birth."""
    with pytest.raises(SourceFault) as caught:
        await rows_of(await connection.execute(fragment("CREATE TABLE t (a int)"), NO_ARGUMENTS))
    assert caught.value.sqlstate == "25006"


async def test_two_statements_in_one_text_are_refused(connection: PostgresConnection) -> None:
    with pytest.raises(SourceFault) as caught:
        await connection.execute(fragment("SELECT 1; SELECT 2"), NO_ARGUMENTS)
    assert caught.value.sqlstate == "42601"
    with pytest.raises(SourceFault):
        await connection.copy_out(fragment("COPY (SELECT 1) TO STDOUT; SELECT 2"))


# --- portals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_explicit", [True, False], ids=["transaction", "held"])
async def test_a_portal_is_resumed_until_it_is_done(
    connection: PostgresConnection, is_explicit: bool
) -> None:
    if is_explicit:
        await connection.begin()
    stream = await connection.execute(series(), upto(5), row_max=2, portal="p")
    assert await numbers_of(stream) == [1, 2]
    assert stream.suspended
    assert connection.status == (b"T" if is_explicit else b"I")
    # Another statement between does not disturb it.
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]
    assert await numbers_of(await connection.resume("p", 2)) == [3, 4]
    last = await connection.resume("p", 0)
    assert await numbers_of(last) == [5]
    assert (last.suspended, last.command_tag) == (False, "SELECT 1")
    stream_of_nothing = await connection.resume("p", 2)
    assert await rows_of(stream_of_nothing) == []
    assert stream_of_nothing.command_tag == "SELECT 0"
    await connection.sync()
    if not is_explicit:
        with pytest.raises(SourceFault) as caught:
            await connection.resume("p")
        assert caught.value.sqlstate == "34000"


async def test_sync_ends_a_held_portal_at_the_server_too(connection: PostgresConnection) -> None:
    await rows_of(await connection.execute(series(), upto(9), row_max=1, portal="p"))
    await connection.sync()
    count = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE name = 'p'"
    assert await value_of(connection, count) == b"0"


async def test_an_error_while_a_portal_is_held_ends_it(connection: PostgresConnection) -> None:
    await rows_of(await connection.execute(series(), upto(9), row_max=1, portal="p"))
    with pytest.raises(SourceFault):
        await rows_of(await connection.execute(DIVISION, NO_ARGUMENTS))
    with pytest.raises(SourceFault) as caught:
        await connection.resume("p")
    assert caught.value.sqlstate == "34000"
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


@pytest.mark.parametrize("is_explicit", [True, False], ids=["transaction", "held"])
async def test_a_cursor_is_opened_without_running(
    connection: PostgresConnection, is_explicit: bool
) -> None:
    if is_explicit:
        await connection.begin()
    description = await connection.open_portal(series(), upto(3), portal="c")
    assert description is not None
    assert await numbers_of(await connection.resume("c", 1)) == [1]
    assert await numbers_of(await connection.resume("c")) == [2, 3]
    await connection.close_portal("c")
    with pytest.raises(SourceFault):
        await connection.resume("c")


async def test_a_finished_portal_is_closed_at_the_server(connection: PostgresConnection) -> None:
    await connection.begin()
    await rows_of(await connection.execute(series(), upto(2), portal="p"))
    assert await count_of(connection, "pg_cursors WHERE name = 'p'") == b"1"
    assert await rows_of(await connection.resume("p")) == []
    await connection.close_portal("p")
    assert await count_of(connection, "pg_cursors WHERE name = 'p'") == b"0"


async def test_open_portals_are_bounded(
    connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "PORTALS_MAX", 2)
    await connection.begin()
    for name in ("a", "b"):
        await connection.open_portal(series(), upto(2), portal=name)
    with pytest.raises(LimitFault):
        await connection.execute(series(), upto(2), row_max=1, portal="c")
    await connection.close_portal("a")
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_other_types_than_were_told_are_refused(connection: PostgresConnection) -> None:
    """Pitfall 24: the client has seen a RowDescription; the source may not give anything else."""
    good, bad = series(result_oids=(INTEGER_OID,)), series(result_oids=(25,))
    assert await numbers_of(await connection.execute(good, upto(2))) == [1, 2]
    with pytest.raises(SourceFault) as caught:
        await connection.execute(bad, upto(2))
    assert caught.value.sqlstate == "0A000"
    with pytest.raises(SourceFault):
        await connection.open_portal(bad, upto(2), portal="p")
    await connection.sync()
    assert await numbers_of(await connection.execute(good, upto(2))) == [1, 2]


async def test_begin_after_held_work_starts_afresh(connection: PostgresConnection) -> None:
    await rows_of(await connection.execute(series(), upto(9), row_max=1, portal="p"))
    await connection.begin()
    assert connection.status == b"T"
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]
    await connection.rollback()
    assert connection.status == b"I"


# --- transactions -------------------------------------------------------------------------------


async def test_isolation_holds(connection: PostgresConnection) -> None:
    await connection.begin("repeatable read", deferrable=False)
    assert await value_of(connection, "SHOW transaction_isolation") == b"repeatable read"
    assert await value_of(connection, "SHOW transaction_read_only") == b"on"
    await connection.commit()


async def test_a_transaction_fails_and_comes_back_at_a_savepoint(
    connection: PostgresConnection,
) -> None:
    await connection.begin()
    await connection.savepoint('s"1')
    with pytest.raises(SourceFault):
        await rows_of(await connection.execute(DIVISION, NO_ARGUMENTS))
    assert connection.status == b"E"
    with pytest.raises(SourceFault) as caught:
        await connection.execute(series(), upto(1))
    assert caught.value.sqlstate == "25P02"
    await connection.rollback_to('s"1')
    assert connection.status == b"T"
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]
    await connection.release_savepoint('s"1')
    await connection.commit()
    assert connection.status == b"I"


async def test_commit_of_a_failed_transaction_rolls_back(connection: PostgresConnection) -> None:
    await connection.begin()
    with pytest.raises(SourceFault):
        await rows_of(await connection.execute(DIVISION, NO_ARGUMENTS))
    await connection.commit()
    assert connection.status == b"I"
    assert connection.is_usable


async def test_an_empty_transaction_never_reaches_the_server(
    connection: PostgresConnection,
) -> None:
    number = connection.backend.conversation.work_number
    await connection.begin()
    await connection.commit()
    assert connection.backend.conversation.work_number == number


async def test_transaction_commands_out_of_place(connection: PostgresConnection) -> None:
    with pytest.raises(SourceFault) as caught:
        await connection.commit()
    assert caught.value.sqlstate == "25P01"
    await connection.begin()
    with pytest.raises(SourceFault) as caught:
        await connection.begin()
    assert caught.value.sqlstate == "25001"
    with pytest.raises(SourceFault) as caught:
        await connection.rollback_to("absent")
    assert caught.value.sqlstate == "3B001"
    assert connection.status == b"E"


# --- pins ---------------------------------------------------------------------------------------


async def test_pins_hold_and_do_not_outlive_the_checkout(source: PostgresSource) -> None:
    async with borrowed(source, {"timezone": "Asia/Tokyo", "DateStyle": "SQL, DMY"}) as connection:
        process_id = await process_id_of(connection)
        assert await value_of(connection, "SHOW DateStyle") == b"SQL, DMY"
        shown = await value_of(connection, "SELECT timestamptz '2020-01-01 00:00+00'")
        assert shown == b"01/01/2020 09:00:00 JST"
    async with borrowed(source) as connection:
        assert await process_id_of(connection) == process_id
        assert await value_of(connection, "SHOW DateStyle") == b"ISO, MDY"
        assert await value_of(connection, "SHOW TimeZone") == b"UTC"


async def test_pins_change_within_a_checkout(connection: PostgresConnection) -> None:
    await connection.begin()
    connection.pin({"bytea_output": "escape"})
    assert await value_of(connection, "SHOW bytea_output") == b"escape"
    await connection.rollback()
    # The rollback took it back at the server; it is set again because it is still wanted.
    assert await value_of(connection, "SHOW bytea_output") == b"escape"


async def test_a_value_that_the_server_refuses_costs_the_connection_only(
    source: PostgresSource,
) -> None:
    async with borrowed(source, {"TimeZone": "No/Such"}) as connection:
        with pytest.raises(SourceFault) as caught:
            await connection.execute(series(), upto(1))
        assert caught.value.sqlstate == "22023"
        assert not connection.is_usable
    async with borrowed(source) as connection:
        assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TimeZone", "Asia/Tokyo"),
        ("DateStyle", "SQL, DMY"),
        ("client_encoding", "LATIN1"),
        ("standard_conforming_strings", "off"),
        # Shows as is_superuser.
        ("role", "pg_monitor"),
    ],
)
async def test_a_setting_changed_by_a_statement_breaks_the_connection(
    source: PostgresSource, name: str, value: str
) -> None:
    """Drift: the guard refuses set_config; were it to run, the report gives it away."""
    drift = fragment(f"SELECT pg_catalog.set_config('{name}', '{value}', false)")
    async with borrowed(source) as connection:
        with pytest.raises(SourceFault) as caught:
            await rows_of(await connection.execute(drift, NO_ARGUMENTS))
        assert caught.value.sqlstate == "08006"
        assert not connection.is_usable


# --- release ------------------------------------------------------------------------------------

# Attack 100: what a checkout could leave behind, were it ever to get past the guard, and how it
# would show: the rows of a view that count.
REMAINS = [
    ("SELECT pg_catalog.pg_advisory_lock(4711)", "pg_locks WHERE locktype = 'advisory'"),
    (
        "SELECT pg_catalog.set_config('work_mem', '1MB', false)",
        "pg_settings WHERE name = 'work_mem' AND setting <> reset_val",
    ),
    (
        "SELECT pg_catalog.set_config('row_security', 'off', false)",
        "pg_settings WHERE name = 'row_security' AND setting <> 'on'",
    ),
    ("LISTEN leak", "pg_listening_channels()"),
    ("DECLARE leak CURSOR WITH HOLD FOR SELECT 1", "pg_cursors WHERE is_holdable"),
]


@pytest.mark.parametrize(("act", "trace"), REMAINS, ids=[act[:40] for act, _ in REMAINS])
async def test_nothing_is_left_for_the_next(source: PostgresSource, act: str, trace: str) -> None:
    async with borrowed(source) as connection:
        process_id = await process_id_of(connection)
        await rows_of(await connection.execute(fragment(act), NO_ARGUMENTS))
        assert await count_of(connection, trace) == b"1", "the act left no trace to clean"
    async with borrowed(source) as connection:
        assert await process_id_of(connection) == process_id, "closed, where a reset was enough"
        assert await count_of(connection, trace) == b"0"


async def test_an_open_transaction_is_rolled_back(source: PostgresSource) -> None:
    async with borrowed(source) as connection:
        process_id = await process_id_of(connection)
        await connection.begin()
        await rows_of(await connection.execute(series(), upto(9), row_max=1, portal="p"))
    async with borrowed(source) as connection:
        assert await process_id_of(connection) == process_id
        assert connection.status == b"I"
        assert await count_of(connection, "pg_cursors WHERE name = 'p'") == b"0"


async def test_a_result_left_unread_reaches_nobody(source: PostgresSource) -> None:
    """Attack 99: the client vanishes in the middle; the next one sees none of its rows."""
    async with borrowed(source) as connection:
        stream = await connection.execute(series(), upto(5_000_000))
        await anext(stream)
    async with borrowed(source) as connection:
        assert await numbers_of(await connection.execute(series(), upto(2))) == [1, 2]


async def test_a_task_cancelled_while_it_reads(source: PostgresSource) -> None:
    sleep = fragment("SELECT 'sleeper', pg_catalog.pg_sleep(30)")
    async with borrowed(source) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.execute(sleep, NO_ARGUMENTS)
    async with borrowed(source) as connection:
        assert await numbers_of(await connection.execute(series(), upto(1))) == [1]
        # It was cancelled, not merely abandoned.
        running = "pg_stat_activity WHERE query LIKE $$SELECT 'sleeper'%$$ AND state = 'active'"
        assert await count_of(connection, running) == b"0"


async def test_a_released_connection_refuses_everything(source: PostgresSource) -> None:
    connection = await source.acquire({})
    await connection.release()
    with pytest.raises(InternalFault):
        await connection.execute(series(), upto(1))
    with pytest.raises(InternalFault):
        await connection.begin()
    with pytest.raises(InternalFault):
        await connection.cancel()
    await connection.release()
    assert not connection.is_usable
    assert "released" in repr(connection)


async def test_one_stream_at_a_time(connection: PostgresConnection) -> None:
    stream = await connection.execute(series(), upto(3))
    with pytest.raises(InternalFault):
        await connection.execute(series(), upto(3))
    assert await numbers_of(stream) == [1, 2, 3]


# --- behind a pooler ----------------------------------------------------------------------------


async def test_transaction_pooling_keeps_settings_inside_transactions(
    postgres_server: Server,
) -> None:
    """Pitfall 25. A plain server stands in for the pooler: nothing may outlive COMMIT."""
    options = options_of(postgres_server, pooling=Pooling.TRANSACTION)
    async with (
        started(options) as source,
        borrowed(source, {"DateStyle": "SQL, DMY"}) as connection,
    ):
        assert await value_of(connection, "SHOW DateStyle") == b"SQL, DMY"
        assert await value_of(connection, "SHOW search_path") == b"pg_catalog"
        assert await value_of(connection, "SHOW transaction_read_only") == b"on"
        assert connection.status == b"I"
        raw = await connection.backend.query("SHOW DateStyle", (), ())
        assert raw == [(b"ISO, MDY",)]
        names = await connection.backend.query("SELECT name FROM pg_prepared_statements", (), ())
        assert names == []


async def test_transaction_pooling_portals_and_errors(postgres_server: Server) -> None:
    options = options_of(postgres_server, pooling=Pooling.TRANSACTION)
    async with started(options) as source, borrowed(source) as connection:
        stream = await connection.execute(series(), upto(3), row_max=2, portal="p")
        assert await numbers_of(stream) == [1, 2]
        assert connection.status == b"I"
        assert await numbers_of(await connection.resume("p")) == [3]
        await connection.sync()
        with pytest.raises(SourceFault):
            await rows_of(await connection.execute(DIVISION, NO_ARGUMENTS))
        assert connection.status == b"I"
        await connection.begin("repeatable read")
        assert connection.status == b"T"
        assert await value_of(connection, "SHOW transaction_isolation") == b"repeatable read"
        await connection.commit()
        copy = await connection.copy_out(fragment("COPY (SELECT 1) TO STDOUT"))
        assert [batch.count async for batch in copy] == [1]
        assert connection.backend.conversation.status == b"I"
