"""The shop of the live tests without any server: its catalog by hand, and a shadow that notes.

The policy is that of `tests/live/gate.py`: analysts see the orders of their `regions` with masked
notes, auditors see all of them clear, nobody sees `secrets`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from policies.claims import ClaimValue
from policies.decide import PolicySet
from policies.identity import Identity
from proxy.catalog.class_database import Oids
from proxy.catalog.shadow_class import ShadowDescription, ShadowRows
from proxy.catalog.virtual import ClassCatalog, Column, Relation, SourceCatalog, TypeDefinition
from proxy.decider import PolicyDecider
from proxy.decision import Decided
from proxy.estate import Estate
from proxy.faults import Fault
from proxy.limits import SessionLimits
from proxy.session import Session
from proxy.settings import Settings
from proxy.sql.parse import Statement, parse
from proxy.sql.plan import Fragment
from proxy.wire.backend import FieldDescription
from proxy.wire.batch import RowBatch
from tests.live.gate import DATABASE, policy_set

NOW = 1_800_000_000.0
"""The time of these tests, unix seconds."""

MOOD_OID = 90_001
SHADOW_MOOD_OID = 16_500
"""The enum `shop.mood` at the source and in the shadow."""

_MOOD = TypeDefinition(MOOD_OID, "shop", "mood", "e", labels=("sad", "ok", "happy"))


def relation(name: str, *columns: tuple[str, int, str], schema: str = "shop") -> Relation:
    """A table whose first column is its key; a column is its name, type OID and type name."""
    made = tuple(
        Column(column, oid, type_name, position, type_kind="e" if oid == MOOD_OID else "b")
        for position, (column, oid, type_name) in enumerate(columns, 1)
    )
    fingerprint = repr(columns)
    key = (columns[0][0],)
    return Relation("main", schema, name, "r", made, primary_key=key, fingerprint=fingerprint)


ORDERS = relation(
    "orders",
    ("id", 20, "bigint"),
    ("region", 25, "text"),
    ("amount", 1700, "numeric"),
    ("note", 25, "text"),
    ("placed", 1184, "timestamp with time zone"),
    ("tags", 1009, "text[]"),
    ("mood", MOOD_OID, "shop.mood"),
    ("hidden", 25, "text"),
)
ITEMS = relation("items", ("id", 20, "bigint"), ("order_id", 20, "bigint"), ("sku", 25, "text"))
VISIBLE = ("id", "region", "amount", "note", "placed", "tags", "mood")
"""The columns of orders that the policy names."""

SECRETS = relation("secrets", ("id", 23, "integer"), ("note", 25, "text"))


def catalog(*relations: Relation) -> SourceCatalog:
    """The source's schema, by default all of the shop."""
    found = relations or (ORDERS, ITEMS, SECRETS)
    return SourceCatalog("main", 160_014, {one.key: one for one in found}, {MOOD_OID: _MOOD})


def policy(version: str = "v1", *, note_clear: bool = False) -> PolicySet:
    """The policy of the shop."""
    return policy_set(version, note_clear=note_clear)


def identity(
    subject: str = "alice",
    *roles: str,
    expires_at: float = NOW + 3600,
    **claims: ClaimValue,
) -> Identity:
    """A principal, by default an analyst of emea."""
    given = claims or {"regions": ("emea",)}
    return Identity.create(
        subject=subject,
        issuer="https://issuer.test",
        roles=frozenset(roles or ("analyst",)),
        claims=given,
        expires_at=expires_at,
    )


def session(
    who: Identity | None = None, *, number: int = 7, limits: SessionLimits | None = None
) -> Session:
    """A session of alice's, or of somebody else's."""
    found = who or identity()
    made = Session(
        found, DATABASE, found.subject, "127.0.0.1:1", limits or SessionLimits(), Settings({})
    )
    made.number = number
    return made


@dataclass
class NotingShadow:
    """A shadow that says of every statement the same and notes what it was asked.

    Undeclared parameters are bigint. `fault` is raised where it is set, for a text that contains
    `refused`.
    """

    described: list[str] = field(default_factory=list)
    ran: list[tuple[str, tuple[bytes | None, ...], tuple[str, ...]]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    fault: Fault | None = None
    refused: str = ""
    type_oid: int = 20

    async def class_for(self, catalog: ClassCatalog) -> NotingShadow:
        self.classes.append(catalog.key)
        return self

    async def describe(
        self, sql: str, parameter_oids: Sequence[int], search_path: Sequence[str]
    ) -> ShadowDescription:
        self.described.append(sql)
        if self.fault is not None and self.refused in sql:
            raise self.fault
        highest = max((int(number) for number in re.findall(r"\$(\d+)", sql)), default=0)
        oids = [*parameter_oids, *([0] * (highest - len(parameter_oids)))]
        given = tuple(oid or 20 for oid in oids)
        return ShadowDescription(given, (FieldDescription("it", 0, 0, self.type_oid, 8),))

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
        self.ran.append((sql, tuple(parameters), tuple(search_path)))
        return ShadowRows(None, (RowBatch(0, b""),), "SELECT 0")

    async def oids(self) -> Oids:
        return Oids(
            described={("main", MOOD_OID): SHADOW_MOOD_OID},
            sources={("main", SHADOW_MOOD_OID): MOOD_OID},
        )


def with_column(found: Relation, name: str) -> Relation:
    """The relation after `ALTER TABLE … ADD COLUMN name text`."""
    added = Column(name, 25, "text", len(found.columns) + 1)
    columns = (*found.columns, added)
    return replace(found, columns=columns, fingerprint=found.fingerprint + name)


class Stage:
    """A decider over the shop, its clock and its shadow in the test's hands."""

    def __init__(self, rules: PolicySet | None = None) -> None:
        self.estate = Estate(rules or policy(), (catalog(),))
        self.shadow = NotingShadow()
        self.now = NOW
        self.decider = PolicyDecider(
            lambda: self.estate, self.shadow, server_version="16.10", clock=lambda: self.now
        )

    async def decide(
        self, sql: str, who: Session | None = None, oids: tuple[int, ...] = ()
    ) -> Decided:
        return await self.decider.decide(who or ALICE, one(sql), oids)

    def fragment(self, decided: Decided, who: Session | None = None) -> Fragment:
        found = self.decider.runnable(who or ALICE, decided).fragment
        assert found is not None
        return found

    async def is_shared(self, sql: str, first: Session, second: Session) -> bool:
        """Whether the second session gets what was decided for the first."""
        await self.decide(sql, first)
        asked = len(self.shadow.described)
        await self.decide(sql, second)
        return len(self.shadow.described) == asked


def one(sql: str) -> Statement:
    """The statement of a text that holds one."""
    (statement,) = parse(sql)
    return statement


ALICE = session()
SUE = session(identity("sue", regions=("apac",)), number=8)
BOB = session(identity("bob", "auditor"), number=9)

ORDERS_QUERY = "SELECT id, note FROM shop.orders"
