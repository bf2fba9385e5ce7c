"""The conversation over stand-ins: one ReadyForQuery each, errors that skip, patience that ends."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proxy.connection import ClientGone
from proxy.dialogue import Dialogue
from proxy.faults import ConnectionFault, SourceFault
from proxy.interrupt import Interrupter
from proxy.wire.backend import BackendKeyData
from proxy.wire.errors import MalformedMessage
from proxy.wire.frontend import Bind, Execute, FrontendMessage, Parse, Query, Sync, Terminate
from tests.proxy.conversation import Stage

KEY = BackendKeyData(7, b"1234")


async def converse(stage: Stage, now: float = 0.0) -> list[str]:
    """Run to the end; the kinds of what was sent after the greeting."""
    workspace = stage.workspace
    dialogue = Dialogue(
        stage.connection,  # type: ignore[arg-type]
        workspace,
        stage.gate,
        Interrupter(workspace.upstream.cancel),
        lambda: now,
    )
    with contextlib.suppress(ClientGone):
        await dialogue.run(KEY)
    await asyncio.sleep(0)
    greeting, *lines = stage.connection.lines()
    assert greeting.startswith("BackendKeyData")
    assert lines[0] == "ReadyForQuery(status=b'I')"
    return lines[1:]


def kinds(lines: list[str]) -> list[str]:
    return [line.split("(")[0].split(" ")[0] for line in lines]


async def told(*messages: FrontendMessage) -> list[str]:
    return await converse(Stage(messages))


async def test_a_query() -> None:
    stage = Stage([Query("SELECT n FROM t")])

    assert kinds(await converse(stage)) == [
        "RowDescription", "DataRow", "DataRow", "DataRow", "CommandComplete", "ReadyForQuery",
    ]  # fmt: skip
    assert stage.source.log[-1] == "give back"


async def test_nothing_at_all() -> None:
    assert kinds(await told(Query(""))) == ["EmptyQueryResponse", "ReadyForQuery"]


async def test_an_error_ends_a_query_and_its_transaction() -> None:
    found = await told(Query("SET TimeZone = 'Asia/Tokyo'; SELECT * FROM secret; SELECT 1"))

    assert kinds(found) == ["CommandComplete", "ErrorResponse", "ReadyForQuery"]
    assert found[-1].endswith("b'I')")


async def test_an_error_in_a_block_leaves_it_failed() -> None:
    found = await told(Query("BEGIN"), Query("SELECT * FROM secret"), Query("SHOW timezone"))

    assert [line for line in found if line.startswith("Ready")] == [
        "ReadyForQuery(status=b'T')", "ReadyForQuery(status=b'E')", "ReadyForQuery(status=b'E')",
    ]  # fmt: skip
    assert "25P02" in found[-2]


async def test_changed_settings_are_told_before_ready() -> None:
    found = await told(Query("SET TimeZone = 'Asia/Tokyo'"), Query("RESET TimeZone"))

    assert [line for line in found if line.startswith("Parameter")] == [
        "ParameterStatus(name='TimeZone', value='Asia/Tokyo')",
        "ParameterStatus(name='TimeZone', value='UTC')",
    ]


async def test_one_ready_for_each_sync() -> None:
    found = await told(
        Parse("", "SELECT * FROM secret"), Bind("", ""), Execute(), Sync(), Sync(), Parse("", "x"),
        Sync(),
    )  # fmt: skip

    assert kinds(found) == [
        "ErrorResponse", "ReadyForQuery", "ReadyForQuery", "ErrorResponse", "ReadyForQuery",
    ]  # fmt: skip


async def test_terminate_ends_it() -> None:
    stage = Stage([Terminate(), Query("SELECT 1")])
    await converse(stage)

    assert len(stage.connection.events) == 1


@pytest.mark.parametrize(("kind", "readies"), [(b"Q", 2), (b"B", 1)])
async def test_a_malformed_message_is_an_error_and_no_end(kind: bytes, readies: int) -> None:
    stage = Stage([Query("SELECT n FROM t")] if kind == b"Q" else [Sync()])
    original = stage.connection.next_event
    broken = [MalformedMessage("bad body", message_type=kind)]

    async def next_event(*, until: float | None = None) -> FrontendMessage:
        if broken:
            raise broken.pop()
        return await original(until=until)

    stage.connection.next_event = next_event  # type: ignore[method-assign]
    found = await converse(stage)

    assert "08P01 bad body" in found[0]
    assert kinds(found).count("ReadyForQuery") == readies


async def test_the_token_ends_before_the_next_command() -> None:
    stage = Stage([Query("SELECT 1")])
    with pytest.raises(ConnectionFault) as caught:
        await converse(stage, now=1e13)

    assert caught.value.sqlstate == "57P01"


@pytest.mark.parametrize(("is_block", "sqlstate"), [(False, "57P05"), (True, "25P03")])
async def test_patience_ends(is_block: bool, sqlstate: str) -> None:
    stage = Stage(idle_seconds_max=5, idle_in_transaction_seconds_max=3)
    if is_block:
        stage.workspace.session.transaction.begin()

    async def next_event(*, until: float | None = None) -> FrontendMessage:
        assert until is not None
        patience = until - asyncio.get_running_loop().time()
        assert patience == pytest.approx(3 if is_block else 5, abs=0.5)
        raise TimeoutError

    stage.connection.next_event = next_event  # type: ignore[method-assign]
    with pytest.raises(ConnectionFault) as caught:
        await converse(stage)

    assert caught.value.sqlstate == sqlstate


async def test_a_source_that_ends_the_session_does_not_end_ours() -> None:
    stage = Stage([Query("SELECT n FROM t"), Query("SHOW timezone")])
    acquire = stage.source.acquire

    async def failing(pins: object, **_: object) -> object:
        connection = await acquire({})
        connection.fault = SourceFault("gone", sqlstate="08006")
        return connection

    stage.source.acquire = failing  # type: ignore[method-assign, assignment]
    found = await converse(stage)

    assert kinds(found)[:2] == ["ErrorResponse", "ReadyForQuery"]
    assert kinds(found)[-1] == "ReadyForQuery"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT n FROM t WHERE n = $1",
        "SELECT set_config('TimeZone', $1, false)",
        "DECLARE c CURSOR FOR SELECT n FROM t WHERE n = $1",
        "COPY (SELECT n FROM t WHERE n = $1) TO STDOUT",
        "EXPLAIN POLICY SELECT n FROM t WHERE n = $1",
        "EXECUTE s($1)",
    ],
)
async def test_a_simple_query_has_no_parameters(sql: str) -> None:
    found = await told(Query(sql), Query("SELECT n FROM t"))

    (error,) = [line for line in found if line.startswith("ErrorResponse")]
    assert "42P02 there is no parameter $1" in error
    assert kinds(found)[-1] == "ReadyForQuery", "the connection lives on"


async def test_prepare_declares_the_parameters_of_its_query() -> None:
    found = await told(Query("PREPARE s (int) AS SELECT n FROM t WHERE n = $1"))

    assert kinds(found) == ["CommandComplete", "ReadyForQuery"]
