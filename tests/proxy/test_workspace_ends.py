"""Portals closed here and at their sources, and transactions whose end fails half-way."""

from __future__ import annotations

from contextlib import suppress

import pytest

from proxy.faults import Fault, SourceFault
from proxy.run import Run
from proxy.sql.parse import parse
from proxy.transaction import Block
from proxy.workspace import Portal, Prepared, Workspace
from tests.proxy import doubles


@pytest.fixture
def source() -> doubles.Source:
    return doubles.Source()


@pytest.fixture
def workspace(source: doubles.Source) -> Workspace:
    return doubles.make_workspace(source)


def add(workspace: Workspace, recorder: doubles.Recorder, **changes: object) -> Portal:
    """An open portal `c` whose execution is on record."""
    prepared = Prepared("", parse("SELECT n FROM t")[0], decided=doubles.Allowed())
    run = Run(1, recorder, doubles.make_session(), None, rows=5)  # type: ignore[arg-type]
    portal = Portal("c", prepared, run=run, **changes)  # type: ignore[arg-type]
    workspace.portals.add("c", portal)
    return portal


@pytest.mark.parametrize(
    ("state", "is_closed_upstream"),
    [
        ({"upstream": "p1"}, True),
        ({"upstream": "p1", "is_finished": True}, False),
        ({"upstream": ""}, False),
    ],
)
async def test_a_portal_is_closed_where_it_is_open(
    workspace: Workspace,
    source: doubles.Source,
    state: dict[str, object],
    is_closed_upstream: bool,
) -> None:
    recorder = doubles.Recorder()
    await workspace.upstream.take(doubles.SOURCE)
    add(workspace, recorder, **state)
    await workspace.close_portal("c")
    await workspace.close_portal("c")  # closing what is not there is no error

    assert source.log.count("close p1") == is_closed_upstream
    assert recorder.log == ["ended 5 ok"]
    assert workspace.portals.find("c") is None


@pytest.mark.parametrize(("status", "is_usable"), [(b"E", True), (b"T", False)])
async def test_a_portal_is_not_closed_on_a_connection_that_failed(
    workspace: Workspace, source: doubles.Source, status: bytes, is_usable: bool
) -> None:
    await workspace.upstream.take(doubles.SOURCE)
    add(workspace, doubles.Recorder(), upstream="p1")
    source.connections[0].status, source.connections[0].is_usable = status, is_usable
    await workspace.close_portal("c")

    assert "close p1" not in source.log


@pytest.mark.parametrize("is_committed", [True, False])
async def test_the_end_of_a_transaction_records_what_was_still_open(
    workspace: Workspace, is_committed: bool
) -> None:
    recorder = doubles.Recorder()
    workspace.session.transaction.begin()
    add(workspace, recorder)
    await workspace.finish(is_committed=is_committed)

    assert recorder.log == ["ended 5 ok"]
    assert len(workspace.portals) == 0


@pytest.mark.parametrize(
    ("is_committed", "is_failing", "is_left"),
    [(True, False, True), (False, False, False), (True, True, False)],
)
async def test_a_held_cursor_outlives_a_commit_that_succeeds(
    workspace: Workspace,
    source: doubles.Source,
    is_committed: bool,
    is_failing: bool,
    is_left: bool,
) -> None:
    workspace.session.transaction.begin()
    await workspace.upstream.take(doubles.SOURCE)
    add(workspace, doubles.Recorder(), is_held=True)
    if is_failing:
        source.connections[0].fault = SourceFault("gone", sqlstate="08006")
    with suppress(SourceFault):
        await workspace.finish(is_committed=is_committed)
    assert (workspace.portals.find("c") is not None) == is_left

    workspace.session.transaction.begin()
    await workspace.finish(is_committed=False)  # another transaction's end is nothing to it
    assert (workspace.portals.find("c") is not None) == is_left


async def test_a_commit_that_fails_takes_settings_back(
    workspace: Workspace, source: doubles.Source
) -> None:
    session = workspace.session
    session.transaction.begin()
    session.settings.set("application_name", "lost", is_local=False)
    await workspace.upstream.take(doubles.SOURCE)
    source.connections[0].fault = SourceFault("gone", sqlstate="08006")
    with pytest.raises(SourceFault):
        await workspace.finish(is_committed=True)

    assert session.settings.get("application_name") == ""
    assert session.transaction.block is Block.IDLE


async def test_a_rollback_that_fails_upstream_is_a_rollback(
    workspace: Workspace, source: doubles.Source
) -> None:
    workspace.session.transaction.begin()
    await workspace.upstream.take(doubles.SOURCE)
    source.connections[0].fault = SourceFault("gone", sqlstate="08006")
    await workspace.finish(is_committed=False)

    assert workspace.session.transaction.block is Block.IDLE


async def test_an_implicit_end_leaves_a_block_as_it_is(
    workspace: Workspace, source: doubles.Source
) -> None:
    recorder = doubles.Recorder()
    workspace.session.transaction.begin()
    await workspace.upstream.take(doubles.SOURCE)
    add(workspace, recorder)
    before = list(source.log)
    await workspace.end_implicit(is_committed=True)

    assert source.log == before
    assert recorder.log == []
    assert workspace.cursor("c").run is not None


async def test_nobody_finds_what_another_session_made() -> None:
    """Attack case 95: names are the session's own."""
    mine, yours = doubles.make_workspace(), doubles.make_workspace()
    add(mine, doubles.Recorder())
    mine.statements.add("s", mine.cursor("c").prepared)
    for look, name, sqlstate in (
        (yours.portals.get, "c", "34000"),
        (yours.cursor, "c", "34000"),
        (yours.statements.get, "s", "26000"),
    ):
        with pytest.raises(Fault) as caught:
            look(name)  # type: ignore[operator]
        assert caught.value.sqlstate == sqlstate
