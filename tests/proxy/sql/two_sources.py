"""A virtual catalog over two sources, for tests of what splits a statement."""

from __future__ import annotations

from collections.abc import Sequence

from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn
from proxy.catalog.virtual import (
    ClassCatalog,
    Column,
    Relation,
    SourceCatalog,
    TextRules,
    TypeDefinition,
    class_catalog,
)
from proxy.sql.bind import bind
from proxy.sql.classify import classify
from proxy.sql.identity import settle
from proxy.sql.parse import parse
from proxy.sql.pipeline import Guarded, resolver, rewrite
from proxy.sql.scope import Bound
from tests.proxy.sql.fixture import FACTS

GRADE = TypeDefinition(20_001, "crm", "grade", "e", array_oid=20_002, labels=("low", "high"))
TOKEN = TypeDefinition(20_003, "public", "citext", "b", extension="citext")

PEOPLE = Relation(
    "crm", "crm", "people", "r",
    (
        Column("id", 23, "integer", 1), Column("name", 25, "text", 2), Column("born", 1082, "date", 3),
        Column("grade", 20_001, "crm.grade", 4, type_kind="e"),
        Column("login", 20_003, "public.citext", 5),
        Column("german", 25, "text", 6, collation="de-x-icu"),
        Column("plain", 25, "text", 7, collation="C"),
    ),
    primary_key=("id",),
)  # fmt: skip
ORDERS = Relation(
    "sales", "sales", "orders", "r",
    (
        Column("id", 20, "bigint", 1), Column("person", 23, "integer", 2),
        Column("total", 1700, "numeric(10,2)", 3), Column("status", 25, "text", 4),
        Column("placed", 1184, "timestamp with time zone", 5),
    ),
    primary_key=("id",),
)  # fmt: skip


def catalog(crm: TextRules | None = None, sales: TextRules | None = None) -> ClassCatalog:
    """What everybody sees of both, the sources with these rules of texts."""
    sources = (
        SourceCatalog(
            "crm", 160014, {PEOPLE.key: PEOPLE}, {GRADE.oid: GRADE, TOKEN.oid: TOKEN},
            text_rules=crm or TextRules(),
        ),
        SourceCatalog("sales", 180000, {ORDERS.key: ORDERS}, text_rules=sales or TextRules()),
    )  # fmt: skip
    visible = {
        relation.key: [VisibleColumn(column.name, None) for column in relation.columns]
        for relation in (PEOPLE, ORDERS)
    }
    return class_catalog(sources, visible)


def decide(key: RelationKey) -> RelationDecision:
    """All of `people`; orders that are not late, ten rows at most."""
    relation = PEOPLE if key == PEOPLE.key else ORDERS
    columns = tuple(ColumnDecision(column.name, None, None, None) for column in relation.columns)
    if relation is PEOPLE:
        return RelationDecision(key, columns, "true", frozenset(), ("open",))
    return RelationDecision(
        key, columns, "status <> 'late'", frozenset(), ("timely",), row_limit=10
    )


def bound(sql: str) -> Bound:
    """The statement's binding alone."""
    (statement,) = parse(sql)
    settle(statement.node, FACTS, {})
    resolve = resolver(catalog(), FACTS.schemas, FACTS.database)
    return bind(statement.node, resolve, statement.position)


def guarded(
    sql: str, parameter_oids: Sequence[int] = (), seen: ClassCatalog | None = None
) -> Guarded:
    """The statement through the whole pipeline."""
    (statement,) = parse(sql)
    return rewrite(
        classify(statement), seen or catalog(), decide, facts=FACTS, parameter_oids=parameter_oids
    )


def parts(sql: str, parameter_oids: Sequence[int] = ()) -> list[str]:
    """What each source is asked, `pg_catalog.` left out."""
    found = guarded(sql, parameter_oids)
    return [part.guarded.rewritten.sql.replace("pg_catalog.", "") for part in found.parts]
