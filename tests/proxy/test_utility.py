"""Statements that the gate answers itself: tags, notices, faults, and what they change."""

from __future__ import annotations

import pytest

from proxy import utility
from proxy.faults import Fault
from proxy.sql.parse import parse
from proxy.transaction import Block
from proxy.workspace import Portal, Prepared, Workspace
from tests.proxy.doubles import SOURCE, make_workspace


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace()


async def tags(workspace: Workspace, text: str) -> list[str]:
    return [(await utility.run(workspace, one)).tag for one in parse(text)]


async def sqlstate(workspace: Workspace, text: str) -> str:
    with pytest.raises(Fault) as caught:
        await tags(workspace, text)
    return caught.value.sqlstate


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BEGIN; COMMIT", ["BEGIN", "COMMIT"]),
        ("START TRANSACTION; END", ["START TRANSACTION", "COMMIT"]),
        ("BEGIN; ABORT", ["BEGIN", "ROLLBACK"]),
        (
            "BEGIN; SAVEPOINT a; ROLLBACK TO a; RELEASE a; ROLLBACK",
            ["BEGIN", "SAVEPOINT", "ROLLBACK", "RELEASE", "ROLLBACK"],
        ),
        ("SET timezone = 'UTC'; RESET timezone; RESET ALL", ["SET", "RESET", "RESET"]),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", ["SET"]),
        ("SET NAMES 'utf8'", ["SET"]),
        ("SET TIME ZONE -5", ["SET"]),
        ("SET TIME ZONE DEFAULT", ["SET"]),
        ("RESET ROLE; RESET SESSION AUTHORIZATION", ["RESET", "RESET"]),
        ("SET SESSION AUTHORIZATION DEFAULT; SET ROLE NONE", ["SET", "SET"]),
        ("BEGIN; SET LOCAL SESSION AUTHORIZATION DEFAULT", ["BEGIN", "SET"]),
        ("DISCARD ALL; DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES",
         ["DISCARD ALL", "DISCARD PLANS", "DISCARD TEMP", "DISCARD SEQUENCES"]),
        ("DEALLOCATE ALL; CLOSE ALL; UNLISTEN *", ["DEALLOCATE ALL", "CLOSE CURSOR ALL",
        "UNLISTEN"]), ("BEGIN; COMMIT AND CHAIN; ROLLBACK AND CHAIN; COMMIT",
         ["BEGIN", "COMMIT", "ROLLBACK", "COMMIT"]),
    ],
)  # fmt: skip
async def test_tags(workspace: Workspace, text: str, found: list[str]) -> None:
    assert await tags(workspace, text) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SET nothing = 1", "42704"),
        ("SHOW nothing", "42704"),
        ("SHOW role", "42704"),
        ("SET ROLE x", "42501"),
        ("SET LOCAL ROLE x", "42501"),
        ("SET timezone = 'Nowhere'", "22023"),
        ("SET timezone = 'a', 'b'", "22023"),
        ("SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE", "0A000"),
        ("SET timezone FROM CURRENT", "0A000"),
        ("BEGIN READ WRITE", "42501"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "42501"),
        ("BEGIN; SET TRANSACTION READ WRITE", "42501"),
        ("SAVEPOINT a", "25P01"),
        ("COMMIT AND CHAIN", "25P01"),
        ("BEGIN; DISCARD ALL", "25001"),
        ("DEALLOCATE nothing", "26000"),
        ("CLOSE nothing", "34000"),
        ("LISTEN x", "0A000"),
        ("NOTIFY x", "0A000"),
    ],
)
async def test_refusals(workspace: Workspace, text: str, code: str) -> None:
    assert await sqlstate(workspace, text) == code


