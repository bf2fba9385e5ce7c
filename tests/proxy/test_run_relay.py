"""What an execution relays: rows of a source as they come, rows of our own up to a limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from proxy.decision import Runnable
from proxy.faults import Fault, InternalFault, SourceFault
from proxy.run import Run, run_catalog, run_source
from proxy.sources.base import Arguments
from proxy.sql.parse import parse
from proxy.wire.backend import CopyDone, CopyOutResponse
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.workspace import Portal, Prepared, Workspace
from tests.proxy import doubles

NUMBERS = [RowBatch.of([(str(number).encode(),)]).data for number in range(3)]
"""What the stand-in source answers, frame by frame."""


@pytest.fixture
def source() -> doubles.Source:
    return doubles.Source()


@pytest.fixture
def workspace(source: doubles.Source) -> Workspace:
    return doubles.make_workspace(source)


def make_portal(text: str = "SELECT n FROM t", **changes: object) -> Portal:
    prepared = Prepared("", parse(text)[0], decided=doubles.Allowed())
    run = Run(1, doubles.Recorder(), doubles.make_session(), None)  # type: ignore[arg-type]
    return Portal("", prepared, run=run, **changes)  # type: ignore[arg-type]


def runnable(**changes: object) -> Runnable:
    return Runnable(fragment=doubles._fragment(), **changes)  # type: ignore[arg-type]


async def gather(chunks: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def asked(source: doubles.Source) -> list[str]:
    return [what for what in source.log if what != "acquire"]


# Sources


async def test_all_rows_come_through_untouched(
    workspace: Workspace, source: doubles.Source
) -> None:
    portal = make_portal()

    assert await gather(run_source(workspace, portal, 0, runnable())) == b"".join(NUMBERS)
    assert (portal.rows, portal.tag, portal.upstream) == (3, "SELECT 3", "")
    assert portal.is_finished
    assert not portal.is_suspended
    assert asked(source) == ["execute guarded", "close stream"]


async def test_a_limited_portal_is_run_on_at_its_source(
    workspace: Workspace, source: doubles.Source
) -> None:
    portal = make_portal()
    assert await gather(run_source(workspace, portal, 2, runnable())) == b"".join(NUMBERS[:2])
    assert (portal.rows, portal.tag, portal.is_suspended) == (2, "SELECT 2", True)
    assert not portal.is_finished
    assert await gather(run_source(workspace, portal, 2, runnable())) == NUMBERS[2]
    assert (portal.rows, portal.tag, portal.is_suspended) == (1, "SELECT 1", False)
    assert portal.is_finished
    assert [what for what in asked(source) if what != "close stream"] == [
        "execute guarded", "resume p1",
    ]  # fmt: skip


async def test_a_cursor_has_a_name_at_its_source_whatever_it_fetches(workspace: Workspace) -> None:
    portal = make_portal(is_cursor=True)
    await gather(run_source(workspace, portal, 0, runnable()))

    assert portal.upstream == "p1"


async def test_values_of_the_decision_stand_in_for_the_clients(workspace: Workspace) -> None:
    """A pattern is judged in what is sent, not in what the client bound."""
    portal = make_portal(arguments=Arguments((b"fine",)))
    lifted = runnable(arguments=Arguments((b"bad\\",)), pattern_parameters=frozenset({1}))
    with pytest.raises(Fault) as caught:
        await gather(run_source(workspace, portal, 0, lifted))

    assert caught.value.sqlstate == "22025"


async def test_a_bad_pattern_costs_the_source_nothing(
    workspace: Workspace, source: doubles.Source
) -> None:
    portal = make_portal(arguments=Arguments((b"\\",)))
    with pytest.raises(Fault):
        await gather(run_source(workspace, portal, 0, runnable(pattern_parameters=frozenset({1}))))

    assert source.log == []


async def test_nothing_runs_without_a_fragment(
    workspace: Workspace, source: doubles.Source
) -> None:
    with pytest.raises(InternalFault):
        await gather(run_source(workspace, make_portal(), 0, Runnable(shadow_sql="SELECT 1")))

    assert source.log == []


async def test_a_refused_statement_leaves_nothing_to_cancel(
    workspace: Workspace, source: doubles.Source
) -> None:
    connection = await workspace.upstream.take(doubles.SOURCE)
    connection.fault = SourceFault("division by zero", sqlstate="22012")  # type: ignore[attr-defined]
    with pytest.raises(SourceFault):
        await gather(run_source(workspace, make_portal(), 0, runnable()))

    assert not await workspace.upstream.cancel()


async def test_a_client_that_stops_reading_closes_the_stream(
    workspace: Workspace, source: doubles.Source
) -> None:
    chunks = run_source(workspace, make_portal(), 0, runnable())
    assert await anext(chunks) == b""
    assert await anext(chunks) == b"".join(NUMBERS)
    assert await workspace.upstream.cancel()
    await chunks.aclose()

    assert asked(source) == ["execute guarded", "cancel", "close stream"]
    assert not await workspace.upstream.cancel()


# COPY


class Copied:
    """Implements base.CopyStream over two rows and a header line."""

    header = CopyOutResponse(0, (0,))
    byte_count = 0
    row_count = 3

    def __init__(self, tag: str | None, *, is_cut: bool) -> None:
        self.command_tag = tag
        self.truncated = is_cut
        self.pieces = [CopyBatch.of([b"n\n", b"1\n"]), CopyBatch.of([b"2\n"])]
        self.is_closed = False

    def __aiter__(self) -> Copied:
        return self

    async def __anext__(self) -> CopyBatch:
        if not self.pieces:
            raise StopAsyncIteration
        return self.pieces.pop(0)

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("tag", "is_cut", "rows"),
    [("COPY 2", False, 2), (None, True, 3), ("COPY", False, 3), ("COPY -1", False, 3)],
)
async def test_copy_is_framed_and_counted_by_the_source(
    workspace: Workspace, tag: str | None, is_cut: bool, rows: int
) -> None:
    copied = Copied(tag, is_cut=is_cut)
    expected = copied.header.encode() + b"".join(piece.data for piece in copied.pieces)
    connection = await workspace.upstream.take(doubles.SOURCE)

    async def copy_out(fragment: object) -> Copied:
        return copied

    connection.copy_out = copy_out  # type: ignore[assignment, method-assign]
    portal = make_portal("COPY t TO STDOUT")
    found = await gather(run_source(workspace, portal, 0, runnable()))

    assert found == expected + CopyDone().encode()
    assert (portal.rows, portal.tag, portal.is_finished) == (rows, f"COPY {rows}", True)
    assert portal.run is not None
    assert portal.run.is_cut == is_cut
    assert copied.is_closed


# The gate's own rows, and those of the shadow

FRAMES = [RowBatch.of([(text,)]).data for text in (b"x", b"y")]
OWN = Runnable(rows=(("x",), ("y",)))
SHADOW = Runnable(shadow_sql="SELECT relname FROM pg_class")


@pytest.mark.parametrize("what", [OWN, SHADOW])
@pytest.mark.parametrize(
    ("row_max", "is_cursor", "taken", "is_suspended"),
    [(0, False, 2, False), (0, True, 2, False), (1, False, 1, True), (2, True, 2, True),
     (3, False, 2, False)],
)  # fmt: skip
async def test_rows_that_we_hold(
    workspace: Workspace, what: Runnable, row_max: int, is_cursor: bool, taken: int,
    is_suspended: bool,
) -> None:  # fmt: skip
    portal = make_portal(is_cursor=is_cursor)
    decider = doubles.AllowingDecider()
    found = await gather(run_catalog(workspace, portal, row_max, what, decider))

    assert found == b"".join(FRAMES[:taken])
    assert b"".join(portal.pending or []) == b"".join(FRAMES[taken:])
    assert (portal.rows, portal.tag) == (taken, f"SELECT {taken}")
    assert (portal.is_suspended, portal.is_finished) == (is_suspended, not is_suspended)


async def test_the_shadow_answers_decided_statements_only(workspace: Workspace) -> None:
    portal = make_portal()
    portal.prepared.decided = None
    with pytest.raises(InternalFault):
        await gather(run_catalog(workspace, portal, 0, SHADOW, doubles.AllowingDecider()))
