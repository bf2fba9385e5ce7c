"""The extended protocol over stand-ins; compared with a real Postgres in tests/live."""

from __future__ import annotations

import pytest

from proxy.extended import Extended
from proxy.faults import ConnectionFault, Fault
from proxy.wire.frontend import (
    Bind,
    Close,
    CopyData,
    Describe,
    Execute,
    Flush,
    FrontendMessage,
    Parse,
)
from tests.proxy.conversation import Stage

QUERY = "SELECT n FROM t"


async def tell(stage: Stage, *messages: FrontendMessage) -> list[str]:
    extended = Extended(stage.connection, stage.workspace, stage.gate)  # type: ignore[arg-type]
    for message in messages:
        await extended.take(message)
    return [line.split("(")[0] for line in stage.connection.lines()]


async def refused(stage: Stage, *messages: FrontendMessage) -> str:
    with pytest.raises(Fault) as caught:
        await tell(stage, *messages)
    return caught.value.sqlstate


async def test_from_parse_to_rows() -> None:
    stage = Stage()
    found = await tell(
        stage, Parse("s", QUERY), Describe(b"S", "s"), Bind("", "s"), Describe(b"P", ""),
        Execute(), Close(b"P", ""), Close(b"S", "s"),
    )  # fmt: skip

    assert found == [
        "ParseComplete", "ParameterDescription", "RowDescription [", "BindComplete",
        "RowDescription [", "DataRow ", "DataRow ", "DataRow ", "CommandComplete",
        "CloseComplete", "CloseComplete",
    ]  # fmt: skip
    assert len(stage.workspace.statements) == 0


async def test_a_limit_suspends() -> None:
    stage = Stage()
    found = await tell(stage, Parse("", QUERY), Bind("", ""), Execute("", 2), Execute("", 2))

    assert [line for line in found if line.startswith(("Portal", "Command"))] == [
        "PortalSuspended", "CommandComplete",
    ]  # fmt: skip


async def test_flush_flushes() -> None:
    stage = Stage()
    await tell(stage, Flush())

    assert stage.connection.flushes == 1


@pytest.mark.parametrize(
    ("messages", "sqlstate"),
    [
        ((Bind("", "missing"),), "26000"),
        ((Execute("missing"),), "34000"),
        ((Describe(b"S", "missing"),), "26000"),
        ((Describe(b"P", "missing"),), "34000"),
        ((Parse("", "SELECT 1; SELECT 2"),), "42601"),
        ((Parse("", "SELECT * FROM secret"),), "42P01"),
        ((Parse("s", QUERY), Parse("s", QUERY)), "42P05"),
        ((Parse("", QUERY), Bind("p", ""), Bind("p", "")), "42P03"),
        ((Parse("", QUERY), Bind("", "", (), (b"1",))), "08P01"),
        ((Parse("", QUERY), Bind("", "", (0, 1), ())), "08P01"),
        ((Parse("", QUERY), Bind("", "", (), (), (0, 1))), "08P01"),
        ((Parse("x" * 64, QUERY),), "42622"),
        ((Parse("", QUERY), Bind("é" * 32, "")), "42622"),
        ((Parse("", QUERY, (0,) * 60_001),), "54000"),
    ],
)
async def test_refusals(messages: tuple[FrontendMessage, ...], sqlstate: str) -> None:
    assert await refused(Stage(), *messages) == sqlstate


async def test_a_failed_parse_leaves_no_unnamed_statement() -> None:
    stage = Stage()
    await tell(stage, Parse("", QUERY))
    assert await refused(stage, Parse("", "SELECT * FROM secret")) == "42P01"

    assert await refused(stage, Bind("", "")) == "26000"


async def test_statements_and_portals_are_bounded() -> None:
    stage = Stage(prepared_statements_max=2, portals_max=2)
    await tell(stage, Parse("a", QUERY), Parse("b", QUERY), Bind("a", "a"), Bind("b", "a"))

    assert await refused(stage, Parse("c", QUERY)) == "53400"
    assert await refused(stage, Bind("c", "a")) == "53400"


async def test_a_failed_block_lets_only_its_end_pass() -> None:
    stage = Stage()
    await tell(stage, Parse("q", QUERY), Parse("end", "ROLLBACK"))
    stage.workspace.session.transaction.begin()
    stage.workspace.session.transaction.fail()

    assert await refused(stage, Parse("", QUERY)) == "25P02"
    assert await refused(stage, Bind("", "q")) == "25P02"
    assert await refused(stage, Describe(b"S", "q")) == "25P02"
    found = await tell(stage, Bind("", "end"), Execute())
    assert found == ["BindComplete", "CommandComplete"]


async def test_messages_that_have_no_place() -> None:
    with pytest.raises(ConnectionFault):
        await tell(Stage(), CopyData(b"x"))


async def test_the_empty_statement() -> None:
    found = await tell(
        Stage(), Parse("", ""), Describe(b"S", ""), Bind("", ""), Describe(b"P", ""), Execute()
    )

    assert found[1:] == [
        "ParameterDescription", "NoData", "BindComplete", "NoData", "EmptyQueryResponse",
    ]  # fmt: skip


async def test_copy_takes_no_parameters_whoever_sends_it() -> None:
    sql = "COPY (SELECT n FROM t WHERE n = $1) TO STDOUT"

    assert await refused(Stage(), Parse("", sql, (23,))) == "42P02"
    assert await tell(Stage(), Parse("", QUERY + " WHERE n = $1", (23,))) == ["ParseComplete"]
