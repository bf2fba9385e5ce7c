"""The conductor: from a client's statement to its rows, in the one order that is safe.

    parse → decide (classify, describe on the shadow, rewrite, verify, plan) → record the intent
          → run at the source or the shadow → relay → record the outcome

INVARIANTS kept here: nothing runs that was not decided (I1), an intent is on record before anything
reaches a source and a refusal before it is told (I6), a decision made under another policy is made
again before it is used (attack case 95), and RowDescription comes from the decision only (I9).

This file must not know the client's socket or messages: it takes statements and portals, and yields
bytes that are whole messages (DataRow, CopyData) for the owner of the socket to write.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from postgast import pg_query_pb2 as pb

from proxy import cursor, setting_query, utility
from proxy.decision import Decided, Decider, Runnable
from proxy.execute import execute_arguments
from proxy.faults import Fault, LimitFault, SyntaxFault
from proxy.federation.merge import Merger
from proxy.inner import fresh, inner_statement
from proxy.limits import HELD_BYTES_MAX, PARAMETERS_MAX
from proxy.phases import Phase, Phases
from proxy.record import Recorder, tell_decision
from proxy.rows import encode_rows, notice_message
from proxy.run import Run, run_catalog, run_merged, run_source, split_frames
from proxy.runtime.audit import AuditFault
from proxy.sql import tree
from proxy.sql.classify import text_of
from proxy.sql.parameter import refuse_parameters
from proxy.sql.parse import Kind, Statement, parse
from proxy.trace_comment import trace_of
from proxy.tracing import Subject
from proxy.wire.backend import FieldDescription
from proxy.wire.batch import Row, RowBatch
from proxy.workspace import Portal, Prepared, Workspace

WITHOUT_MERGER = Merger(None)

STALE = "cached plan must not change result type"

_STATE = frozenset({"25P02", "26000", "34000"})
"""A failed transaction, a statement or cursor that is not there: nothing was asked of anybody."""


class Gate:
    """Shared by all sessions of a worker: it holds no state of any of them."""

    def __init__(
        self, decider: Decider, recorder: Recorder, merger: Merger = WITHOUT_MERGER
    ) -> None:
        self._decider = decider
        self._recorder = recorder
        self._merger = merger

    @property
    def decider(self) -> Decider:
        """Who decides, for the express lane."""
        return self._decider

    @property
    def recorder(self) -> Recorder:
        """Who records, for the express lane."""
        return self._recorder

    # Statements

    async def parse(self, workspace: Workspace, text: str) -> tuple[Statement, ...]:
        """Split a query string. Raises SyntaxFault, LimitFault, recorded as refusals."""
        workspace.trace = trace_of(text)
        workspace.phases = Phases()
        try:
            with workspace.phases.during(Phase.PARSE):
                return parse(text)
        except Fault as fault:
            await self._refuse(workspace, workspace, text, fault)
            raise

    async def prepare(
        self,
        workspace: Workspace,
        statement: Statement,
        *,
        name: str = "",
        declared_oids: tuple[int, ...] = (),
        takes_parameters: bool = True,
    ) -> Prepared:
        """Decide a statement so that it can be described and run. Raises the fault that refuses
        it. `takes_parameters` False: nobody will bind values (a simple query)."""
        if len(declared_oids) > PARAMETERS_MAX:
            raise SyntaxFault(f"more than {PARAMETERS_MAX} parameters", sqlstate="54000")
        prepared = Prepared(name, statement, declared_oids, trace=workspace.trace)
        prepared.phases = workspace.take_phases()
        if statement.kind in utility.KINDS:
            prepared.fields = utility.fields(workspace, statement)
            return prepared
        workspace.session.transaction.check_usable()
        if statement.kind is Kind.COPY_TO or (
            not takes_parameters and statement.kind in _WITH_PARAMETERS
        ):
            await self._refuse_parameters(workspace, prepared)
            prepared.declared_oids = ()
        if statement.kind is Kind.QUERY:
            prepared.setting_calls = setting_query.setting_calls(statement)
        if prepared.setting_calls is not None:
            prepared.fields = setting_query.fields(prepared.setting_calls)
        elif statement.kind in _OF_ANOTHER:
            prepared.fields = _fields_of_another(workspace, statement)
        elif statement.kind is Kind.DECLARE:
            await self._prepare_cursor(workspace, prepared)
        elif statement.kind is not Kind.PREPARE:
            await self._decide(workspace, prepared, statement)
            decided = prepared.decided
            prepared.fields = None if decided is None else decided.fields
        return prepared

    def bound(self, workspace: Workspace, prepared: Prepared) -> Prepared:
        """The statement as a portal runs it: what FETCH and EXECUTE return is settled now."""
        if prepared.statement.kind not in _OF_ANOTHER:
            return prepared
        fields = _fields_of_another(workspace, prepared.statement)
        return prepared if fields == prepared.fields else replace(prepared, fields=fields)

    async def _refuse_parameters(self, workspace: Workspace, prepared: Prepared) -> None:
        statement = prepared.statement
        try:
            refuse_parameters(statement)
        except Fault as fault:
            fault.shifted(statement.offset)
            await self._refuse(workspace, prepared, statement.text, fault)
            raise

    async def _prepare_cursor(self, workspace: Workspace, prepared: Prepared) -> None:
        """DECLARE takes parameters and returns nothing: its query is decided now."""
        cursor.check_options(prepared.statement)
        await self._decide(workspace, prepared, inner_statement(prepared.statement))

    async def _decide(self, workspace: Workspace, prepared: Prepared, query: Statement) -> None:
        try:
            with prepared.phases.during(Phase.DECIDE):
                decided = await self._decider.decide(
                    workspace.session, query, prepared.declared_oids
                )
        except Fault as fault:
            fault.shifted(query.offset)
            await self._refuse(workspace, prepared, prepared.statement.text, fault)
            raise
        prepared.decided = decided
        prepared.parameter_oids = decided.parameter_oids

    async def _refuse(
        self, workspace: Workspace, asked: Workspace | Prepared, text: str, fault: Fault
    ) -> None:
        """Record a refusal. `asked` knows the trace and the cost: the statement, or, before there
        is one, the workspace."""
        session = workspace.session
        await self._recorder.refused(
            session, text, fault, self._decider.revision, trace=asked.trace
        )
        fault.is_on_record = True
        phases = asked.take_phases()
        if (tracer := self._recorder.tracer) is not None:
            tracer.ended(Subject(session, text, asked.trace), phases, fault=fault)
        tell_decision(session, "refused", phases.latency(), sqlstate=fault.sqlstate)

    async def note_refusal(self, workspace: Workspace, text: str, fault: Fault) -> None:
        """Put on record what is about to be told and no step before has recorded (I6): `text` is
        the statement it answers. Raises AuditFault, to be told instead.

        Left out are the log's own failure, and what only says where a session stands.
        """
        if fault.is_on_record or fault.sqlstate in _STATE or isinstance(fault, AuditFault):
            return
        await self._refuse(workspace, workspace, text, fault)

    # Running

    async def run(
        self, workspace: Workspace, portal: Portal, row_max: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Run a portal, or run it on; yields messages, then `portal.tag` and its flags are set.

        `row_max` 0 means all rows. Raises the fault to tell.
        """
        portal.rows = 0
        portal.is_suspended = False
        statement = portal.prepared.statement
        if portal.is_finished:
            self._check_repeatable(portal)
        elif portal.pending is not None:
            if portal.is_held:
                await self._runnable(workspace, portal)
            for chunk in _take_pending(portal, row_max):
                yield chunk
        elif statement.kind in utility.KINDS or portal.prepared.setting_calls is not None:
            if portal.prepared.setting_calls is not None:
                # A query is described before it runs: its errors follow the RowDescription.
                yield b""
            for chunk in await self._run_utility(workspace, portal, row_max):
                yield chunk
        elif statement.kind in _ABOUT_OTHERS and not portal.is_cursor:
            async with aclosing(self._run_named(workspace, portal, row_max)) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            async with aclosing(self._run_decided(workspace, portal, row_max)) as chunks:
                async for chunk in chunks:
                    yield chunk

    def _check_repeatable(self, portal: Portal) -> None:
        """A finished query answers no rows again; a finished command must not run twice."""
        if portal.prepared.fields is None:
            raise Fault(f'portal "{portal.name}" cannot be run', sqlstate="55000")
        portal.tag = "SELECT 0"

    async def _run_utility(
        self, workspace: Workspace, portal: Portal, row_max: int
    ) -> Sequence[bytes]:
        statement = portal.prepared.statement
        calls = portal.prepared.setting_calls
        try:
            if calls is not None:
                workspace.session.transaction.check_usable()
                workspace.session.transaction.has_run = True
                answer = setting_query.run(calls, workspace.session)
            else:
                answer = await utility.run(workspace, statement)
        except Fault as fault:
            await self._refuse(workspace, portal.prepared, statement.text, fault)
            raise
        portal.tag = answer.tag
        portal.pending = encode_rows(answer.rows)
        return _take_pending(portal, row_max)

    async def _run_named(
        self, workspace: Workspace, portal: Portal, row_max: int
    ) -> AsyncGenerator[bytes, None]:
        """PREPARE, EXECUTE, DECLARE, FETCH and MOVE: statements about other statements."""
        workspace.session.transaction.check_usable()
        workspace.session.transaction.has_run = True
        statement = portal.prepared.statement
        match statement.kind:
            case Kind.PREPARE:
                await self._prepare_by_name(workspace, statement)
                portal.tag, portal.is_finished = "PREPARE", True
            case Kind.DECLARE:
                await self.refresh(workspace, portal.prepared)
                made = cursor.declare(workspace, portal)
                if made.is_held:
                    await self._hold(workspace, made)
                workspace.portals.add(made.name, made)
                portal.tag, portal.is_finished = "DECLARE CURSOR", True
            case Kind.FETCH:
                async with aclosing(self._fetch(workspace, portal)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            case _:
                async with aclosing(self._execute_by_name(workspace, portal, row_max)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    async def _prepare_by_name(self, workspace: Workspace, statement: Statement) -> None:
        node = statement.node
        if workspace.statements.find(node.name) is not None:
            raise Fault(f'prepared statement "{node.name}" already exists', sqlstate="42P05")
        oids = await self._type_oids(workspace, statement)
        query = inner_statement(statement)
        prepared = await self.prepare(workspace, query, name=node.name, declared_oids=oids)
        workspace.statements.add(node.name, prepared)

    async def _type_oids(self, workspace: Workspace, statement: Statement) -> tuple[int, ...]:
        """OIDs of PREPARE's types, found as the columns of a query that is decided like any
        other."""
        types = statement.node.argtypes
        if not types:
            return ()
        probe = tree.select()
        for one in types:
            null = pb.TypeCast(arg=tree.null(), type_name=one.type_name)
            probe.target_list.append(tree.target(pb.Node(type_cast=null)))
        try:
            (query,) = parse(text_of(probe))
            decided = await self._decider.decide(workspace.session, query, ())
        except Fault as fault:
            fault.position = None  # it points into our own text
            raise
        return tuple(one.type_oid for one in decided.fields or ())

    async def _execute_by_name(
        self, workspace: Workspace, portal: Portal, row_max: int
    ) -> AsyncGenerator[bytes, None]:
        statement = portal.prepared.statement
        found = workspace.statements.get(statement.node.name)
        if _shape(found.fields) != _shape(portal.prepared.fields):
            raise Fault(STALE, sqlstate="0A000")
        arguments = await execute_arguments(_Inquiry(self, workspace), statement, found)
        inner = Portal(portal.name, found, arguments, portal.formats, portal.depth)
        async with aclosing(self.run(workspace, inner, row_max)) as chunks:
            async for chunk in chunks:
                if chunk:  # as Postgres: no description before an error of the first row
                    yield chunk
        portal.rows, portal.tag = inner.rows, inner.tag
        portal.is_finished, portal.is_suspended = inner.is_finished, inner.is_suspended
        portal.pending, portal.upstream = inner.pending, inner.upstream
        if inner.is_suspended:
            # From here on this portal is that of the named statement.
            portal.prepared, portal.is_started = found, True

    async def _hold(self, workspace: Workspace, made: Portal) -> None:
        """Read a cursor WITH HOLD to its end. Raises LimitFault 54000, and what its query does."""
        reader = Portal("", made.prepared, made.arguments)
        room = HELD_BYTES_MAX - sum(other.held_bytes for other in workspace.portals)
        made.pending = []
        async with aclosing(self._run_decided(workspace, reader, 0)) as chunks:
            async for chunk in chunks:
                made.held_bytes += len(chunk)
                if made.held_bytes > room:
                    raise LimitFault(
                        f"cursors WITH HOLD may hold {HELD_BYTES_MAX} bytes in a session",
                        hint="Ask for fewer rows, or declare it WITHOUT HOLD in a transaction.",
                    )
                made.pending += split_frames(chunk)
        made.is_started = True

    async def _fetch(self, workspace: Workspace, portal: Portal) -> AsyncGenerator[bytes, None]:
        node = portal.prepared.statement.node
        target = workspace.cursor(node.portalname)
        count = cursor.row_max(node)
        if not node.ismove:  # MOVE shows no row: asyncpg moves binary portals by simple queries
            cursor.check_formats(target, portal)
        async with aclosing(self.run(workspace, target, count)) as chunks:
            async for chunk in chunks:
                # A cursor that was missing at Bind had no columns then: its rows go nowhere.
                if chunk and not node.ismove and portal.prepared.fields is not None:
                    yield chunk
        portal.rows, portal.is_finished = target.rows, True
        portal.tag = f"{'MOVE' if node.ismove else 'FETCH'} {target.rows}"

    async def _run_decided(
        self, workspace: Workspace, portal: Portal, row_max: int
    ) -> AsyncGenerator[bytes, None]:
        session, prepared = workspace.session, portal.prepared
        runnable = await self._runnable(workspace, portal)
        if portal.run is None:
            assert prepared.decided is not None, "what is runnable has been decided"
            intent = await self._recorder.allowed(
                session,
                prepared.statement,
                prepared.decided,
                self._decider.revision,
                trace=prepared.trace,
            )
            portal.run = Run(intent, self._recorder, session, prepared, prepared.take_phases())
        async with aclosing(self._relay(workspace, portal, row_max, runnable)) as chunks:
            async for chunk in chunks:
                yield chunk

    def land(
        self, workspace: Workspace, portal: Portal, runnable: Runnable
    ) -> AsyncGenerator[bytes, None]:
        """Go on with a portal that was decided, recorded and sent already; else as `run`."""
        return self._relay(workspace, portal, 0, runnable)

    async def _runnable(self, workspace: Workspace, portal: Portal) -> Runnable:
        """What may run now, judged anew each time. Raises the fault to tell; refusals are on
        record."""
        session, prepared = workspace.session, portal.prepared
        session.transaction.check_usable()
        await self.refresh(workspace, prepared, is_running=portal.is_started)
        assert prepared.decided is not None, "prepare decides every statement that is not our own"
        try:
            return self._decider.runnable(session, prepared.decided)
        except Fault as fault:
            await self._refuse(workspace, prepared, prepared.statement.text, fault)
            raise

    async def _relay(
        self, workspace: Workspace, portal: Portal, row_max: int, runnable: Runnable
    ) -> AsyncGenerator[bytes, None]:
        run = portal.run
        assert run is not None, "the intent is on record"
        workspace.session.transaction.has_run = True
        portal.is_started = True
        failure: Fault | None = None
        try:
            if runnable.is_merged:
                source = run_merged(workspace, portal, row_max, runnable, self._merger)
            elif runnable.fragment is not None:
                source = run_source(workspace, portal, row_max, runnable)
            else:
                source = run_catalog(workspace, portal, row_max, runnable, self._decider)
            run.phases.enter(Phase.SOURCE)
            async with aclosing(source) as chunks:
                async for chunk in chunks:
                    run.bytes_told += len(chunk)
                    run.phases.enter(Phase.RELAY)
                    yield chunk
                    run.phases.enter(Phase.SOURCE)
        except Fault as fault:
            decided = portal.prepared.decided
            assert decided is not None, "prepare decides every statement that is not our own"
            failure = await self._decider.clarified(workspace.session, decided, fault)
            if failure is fault:
                raise
            failure.is_at_bind = fault.is_at_bind
            raise failure from fault
        except BaseException:
            failure = Fault("interrupted", sqlstate="57014")
            raise
        finally:
            run.phases.enter(None)
            run.rows += portal.rows
            if failure is not None or not portal.is_suspended:
                await run.finish(failure)
        if run.is_cut:
            workspace.notice(notice_message("the result was cut at the limit of a policy", "01004"))

    async def refresh(
        self, workspace: Workspace, prepared: Prepared, *, is_running: bool = False
    ) -> None:
        """Decide again what was decided under another policy or catalog.

        Raises Fault 0A000 when what was described to the client no longer holds.
        """
        if prepared.decided is None or self._decider.is_current(
            workspace.session, prepared.decided
        ):
            return
        before: Decided = prepared.decided
        query = prepared.statement
        query = inner_statement(query) if query.kind is Kind.DECLARE else fresh(query)
        await self._decide(workspace, prepared, query)
        assert prepared.decided is not None, "deciding raises or succeeds"
        is_same = _shape(prepared.decided.fields) == _shape(before.fields)
        if is_running or not is_same or prepared.decided.parameter_oids != before.parameter_oids:
            prepared.decided = before
            raise Fault(STALE, sqlstate="0A000")


# PREPARE is absent: it declares the parameters of its query itself.
_WITH_PARAMETERS = frozenset({Kind.QUERY, Kind.EXPLAIN_POLICY, Kind.DECLARE, Kind.EXECUTE})
_OF_ANOTHER = frozenset({Kind.FETCH, Kind.EXECUTE})
_ABOUT_OTHERS = frozenset({Kind.PREPARE, Kind.EXECUTE, Kind.DECLARE, Kind.FETCH})


def _fields_of_another(
    workspace: Workspace, statement: Statement
) -> tuple[FieldDescription, ...] | None:
    """What FETCH and EXECUTE return. None, too, where what they name is missing: as in Postgres
    that is found when they run."""
    if statement.kind is Kind.FETCH:
        return cursor.fields(workspace, statement)
    found = workspace.statements.find(statement.node.name)
    return None if found is None else found.fields


def _shape(fields: tuple[FieldDescription, ...] | None) -> object:
    """What a client relies on between Describe and Execute."""
    if fields is None:
        return None
    return tuple((one.name, one.type_oid, one.type_modifier) for one in fields)


def _take_pending(portal: Portal, row_max: int) -> list[bytes]:
    """The next rows of an answer that we hold ourselves, and the portal's new state."""
    held = portal.pending or []
    taken = held[:row_max] if row_max else held
    portal.pending = held[len(taken) :]
    portal.rows = len(taken)
    # As Postgres: a limit that equals the number of rows left suspends, and the next run ends.
    portal.is_suspended = bool(row_max) and len(taken) == row_max
    portal.is_finished = not portal.is_suspended
    if portal.prepared.decided is not None or not portal.tag:
        portal.tag = f"SELECT {portal.rows}"
    return taken


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """Implements `execute.Inquiry`: queries on behalf of a statement that is running."""

    gate: Gate
    workspace: Workspace

    async def describe(self, query: Statement) -> tuple[int, ...]:
        prepared = await self.gate.prepare(self.workspace, query)
        return tuple(one.type_oid for one in prepared.fields or ())

    async def ask(self, query: Statement, formats: tuple[int, ...]) -> list[Row]:
        prepared = await self.gate.prepare(self.workspace, query)
        portal = Portal("", prepared, formats=formats)
        async with aclosing(self.gate.run(self.workspace, portal)) as chunks:
            data = b"".join([chunk async for chunk in chunks])
        return list(RowBatch(portal.rows, data).rows())
