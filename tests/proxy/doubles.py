"""Stand-ins for what a session is made of: a source that remembers, a decider that allows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from policies.identity import Identity
from proxy.decision import Decided, Runnable, Target
from proxy.faults import Fault
from proxy.limits import SessionLimits
from proxy.rows import text_fields
from proxy.runtime.audit import RelationAccess
from proxy.session import Session
from proxy.settings import Settings
from proxy.sources.base import Arguments, SourceState
from proxy.sql.parse import Statement
from proxy.sql.plan import Fragment
from proxy.wire.backend import FieldDescription, RowDescription
from proxy.wire.batch import RowBatch
from proxy.workspace import Workspace

SOURCE = "main"


def make_session(*, expires_at: float = 1e12, **limits: int) -> Session:
    """A session of alice."""
    identity = Identity.create(
        subject="alice", issuer="i", roles=frozenset({"r"}), claims={}, expires_at=expires_at
    )
    facts = {"server_version": "16.10", "session_authorization": "alice"}
    return Session(identity, "shop", "alice", "peer", SessionLimits(**limits), Settings(facts))


class Stream:
    """Implements base.RowStream over numbers."""

    def __init__(self, rows: list[int], log: list[str], portal: str, left: list[int]) -> None:
        self.description = RowDescription(text_fields("n"))
        self.command_tag = f"SELECT {len(rows)}"
        self.suspended = bool(left) and bool(portal)
        self.truncated = False
        self.row_count = 0
        self.byte_count = 0
        self._rows = rows
        self._log = log

    def __aiter__(self) -> AsyncIterator[RowBatch]:
        return self

    async def __anext__(self) -> RowBatch:
        if not self._rows:
            raise StopAsyncIteration
        batch = RowBatch.of([(str(number).encode(),) for number in self._rows])
        self.row_count += len(self._rows)
        self._rows = []
        return batch

    async def aclose(self) -> None:
        self._log.append("close stream")


@dataclass
class Connection:
    """Implements base.SourceConnection: keeps a log of what was asked, and a status."""

    log: list[str]
    status: bytes = b"I"
    is_usable: bool = True
    fault: Fault | None = None
    rows: int = 3
    portals: dict[str, list[int]] = field(default_factory=dict)

    def _do(self, what: str, status: bytes | None = None) -> None:
        self.log.append(what)
        if self.fault is not None:
            raise self.fault
        if status is not None:
            self.status = status

    def pin(self, pins: Mapping[str, str]) -> None:
        self._do(f"pin {pins['TimeZone']}")

    async def begin(self, isolation: str | None = None, deferrable: bool = False) -> None:
        self._do(f"begin {isolation}", b"T")

    async def commit(self) -> None:
        self._do("commit", b"I")

    async def rollback(self) -> None:
        self._do("rollback", b"I")

    async def savepoint(self, name: str) -> None:
        self._do(f"savepoint {name}")

    async def rollback_to(self, name: str) -> None:
        self._do(f"rollback to {name}", b"T")

    async def release_savepoint(self, name: str) -> None:
        self._do(f"release {name}")

    async def execute(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...] = (),
        *,
        row_max: int = 0,
        portal: str = "",
        is_text_about_visible_data: bool = False,
    ) -> Stream:
        self._do(f"execute {fragment.sql}")
        self.portals[portal] = list(range(self.rows))
        return self._take(portal, row_max)

    async def resume(self, portal: str, row_max: int = 0) -> Stream:
        self._do(f"resume {portal}")
        return self._take(portal, row_max)

    def _take(self, portal: str, row_max: int) -> Stream:
        held = self.portals[portal]
        taken = held[:row_max] if row_max else held
        self.portals[portal] = held[len(taken) :]
        return Stream(taken, self.log, portal, self.portals[portal])

    async def close_portal(self, portal: str) -> None:
        self._do(f"close {portal}")

    async def sync(self) -> None:
        self._do("sync")

    async def cancel(self) -> None:
        self.log.append("cancel")

    async def release(self) -> None:
        self.log.append("give back")


@dataclass
class Source:
    """Implements base.Source; every connection writes to one log."""

    name: str = SOURCE
    log: list[str] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    state: SourceState = SourceState.UP
    down_reason: str | None = None

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    async def acquire(self, pins: Mapping[str, str], *, principal: object = None) -> Connection:
        assert principal in (None, ("i", "alice")), "waiting is shared among principals"
        self.log.append("acquire")
        self.connections.append(Connection(self.log))
        return self.connections[-1]


def make_workspace(source: Source | None = None, **limits: int) -> Workspace:
    """A workspace of alice over one source."""
    found = source or Source()
    return Workspace(make_session(**limits), {found.name: found})  # type: ignore[dict-item]


@dataclass(frozen=True)
class Allowed:
    """Implements decision.Decided."""

    target: Target = Target.SOURCE
    source: str = SOURCE
    parameter_oids: tuple[int, ...] = ()
    fields: tuple[FieldDescription, ...] | None = text_fields("n")
    revision: str = "v1"
    guarded_sql: str = "guarded"
    accesses: tuple[RelationAccess, ...] = ()


@dataclass
class AllowingDecider:
    """Implements decision.Decider: allows all but texts that contain `secret`."""

    revision: str = "v1"
    fields: tuple[FieldDescription, ...] = text_fields("n")
    decided: list[str] = field(default_factory=list)
    target: Target = Target.SOURCE

    async def decide(
        self, session: Session, statement: Statement, parameter_oids: tuple[int, ...]
    ) -> Decided:
        self.decided.append(statement.text)
        if "secret" in statement.text:
            raise Fault("no such table", sqlstate="42P01", position=1)
        return Allowed(revision=self.revision, fields=self.fields, target=self.target)

    def is_current(self, session: Session, decided: Decided) -> bool:
        return decided.revision == self.revision

    def runnable(self, session: Session, decided: Decided) -> Runnable:
        if decided.target is Target.GATE:
            return Runnable(rows=(("one",), ("two",)))
        return Runnable(fragment=_fragment())

    async def clarified(self, session: Session, decided: Decided, fault: Fault) -> Fault:
        return fault

    async def answer_catalog(
        self, session: Session, decided: Decided, arguments: Arguments, formats: tuple[int, ...]
    ) -> list[RowBatch]:
        return [RowBatch.of([(b"x",), (b"y",)])]


class _Fragment:
    """What a source reads of a fragment; the real one is made in one file only."""

    source = SOURCE
    sql = "guarded"


def _fragment() -> Fragment:
    return _Fragment()  # type: ignore[return-value]


@dataclass
class Recorder:
    """Implements what the gate uses of record.Recorder."""

    tracer: None = None
    log: list[str] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)

    async def allowed(
        self,
        session: Session,
        statement: Statement,
        decided: Decided,
        version: str,
        *,
        trace: str | None = None,
    ) -> int:
        self.traces.append(trace)
        self.log.append(f"allowed {statement.text}")
        return len(self.log)

    async def ended(self, intent: int, outcome: object) -> None:
        rows, sqlstate = outcome.rows, outcome.sqlstate  # type: ignore[attr-defined]
        self.log.append(f"ended {rows} {sqlstate or 'ok'}")

    async def refused(
        self,
        session: Session,
        text: str,
        fault: Fault,
        version: str,
        *,
        trace: str | None = None,
    ) -> None:
        self.traces.append(trace)
        self.log.append(f"refused {fault.sqlstate}")
