"""The conductor with stand-ins: order of records, refusals, redecision, portals and cursors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from proxy.decision import Target
from proxy.faults import Fault, SourceFault
from proxy.gate import Gate
from proxy.rows import text_fields
from proxy.sql.parse import parse
from proxy.workspace import Portal, Workspace
from tests.proxy.doubles import AllowingDecider, Recorder, Source, make_workspace

QUERY = "SELECT n FROM t"


class Stage:
    """A gate, its stand-ins, and a way to run texts."""

    def __init__(self) -> None:
        self.decider = AllowingDecider()
        self.recorder = Recorder()
        self.gate = Gate(self.decider, self.recorder)  # type: ignore[arg-type]
        self.source = Source()
        self.workspace: Workspace = make_workspace(self.source)

    async def portal(self, text: str) -> Portal:
        (statement,) = parse(text)
        return Portal("", await self.gate.prepare(self.workspace, statement))

    async def run(self, portal: Portal, row_max: int = 0) -> int:
        """Run and count the bytes told."""
        return sum([len(c) async for c in self.gate.run(self.workspace, portal, row_max)])

    async def text(self, text: str) -> Portal:
        portal = await self.portal(text)
        await self.run(portal)
        return portal


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_the_intent_is_on_record_before_the_source_is_asked(stage: Stage) -> None:
    seen: list[Callable[[], int]] = []
    acquire = stage.source.acquire

    async def watched(pins: object, **_: object) -> object:
        seen.append(lambda: 0)
        assert stage.recorder.log == [f"allowed {QUERY}"]
        return await acquire({})

    stage.source.acquire = watched  # type: ignore[method-assign, assignment]
    portal = await stage.text(QUERY)

    assert seen
    assert portal.tag == "SELECT 3"
    assert stage.recorder.log == [f"allowed {QUERY}", "ended 3 ok"]
    assert "execute guarded" in stage.source.log


async def test_a_refusal_is_on_record_before_it_is_told(stage: Stage) -> None:
    with pytest.raises(Fault):
        await stage.portal("SELECT * FROM secret")

    assert stage.recorder.log == ["refused 42P01"]
    assert stage.source.log == []


async def test_a_dead_audit_log_stops_everything(stage: Stage) -> None:
    async def fail(*_: object, **__: object) -> int:
        raise Fault("audit log cannot be written", sqlstate="58030")

    stage.recorder.allowed = fail  # type: ignore[method-assign]
    with pytest.raises(Fault) as caught:
        await stage.text(QUERY)

    assert caught.value.sqlstate == "58030"
    assert stage.source.log == []


async def test_an_error_of_the_source_is_an_outcome(stage: Stage) -> None:
    portal = await stage.portal(QUERY)
    acquire = stage.source.acquire

    async def failing(pins: object, **_: object) -> object:
        connection = await acquire({})
        connection.fault = SourceFault("division by zero", sqlstate="22012")
        return connection

    stage.source.acquire = failing  # type: ignore[method-assign, assignment]
    with pytest.raises(SourceFault):
        await stage.run(portal)

    assert stage.recorder.log[-1] == "ended 0 22012"


async def test_rows_in_pieces(stage: Stage) -> None:
    portal = await stage.portal(QUERY)
    told = []
    for _ in range(2):
        await stage.run(portal, 2)
        told.append((portal.rows, portal.is_suspended))
    await stage.run(portal, 2)

    assert told == [(2, True), (1, False)]
    assert (portal.rows, portal.tag) == (0, "SELECT 0")
    assert stage.recorder.log[-1] == "ended 3 ok"


async def test_a_new_policy_is_decided_again_at_execute(stage: Stage) -> None:
    portal = await stage.portal(QUERY)
    stage.decider.revision = "v2"
    await stage.run(portal)

    assert stage.decider.decided == [QUERY, QUERY]
    assert portal.prepared.decided is not None
    assert portal.prepared.decided.revision == "v2"


async def test_a_new_shape_is_refused(stage: Stage) -> None:
    portal = await stage.portal(QUERY)
    stage.decider.revision = "v2"
    stage.decider.fields = text_fields("n", "m")
    with pytest.raises(Fault) as caught:
        await stage.run(portal)

    assert caught.value.sqlstate == "0A000"
    assert stage.source.log == []


async def test_a_running_portal_does_not_outlive_its_policy(stage: Stage) -> None:
    portal = await stage.portal(QUERY)
    await stage.run(portal, 1)
    stage.decider.revision = "v2"
    with pytest.raises(Fault) as caught:
        await stage.run(portal, 1)

    assert caught.value.sqlstate == "0A000"


async def test_a_failed_transaction_runs_nothing(stage: Stage) -> None:
    portal = await stage.portal(QUERY)
    stage.workspace.session.transaction.begin()
    stage.workspace.session.transaction.fail()
    with pytest.raises(Fault) as caught:
        await stage.run(portal)

    assert caught.value.sqlstate == "25P02"
    assert stage.source.log == []


async def test_cursor(stage: Stage) -> None:
    await stage.text("BEGIN")
    await stage.text("DECLARE c CURSOR FOR SELECT n FROM t")
    assert (await stage.text("FETCH 2 FROM c")).tag == "FETCH 2"
    moved = await stage.portal("MOVE 1 IN c")
    assert await stage.run(moved) == 0
    assert moved.tag == "MOVE 1"
    assert (await stage.text("FETCH ALL FROM c")).tag == "FETCH 0"
    await stage.text("CLOSE c")
    with pytest.raises(Fault) as caught:
        await stage.text("FETCH c")

    assert caught.value.sqlstate == "34000"


async def test_prepare_and_execute_by_name(stage: Stage) -> None:
    await stage.text("PREPARE p AS SELECT n FROM t")
    portal = await stage.text("EXECUTE p")
    assert portal.tag == "SELECT 3"
    with pytest.raises(Fault) as caught:
        await stage.text("EXECUTE p(1)")
    assert caught.value.sqlstate == "42601"
    with pytest.raises(Fault) as caught:
        await stage.text("PREPARE q AS SELECT * FROM secret")

    assert caught.value.sqlstate == "42P01"


async def test_positions_point_into_the_whole_text(stage: Stage) -> None:
    with pytest.raises(Fault) as caught:
        await stage.portal("DECLARE c CURSOR FOR SELECT * FROM secret")

    assert caught.value.position == len("DECLARE c CURSOR FOR ") + 1


@pytest.mark.parametrize("target", [Target.SHADOW, Target.GATE])
async def test_answers_of_our_own_come_in_pieces_too(stage: Stage, target: Target) -> None:
    stage.decider.target = target
    if target is Target.SHADOW:
        stage.decider.runnable = lambda *_: __import__(  # type: ignore[method-assign]
            "proxy.decision"
        ).decision.Runnable(shadow_sql="x")
    portal = await stage.portal(QUERY)
    await stage.run(portal, 1)
    assert (portal.rows, portal.is_suspended) == (1, True)
    await stage.run(portal, 0)

    assert (portal.rows, portal.is_finished) == (1, True)
    assert stage.source.log == []


async def test_settings_as_queries(stage: Stage) -> None:
    portal = await stage.text("SELECT set_config('TimeZone', 'Europe/Rome', false)")

    assert portal.rows == 1
    assert stage.workspace.session.settings.get("timezone") == "Europe/Rome"
    assert stage.decider.decided == []


# Traces, and the operator's log

TRACE = "5bd66ef5095369c7b0d1f8f4bd33716a"
TRACE_PARENT = f"00-{TRACE}-c532cb4098ac3dd2-01"
COMMENT = f"/*traceparent='{TRACE_PARENT}'*/"


async def test_every_statement_of_a_text_has_its_trace(stage: Stage) -> None:
    for statement in await stage.gate.parse(stage.workspace, f"{COMMENT} {QUERY}; {QUERY}"):
        await stage.run(Portal("", await stage.gate.prepare(stage.workspace, statement)))
    with pytest.raises(Fault):
        await stage.gate.parse(stage.workspace, f"SELEC 1 {COMMENT}")

    assert stage.recorder.traces == [TRACE_PARENT] * 3


async def test_a_prepared_statement_keeps_its_own_trace(stage: Stage) -> None:
    (first,) = await stage.gate.parse(stage.workspace, f"{QUERY} {COMMENT}")
    prepared = await stage.gate.prepare(stage.workspace, first)
    (second,) = await stage.gate.parse(stage.workspace, QUERY)
    other = await stage.gate.prepare(stage.workspace, second)
    await stage.run(Portal("", prepared))
    await stage.run(Portal("", other))

    assert stage.recorder.traces == [TRACE_PARENT, None]


async def test_each_decision_is_one_line_without_sql(stage: Stage) -> None:
    with capture_logs() as logs:
        await stage.text(QUERY)
        with pytest.raises(Fault):
            await stage.text("SELECT 'hush' FROM secret")
        with pytest.raises(Fault):
            await stage.gate.parse(stage.workspace, "hush hush")

    assert [(one["verdict"], one["sqlstate"], one["rows"]) for one in logs] == [
        ("allowed", None, 3), ("refused", "42P01", 0), ("refused", "42601", 0),
    ]  # fmt: skip
    assert "hush" not in str(logs)
    assert QUERY not in str(logs)


async def test_time_is_told_where_it_was_spent_and_once(stage: Stage) -> None:
    (statement,) = await stage.gate.parse(stage.workspace, QUERY)
    prepared = await stage.gate.prepare(stage.workspace, statement)
    first, second = Portal("", prepared), Portal("", prepared)
    for portal in (first, second):
        await stage.run(portal)

    assert first.run is not None
    assert second.run is not None
    spent = first.run.phases.latency()
    assert min(spent.parse_ms, spent.decide_ms, spent.source_ms, spent.relay_ms) > 0
    again = second.run.phases.latency()
    assert (again.parse_ms, again.decide_ms) == (0, 0)
    assert again.source_ms > 0


async def test_a_statement_that_fails_at_the_source_is_told_as_failed(stage: Stage) -> None:
    portal = await stage.portal(QUERY)
    acquire = stage.source.acquire

    async def failing(pins: object, **_: object) -> object:
        connection = await acquire({})
        connection.fault = SourceFault("hush", sqlstate="22012")
        return connection

    stage.source.acquire = failing  # type: ignore[method-assign, assignment]
    with capture_logs() as logs, pytest.raises(Fault):
        await stage.run(portal)

    assert [(one["verdict"], one["sqlstate"]) for one in logs] == [("failed", "22012")]
    assert "hush" not in str(logs)