async def test_a_failed_block_accepts_its_end_only(workspace: Workspace) -> None:
    await tags(workspace, "BEGIN; SAVEPOINT a")
    workspace.session.transaction.fail()
    assert await sqlstate(workspace, "SHOW timezone") == "25P02"
    assert await sqlstate(workspace, "BEGIN") == "25P02"
    assert await tags(workspace, "ROLLBACK TO a; SHOW timezone") == ["ROLLBACK", "SHOW"]
    workspace.session.transaction.fail()

    assert await tags(workspace, "COMMIT") == ["ROLLBACK"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("BEGIN; BEGIN", "25001"), ("COMMIT", "25P01"), ("ROLLBACK", "25P01"),
     ("SET LOCAL timezone = 'UTC'", "25P01"), ("SET TRANSACTION READ ONLY", "25P01")],
)  # fmt: skip
async def test_warnings(workspace: Workspace, text: str, code: str) -> None:
    await tags(workspace, text)

    assert [notice.sqlstate for notice in workspace.take_notices()] == [code]
    assert workspace.take_notices() == []


async def test_a_client_may_ask_for_no_warnings(workspace: Workspace) -> None:
    await tags(workspace, "SET client_min_messages = error; COMMIT")

    assert workspace.take_notices() == []


async def test_set_local_outside_a_block_ends_with_its_statement(workspace: Workspace) -> None:
    transaction = workspace.session.transaction
    transaction.enter_implicit(is_alone=True)
    await tags(workspace, "SET LOCAL timezone = 'Europe/Rome'")
    assert workspace.session.settings.get("timezone") == "Europe/Rome"
    transaction.leave_implicit(is_committed=True)

    assert workspace.session.settings.get("timezone") == "UTC"


