"""A small virtual catalog with decisions, for tests of the SQL floor that need no server.

`orders` is filtered by a lookup (a subquery filter: the dangerous kind) and masks `secret`; `items` and
`people` are open; `vp` is a view; `calc` has a virtual generated column. `shortened` prints guarded SQL
with each guard as `[orders]`, or `[orders!]` when the guard carries its own fence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from policies.claims import ClaimType
from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn
from proxy.catalog.virtual import ClassCatalog, Column, Relation, SourceCatalog, class_catalog
from proxy.sql.bind import bind
from proxy.sql.classify import classify
from proxy.sql.identity import SessionFacts, settle
from proxy.sql.parse import parse
from proxy.sql.pipeline import Guarded, resolver, rewrite
from proxy.sql.scope import Bound

MASK = "CASE WHEN \"tenant\" = claim('home') THEN \"secret\" ELSE 'x'::text END"
FILTER = "\"tenant\" IN (SELECT m.tenant FROM org.members m WHERE m.u = claim('sub'))"
CLAIM_TYPES = {"home": ClaimType.parse("text"), "sub": ClaimType.parse("text")}
FACTS = SessionFacts(user="alice", database="analytics", backend_pid=7, server_version="16.14")


def _relation(
    name: str,
    columns: Sequence[tuple[str, int]],
    key: tuple[str, ...] = (),
    *,
    kind: str = "r",
    schema: str = "public",
    virtual: str = "",
) -> Relation:
    made = tuple(
        Column(column, oid, str(oid), position, generated="v" if column == virtual else "")
        for position, (column, oid) in enumerate(columns, 1)
    )
    return Relation("main", schema, name, kind, made, primary_key=key)


RELATIONS = (
    _relation(
        "orders",
        [
            ("id", 20), ("tenant", 25), ("amount", 1700), ("secret", 25), ("note", 25),
            ("placed", 1184), ("doc", 3802), ("raw", 114),
        ],
        ("id",),
    ),
    _relation("items", [("order_id", 20), ("line", 23), ("sku", 25), ("qty", 23)], ("order_id", "line")),
    _relation("people", [("id", 23), ("manager_id", 23), ("name", 25), ("ratio", 701)], ("id",)),
    _relation("orders", [("id", 20), ("note", 25)], ("id",), schema="archive"),
    Relation(
        "main", "public", "texts", "r",
        (
            Column("plain", 25, "text", 1), Column("german", 25, "text", 2, collation="de-x-icu"),
            Column("swedish", 25, "text", 3, collation="sv-x-icu"),
            Column("blurred", 25, "text", 4, collation="ci", is_deterministic=False),
        ),
    ),
    _relation("vp", [("id", 20), ("n", 23)], kind="v"),
    _relation("calc", [("id", 20), ("inv", 23)], ("id",), virtual="inv"),
)  # fmt: skip
SOURCE = SourceCatalog("main", 160014, {relation.key: relation for relation in RELATIONS})
VISIBLE = {
    relation.key: [
        VisibleColumn(column.name, "text" if column.name == "secret" else None)
        for column in relation.columns
    ]
    for relation in RELATIONS
}
CATALOG: ClassCatalog = class_catalog([SOURCE], VISIBLE)


def decide(key: RelationKey) -> RelationDecision:
    """The fixture's policy."""
    columns = tuple(
        ColumnDecision(column.name, MASK, "text", "half")
        if column.name == "secret"
        else ColumnDecision(column.name, None, None, None)
        for column in SOURCE.relations[key].columns
    )
    if key != RelationKey("main", "public", "orders"):
        return RelationDecision(key, columns, "true", frozenset(), ("open",))
    claims = frozenset(CLAIM_TYPES)
    return RelationDecision(key, columns, FILTER, claims, ("mine",), claim_types=CLAIM_TYPES)


def guarded(sql: str, parameter_oids: Sequence[int] = ()) -> Guarded:
    """The statement through classify, bind, fence, guard and verify."""
    (statement,) = parse(sql)
    return rewrite(classify(statement), CATALOG, decide, facts=FACTS, parameter_oids=parameter_oids)


def bound(sql: str) -> Bound:
    """The statement's binding alone."""
    (statement,) = parse(sql)
    settle(statement.node, FACTS, {})
    resolve = resolver(CATALOG, FACTS.schemas, FACTS.database)
    return bind(statement.node, resolve, statement.position)


_GUARDS = {
    relation.key: re.escape(f" FROM {relation.schema}.{relation.name}") for relation in RELATIONS
}


def shortened(sql: str) -> str:
    """Guarded SQL for people: guards as `[name]`, `pg_catalog.` left out."""
    for key, pattern in _GUARDS.items():
        name = key.name if key.schema == "public" else f"{key.schema}.{key.name}"
        where = r"(?: WHERE tenant IN \(SELECT m\.tenant FROM org\.members m WHERE m\.u = [^)]*\) IS TRUE)?"
        whole = rf"\(SELECT (?:(?!\(SELECT).)*?{pattern}{where}( OFFSET 0)?\)"
        sql = re.sub(whole, lambda match, n=name: f"[{n}{'!' if match[1] else ''}]", sql)  # type: ignore[misc]
    return sql.replace("pg_catalog.", "").replace("OPERATOR(", "(")
