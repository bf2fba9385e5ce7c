"""Portals and the ends of transactions."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.sql.parse import parse
from proxy.workspace import NOTICES_MAX, Portal, Prepared, Workspace
from tests.proxy.doubles import make_workspace


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace(portals_max=3)


def add(workspace: Workspace, name: str) -> Portal:
    (statement,) = parse("SELECT 1")
    depth = len(workspace.session.transaction.savepoints)
    portal = Portal(name, Prepared("", statement), depth=depth)
    workspace.portals.add(name, portal)
    return portal


async def test_portals_end_with_their_transaction(workspace: Workspace) -> None:
    workspace.session.transaction.begin()
    add(workspace, "a")
    await workspace.end_implicit(is_committed=True)
    assert len(workspace.portals) == 1  # a block is open: Sync ends nothing
    await workspace.finish(is_committed=True)

    assert len(workspace.portals) == 0


async def test_portals_outside_a_block_end_at_sync(workspace: Workspace) -> None:
    add(workspace, "a")
    await workspace.end_implicit(is_committed=True)

    assert len(workspace.portals) == 0


async def test_a_rollback_closes_what_was_opened_since(workspace: Workspace) -> None:
    transaction = workspace.session.transaction
    transaction.begin()
    add(workspace, "before")
    transaction.savepoint("s")
    add(workspace, "after")
    await workspace.drop_portals(deeper_than=0)

    assert [portal.name for portal in workspace.portals] == ["before"]


def test_portals_are_bounded(workspace: Workspace) -> None:
    for name in ("", "a", "b", "d"):
        add(workspace, name)
    add(workspace, "")
    with pytest.raises(Fault) as caught:
        add(workspace, "c")

    assert caught.value.sqlstate == "53400"


def test_the_unnamed_portal_is_no_cursor(workspace: Workspace) -> None:
    add(workspace, "")
    with pytest.raises(Fault) as caught:
        workspace.cursor("")

    assert caught.value.sqlstate == "34000"


def test_upstream_names_are_ours(workspace: Workspace) -> None:
    assert [workspace.upstream_name() for _ in range(2)] == ["p1", "p2"]


def test_notices_are_bounded(workspace: Workspace) -> None:
    from proxy.rows import notice_message

    for _ in range(NOTICES_MAX * 2):
        workspace.notice(notice_message("x", "01000"))

    assert len(workspace.take_notices()) == NOTICES_MAX