@pytest.mark.parametrize(
    ("before", "text", "code"),
    [
        ("run", "BEGIN ISOLATION LEVEL SERIALIZABLE", "25001"),
        ("run", "BEGIN ISOLATION LEVEL READ COMMITTED", ""),  # what it has already
        ("run", "BEGIN READ ONLY", ""),
        ("block", "BEGIN ISOLATION LEVEL SERIALIZABLE", ""),
        ("savepoint", "BEGIN ISOLATION LEVEL SERIALIZABLE", "25001"),
        ("savepoint", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "25001"),
        ("savepoint", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", ""),
        ("block", "BEGIN READ WRITE", "42501"),
    ],
)
async def test_isolation_is_settled_by_what_ran(
    workspace: Workspace, before: str, text: str, code: str
) -> None:
    transaction = workspace.session.transaction
    if before == "run":
        transaction.enter_implicit()
        transaction.has_run = True
    else:
        await tags(workspace, "BEGIN; SAVEPOINT a" if before == "savepoint" else "BEGIN")
    if code:
        assert await sqlstate(workspace, text) == code
    else:
        await tags(workspace, text)
        assert transaction.block is Block.OPEN


async def test_isolation_is_the_blocks_own(workspace: Workspace) -> None:
    get = workspace.session.settings.of_transaction
    await tags(workspace, "SET default_transaction_isolation = 'repeatable read'; BEGIN")
    assert get("transaction_isolation") == "repeatable read"
    await tags(workspace, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; COMMIT AND CHAIN")
    assert get("transaction_isolation") == "serializable"
    await tags(workspace, "COMMIT")
    assert get("transaction_isolation") == "repeatable read"
    await tags(workspace, "BEGIN")
    workspace.session.transaction.has_run = True

    text = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
    assert await sqlstate(workspace, text) == "25001"


async def test_search_path_keeps_its_quotes(workspace: Workspace) -> None:
    await tags(workspace, 'SET search_path TO "$user", "Odd", public')

    assert workspace.session.settings.get("search_path") == '"$user", "Odd", public'


async def test_discard_all_forgets_the_session(workspace: Workspace) -> None:
    (statement,) = parse("SELECT 1")
    workspace.statements.add("p", Prepared("p", statement))
    await tags(workspace, "SET timezone = 'Europe/Rome'; DISCARD ALL")

    assert len(workspace.statements) == 0
    assert workspace.session.settings.get("timezone") == "UTC"


async def test_show_all_has_three_columns(workspace: Workspace) -> None:
    (statement,) = parse("SHOW ALL")
    answer = await utility.run(workspace, statement)

    assert [one.name for one in answer.fields or ()] == ["name", "setting", "description"]
    assert utility.fields(workspace, statement) == answer.fields


async def test_set_local_alone_leaves_the_pipelines_own_mark(workspace: Workspace) -> None:
    transaction = workspace.session.transaction
    transaction.enter_implicit(is_alone=True)
    await tags(workspace, "SET LOCAL timezone = 'Europe/Rome'")
    transaction.enter_implicit()
    await tags(workspace, "SET timezone = 'Asia/Tokyo'")
    transaction.leave_implicit(is_committed=False)

    assert workspace.session.settings.get("timezone") == "UTC"


async def test_set_local_alone_is_checked_all_the_same(workspace: Workspace) -> None:
    assert await sqlstate(workspace, "SET LOCAL timezone = 'Nowhere'") == "22023"
    assert await sqlstate(workspace, "SET LOCAL transaction_read_only = off") == "42501"


async def test_an_empty_search_path_names_no_schema(workspace: Workspace) -> None:
    await tags(workspace, "SET search_path = ''")

    assert workspace.session.settings.show("search_path") == ("search_path", '""')
    assert workspace.session.settings.search_path() == ()


async def test_a_cursor_outlives_the_savepoint_that_was_released(workspace: Workspace) -> None:
    await tags(workspace, "BEGIN; SAVEPOINT a")
    (statement,) = parse("SELECT 1")
    cursor = Portal("c", Prepared("", statement), depth=1)
    workspace.portals.add("c", cursor)
    await tags(workspace, "RELEASE a; SAVEPOINT b; ROLLBACK TO b")
    assert workspace.cursor("c") is cursor
    await tags(workspace, "ROLLBACK")

    assert len(workspace.portals) == 0


@pytest.mark.parametrize("verb", ["COMMIT", "ROLLBACK"])
async def test_and_chain_without_a_block_is_an_error_and_no_warning(
    workspace: Workspace, verb: str
) -> None:
    with pytest.raises(Fault) as caught:
        await tags(workspace, f"{verb} AND CHAIN")

    assert caught.value.message == f"{verb} AND CHAIN can only be used in transaction blocks"
    assert workspace.take_notices() == []


async def test_reset_all_leaves_the_blocks_isolation(workspace: Workspace) -> None:
    await tags(workspace, "BEGIN ISOLATION LEVEL SERIALIZABLE; RESET ALL")

    assert workspace.session.settings.get("transaction_isolation") == "serializable"


async def test_rollback_of_a_lost_connection_succeeds(workspace: Workspace) -> None:
    await tags(workspace, "BEGIN")
    connection = await workspace.upstream.take(SOURCE)
    connection.is_usable = False  # type: ignore[misc]

    assert await tags(workspace, "ROLLBACK") == ["ROLLBACK"]
    assert workspace.session.transaction.status == b"I"


async def test_commit_of_a_lost_connection_is_told(workspace: Workspace) -> None:
    await tags(workspace, "BEGIN")
    connection = await workspace.upstream.take(SOURCE)
    connection.is_usable = False  # type: ignore[misc]

    assert await sqlstate(workspace, "COMMIT") == "08006"
    assert workspace.session.transaction.status == b"I"


@pytest.mark.parametrize(
    ("text", "position"), [("SET search_path TO $1", 20), ("SET TimeZone = 'UTC'", None)]
)
def test_set_takes_no_parameters(workspace: Workspace, text: str, position: int | None) -> None:
    (statement,) = parse(text)
    if position is None:
        assert utility.fields(workspace, statement) is None
        return
    with pytest.raises(Fault) as caught:
        utility.fields(workspace, statement)

    assert (caught.value.sqlstate, caught.value.position) == ("42601", position)
    assert caught.value.message == 'syntax error at or near "$1"'
