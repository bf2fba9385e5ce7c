"""What one session works with: its prepared statements, its portals and cursors, and its sources.

This file must not know sockets or SQL trees, and decides nothing: it remembers what was decided.

Theory of operation. Statements outlive transactions; portals do not, because WITH HOLD is refused.
Portals made by Bind and cursors made by DECLARE share one namespace, as in Postgres. A portal is
*fresh*, then *running*: rows are told until its limit (*suspended*) or its end (*finished*).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from proxy.decision import Decided
from proxy.faults import Fault
from proxy.phases import Phases
from proxy.session import NameTable, Session
from proxy.setting_query import SettingCall
from proxy.sources.base import Arguments, Source
from proxy.sources.express import UnderWay
from proxy.sql.parse import Statement
from proxy.upstream import Upstream
from proxy.wire.backend import FieldDescription, NoticeResponse

OUTLIVING = -1
"""Depth of a portal that no transaction takes with it."""

NOTICES_MAX = 100
"""Notices kept for one statement; ours are one or two."""


@dataclass(slots=True)
class Prepared:
    """A statement that Parse or PREPARE has accepted.

    `decided` is None for statements of the gate's own. `fields` None: it returns no rows.
    `declared_oids` are the types that the client gave, 0 for unknown. `trace` is what a comment
    beside it told; `phases` what it has cost since it was run last.
    """

    name: str
    statement: Statement
    declared_oids: tuple[int, ...] = ()
    parameter_oids: tuple[int, ...] = ()
    fields: tuple[FieldDescription, ...] | None = None
    decided: Decided | None = None
    setting_calls: tuple[SettingCall, ...] | None = None
    trace: str | None = None
    phases: Phases = field(default_factory=Phases)

    def take_phases(self) -> Phases:
        """Hand over what was counted: parsing and deciding are the cost of the first run."""
        taken, self.phases = self.phases, Phases()
        return taken


@dataclass(slots=True)
class Portal:
    """A statement with its arguments, ready to run or running.

    `depth` is the number of savepoints when it was made: rolling back further than that closes it.
    `upstream` is its name at the source once it is open there; `place` the connection of its own
    that it runs on, if parts of several sources were loaded for it. `pending` are encoded rows that
    we hold ourselves. `rows` counts what the last run told, `run` the whole. `is_held` is a cursor
    WITH HOLD, whose `pending` has `held_bytes`.
    """

    name: str
    prepared: Prepared
    arguments: Arguments = field(default_factory=Arguments)
    formats: tuple[int, ...] = ()
    depth: int = 0
    is_cursor: bool = False
    is_held: bool = False
    held_bytes: int = 0
    upstream: str = ""
    place: str = ""
    pending: list[bytes] | None = None
    is_started: bool = False
    is_finished: bool = False
    is_suspended: bool = False
    rows: int = 0
    tag: str = ""
    run: Run | None = None
    under_way: UnderWay | None = None
    """What the source was sent already, its answer not yet read."""


class Run(Protocol):
    """The figures of an execution that is on record as an intent (`proxy/run.py`)."""

    rows: int
    bytes_told: int
    is_cut: bool
    phases: Phases

    async def finish(self, failure: Fault | None = None) -> None:
        """Record the outcome, once."""
        ...


class Workspace:
    """The tables of one session, and its notices that are still to be told."""

    def __init__(self, session: Session, sources: Mapping[str, Source]) -> None:
        limits = session.limits
        self.session = session
        identity = session.identity
        self.upstream = Upstream(
            sources, session.transaction, session.settings, (identity.issuer, identity.subject)
        )
        self.statements: NameTable[Prepared] = NameTable(
            "prepared statement",
            limits.prepared_statements_max,
            missing_sqlstate="26000",
            duplicate_sqlstate="42P05",
        )
        self.portals: NameTable[Portal] = NameTable(
            "portal", limits.portals_max, missing_sqlstate="34000", duplicate_sqlstate="42P03"
        )
        self.notices: list[NoticeResponse] = []
        self._portals_opened = 0
        self.trace: str | None = None
        """Of the query string that was parsed last."""
        self.phases = Phases()
        """What parsing it cost, until its first statement is prepared."""

    def notice(self, message: NoticeResponse) -> None:
        """Tell the client something beside the answer, unless it asked for errors only."""
        if self.session.settings.get("client_min_messages") == "error":
            return
        if len(self.notices) < NOTICES_MAX:
            self.notices.append(message)

    def take_notices(self) -> list[NoticeResponse]:
        """The notices since the last call."""
        taken, self.notices = self.notices, []
        return taken

    def take_phases(self) -> Phases:
        """Hand over what was counted for the query string."""
        taken, self.phases = self.phases, Phases()
        return taken

    def upstream_name(self) -> str:
        """A portal name for the source that no client chose (I1)."""
        self._portals_opened += 1
        return f"p{self._portals_opened}"

    def cursor(self, name: str) -> Portal:
        """The cursor or portal that FETCH, MOVE and CLOSE name. Raises Fault 34000."""
        portal = self.portals.find(name) if name else None
        if portal is None:
            raise Fault(f'cursor "{name}" does not exist', sqlstate="34000")
        return portal

    async def drop_portals(self, *, deeper_than: int = -1, is_committed: bool = False) -> None:
        """A transaction ended, or went back to a savepoint: portals made since are gone, but for
        held ones after COMMIT."""
        for portal in self.portals:
            if portal.depth > deeper_than and not (is_committed and portal.is_held):
                self.portals.remove(portal.name)
                if portal.run is not None:
                    await portal.run.finish()

    def raise_portals(self, depth: int) -> None:
        """Savepoints were released down to `depth`; what was made inside belongs outside now."""
        for portal in self.portals:
            portal.depth = min(portal.depth, depth)

    async def close_portal(self, name: str) -> None:
        """Close one portal here and, while the transaction is healthy, at the source."""
        portal = self.portals.remove(name)
        if portal is None:
            return
        if portal.run is not None:
            await portal.run.finish()
        if portal.place:
            self.upstream.give_back(portal.place)
            return
        if not portal.upstream or portal.is_finished:
            return
        if portal.prepared.decided is not None and portal.prepared.decided.source:
            await self.upstream.close_portal(portal.prepared.decided.source, portal.upstream)

    async def finish(self, *, is_committed: bool) -> None:
        """COMMIT or ROLLBACK, everywhere. Raises SourceFault when a commit failed."""
        try:
            await self._finish_upstream(is_committed=is_committed)
        except Fault:
            self.session.transaction.finish(is_committed=False)
            raise
        self.session.transaction.finish(is_committed=is_committed)

    async def end_implicit(self, *, is_committed: bool) -> None:
        """Sync, or the end of a Query: an implicit transaction and its portals end here."""
        transaction = self.session.transaction
        if transaction.is_block:
            return
        await self._finish_upstream(is_committed=is_committed)
        await self.upstream.sync()
        transaction.leave_implicit(is_committed=is_committed)

    async def _finish_upstream(self, *, is_committed: bool) -> None:
        await self.drop_portals(is_committed=is_committed)
        try:
            await self.upstream.finish(is_committed=is_committed)
        except Fault:
            await self.drop_portals()  # what was read is not to be relied on
            raise
        for portal in self.portals:
            portal.depth = OUTLIVING

    def close(self) -> None:
        """The client is gone: give back what is held."""
        self.portals.clear()
        self.statements.clear()
        self.upstream.close()
