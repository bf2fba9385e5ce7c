"""Upstream transactions as mirrors of the client's: what is sent, and when."""

from __future__ import annotations

import asyncio

import pytest

from proxy.faults import SourceFault
from proxy.workspace import Workspace
from tests.proxy.doubles import SOURCE, Source, make_session, make_workspace


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def workspace(source: Source) -> Workspace:
    return make_workspace(source)


async def test_nothing_is_begun_outside_a_block(workspace: Workspace, source: Source) -> None:
    await workspace.upstream.take(SOURCE)
    await workspace.end_implicit(is_committed=True)
    workspace.upstream.settle()
    await asyncio.sleep(0)

    assert source.log == ["acquire", "sync", "give back"]


async def test_a_block_begins_late_and_replays_its_savepoints(
    workspace: Workspace, source: Source
) -> None:
    transaction = workspace.session.transaction
    transaction.begin()
    transaction.savepoint("x'; DROP TABLE y")
    transaction.savepoint("b")
    assert source.log == []
    await workspace.upstream.take(SOURCE)
    await workspace.upstream.take(SOURCE)
    transaction.rollback_to("b")
    await workspace.upstream.rollback_to()
    transaction.release("b")
    await workspace.upstream.release_savepoint()
    await workspace.finish(is_committed=True)

    assert source.log == [
        "acquire", "begin READ COMMITTED", "savepoint s0", "savepoint s1", "rollback to s1",
        "release s1", "commit",
    ]  # fmt: skip


async def test_isolation_goes_along(workspace: Workspace, source: Source) -> None:
    workspace.session.transaction.begin()
    workspace.session.settings.set("transaction_isolation", "serializable", is_local=True)
    await workspace.upstream.take(SOURCE)

    assert source.log[-1] == "begin SERIALIZABLE"


async def test_a_connection_is_kept_while_a_block_is_open(
    workspace: Workspace, source: Source
) -> None:
    workspace.session.transaction.begin()
    await workspace.upstream.take(SOURCE)
    workspace.upstream.settle()
    await asyncio.sleep(0)
    assert "give back" not in source.log
    workspace.close()
    await asyncio.sleep(0)

    assert source.log[-1] == "give back"


async def test_a_lost_connection_is_replaced_only_outside_a_block(
    workspace: Workspace, source: Source
) -> None:
    first = await workspace.upstream.take(SOURCE)
    first.is_usable = False  # type: ignore[misc]
    assert await workspace.upstream.take(SOURCE) is not first
    workspace.session.transaction.begin()
    await workspace.upstream.take(SOURCE)
    source.connections[-1].is_usable = False
    with pytest.raises(SourceFault) as caught:
        await workspace.upstream.take(SOURCE)

    assert caught.value.sqlstate == "08006"


async def test_changed_settings_are_pinned_again_under_a_transaction(
    workspace: Workspace, source: Source
) -> None:
    workspace.session.transaction.begin()
    first = await workspace.upstream.take(SOURCE)
    workspace.session.settings.set("TimeZone", "Europe/Rome", is_local=True)
    assert await workspace.upstream.take(SOURCE) is first
    await workspace.upstream.take(SOURCE)
    workspace.session.transaction.fail()
    workspace.session.transaction.finish(is_committed=False)
    await workspace.upstream.take(SOURCE)

    pins = [line for line in source.log if line.startswith("pin ")]
    assert pins == ["pin Europe/Rome", "pin UTC"]


async def test_a_failed_commit_is_told_and_the_block_is_over(
    workspace: Workspace, source: Source
) -> None:
    workspace.session.transaction.begin()
    await workspace.upstream.take(SOURCE)
    source.connections[0].fault = SourceFault("could not serialize", sqlstate="40001")
    with pytest.raises(SourceFault):
        await workspace.finish(is_committed=True)

    assert workspace.session.transaction.status == b"I"


async def test_cancel_reaches_only_what_runs(workspace: Workspace, source: Source) -> None:
    connection = await workspace.upstream.take(SOURCE)
    assert not await workspace.upstream.cancel()
    with workspace.upstream.running(connection):
        assert await workspace.upstream.cancel()
    assert not await workspace.upstream.cancel()

    assert source.log.count("cancel") == 1


async def test_an_unknown_source(workspace: Workspace) -> None:
    with pytest.raises(SourceFault) as caught:
        await workspace.upstream.take("other")

    assert caught.value.sqlstate == "08006"


async def test_each_source_is_held_to_its_own_pins() -> None:
    sources = {name: Source(name) for name in ("a", "b")}
    workspace = Workspace(make_session(), sources)  # type: ignore[arg-type]
    workspace.session.transaction.begin()
    await workspace.upstream.take("a")
    workspace.session.settings.set("TimeZone", "Europe/Rome", is_local=True)
    await workspace.upstream.take("b")
    await workspace.upstream.take("a")

    assert "pin Europe/Rome" in sources["a"].log
    assert "pin Europe/Rome" not in sources["b"].log


async def test_a_failed_block_goes_back_to_a_savepoint_on_both_sides(
    workspace: Workspace, source: Source
) -> None:
    transaction = workspace.session.transaction
    transaction.begin()
    transaction.savepoint("a")
    await workspace.upstream.take(SOURCE)
    source.connections[0].status = b"E"
    transaction.fail()
    transaction.rollback_to("a")
    await workspace.upstream.rollback_to()

    assert source.log[-1] == "rollback to s0"
    assert (transaction.status, source.connections[0].status) == (b"T", b"T")


async def test_a_source_that_failed_is_never_committed(
    workspace: Workspace, source: Source
) -> None:
    workspace.session.transaction.begin()
    await workspace.upstream.take(SOURCE)
    source.connections[0].status = b"E"
    await workspace.finish(is_committed=True)

    assert "commit" not in source.log
    assert source.log[-1] == "rollback"
