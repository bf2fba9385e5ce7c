"""What was decided about one statement, and the promise of whoever decides.

This file must not know how a decision is made (`proxy/decider.py`) or run (`proxy/gate.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from proxy.catalog.class_database import Oids
from proxy.catalog.shadow_class import ShadowDescription, ShadowRows
from proxy.catalog.virtual import ClassCatalog
from proxy.faults import Fault
from proxy.recode import Recoder
from proxy.runtime.audit import RelationAccess
from proxy.session import Session
from proxy.sources.base import Arguments
from proxy.sql.parse import Statement
from proxy.sql.plan import Fragment
from proxy.sql.split import Keys, PartColumn
from proxy.wire.backend import FieldDescription
from proxy.wire.batch import RowBatch


class Target(Enum):
    """Who answers: a source, the shadow, or the gate itself (EXPLAIN POLICY)."""

    SOURCE = auto()
    SHADOW = auto()
    GATE = auto()


class Decided(Protocol):
    """A statement that passed every step before running; may be shared and cached.

    `fields` and `parameter_oids` come from the shadow's description alone. `revision` names the
    policy and catalog that it was decided with.
    """

    @property
    def target(self) -> Target: ...
    @property
    def source(self) -> str: ...
    @property
    def parameter_oids(self) -> tuple[int, ...]: ...
    @property
    def fields(self) -> tuple[FieldDescription, ...] | None: ...
    @property
    def revision(self) -> str: ...
    @property
    def guarded_sql(self) -> str: ...
    @property
    def accesses(self) -> tuple[RelationAccess, ...]: ...


@dataclass(frozen=True, slots=True)
class Load:
    """A part of a statement over several sources: run `fragment`, put its rows into `table`.

    `narrowed` may stand in for it where the `keys`, in a table that is loaded before, are few.
    """

    fragment: Fragment
    table: str
    columns: tuple[PartColumn, ...]
    keys: Keys | None = None
    narrowed: Fragment | None = None


@dataclass(frozen=True, slots=True)
class Runnable:
    """One execution of a decided statement for one identity.

    `fragment` for a source, `shadow_sql` for the shadow, `rows` for the gate's own answer: one of
    them. `is_text_visible`: nothing is evaluated on a hidden row, so error texts of the source may
    be told. `arguments`, where not None, stand in for the client's: values lifted from its text.
    `recoder` where binary values tell of types that source and client number differently.
    `loads` come first where `fragment` is for the merge engine, in a database for `catalog`.
    """

    fragment: Fragment | None = None
    shadow_sql: str = ""
    rows: tuple[tuple[str | None, ...], ...] | None = None
    pattern_parameters: frozenset[int] = frozenset()
    is_text_visible: bool = False
    arguments: Arguments | None = None
    recoder: Recoder | None = None
    loads: tuple[Load, ...] = ()
    catalog: ClassCatalog | None = None

    @property
    def is_merged(self) -> bool:
        """Whether it is the merge engine that runs it."""
        return self.catalog is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a session may run again and again without asking: a `Runnable` for a source, as long as
    `Decider.epoch` is `epoch` and the time is before `until` (unix seconds). `is_text_only`: its
    binary values would have to be recoded."""

    epoch: object
    until: float
    fragment: Fragment
    arguments: Arguments | None
    is_text_only: bool = False


class ShadowOfClass(Protocol):
    """The Postgres that knows what one class may see and holds no row."""

    async def describe(
        self, sql: str, parameter_oids: Sequence[int], search_path: Sequence[str]
    ) -> ShadowDescription:
        """Types of a statement; nothing is executed. Raises the Fault that Postgres raised."""
        ...

    async def run(
        self,
        sql: str,
        parameters: Sequence[bytes | None] = (),
        formats: Sequence[int] = (),
        result_formats: Sequence[int] = (),
        *,
        parameter_oids: Sequence[int] = (),
        search_path: Sequence[str] = ("public",),
        principal: str = "",
        is_copy: bool = False,
    ) -> ShadowRows:
        """Rows of a catalog statement. Raises Fault, LimitFault."""
        ...

    async def oids(self) -> Oids:
        """OIDs of the class's own types, here and at the sources."""
        ...


class Shadow(Protocol):
    """The shadows of all classes."""

    async def class_for(self, catalog: ClassCatalog) -> ShadowOfClass:
        """The shadow of the class that sees `catalog`."""
        ...


class Decider(Protocol):
    """Statements in, decisions out; nothing is run here but Parse and Describe on the shadow."""

    async def decide(
        self, session: Session, statement: Statement, parameter_oids: tuple[int, ...]
    ) -> Decided:
        """Decide `statement` for this session. Raises the fault to tell when it is refused."""
        ...

    @property
    def revision(self) -> str:
        """The policy in force now, for records."""
        ...

    @property
    def epoch(self) -> object:
        """Policy and catalog in force: another object whenever either may have changed."""
        ...

    def standing(self, session: Session, decided: Decided) -> Standing | None:
        """What `runnable` would say until further notice, for this identity; None where it has to
        be asked each time. Raises DeniedFault."""
        ...

    def is_templated(self, decided: Decided) -> bool:
        """Whether it is the decision of a template: see `varied`."""
        ...

    def varied(self, decided: Decided, statement: Statement, values: tuple[bytes, ...]) -> Decided:
        """The decision of a statement that differs from a decided one in its lifted values only."""
        ...

    def is_current(self, session: Session, decided: Decided) -> bool:
        """Whether policy, catalog and what else it depended on are still the same."""
        ...

    def runnable(self, session: Session, decided: Decided) -> Runnable:
        """What to run now, with this identity's claims. Raises DeniedFault."""
        ...

    async def clarified(self, session: Session, decided: Decided, fault: Fault) -> Fault:
        """The fault to tell for one that a source raised: of the client's own text where it can
        be told from that alone, else `fault`."""
        ...

    async def answer_catalog(
        self, session: Session, decided: Decided, arguments: Arguments, formats: tuple[int, ...]
    ) -> list[RowBatch]:
        """Run a catalog statement on the shadow, bounded in rows. Raises SourceFault,
        LimitFault."""
        ...
