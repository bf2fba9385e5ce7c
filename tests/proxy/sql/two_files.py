"""A virtual catalog of one source of files, for tests of what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence

from policies.claims import ClaimType
from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn
from proxy.catalog.virtual import ClassCatalog, Column, Relation, SourceCatalog, class_catalog
from proxy.sql.classify import classify
from proxy.sql.parse import parse
from proxy.sql.pipeline import Guarded, rewrite
from tests.proxy.sql.fixture import FACTS

EVENTS = Relation(
    "web", "web", "events", "r",
    (
        Column("id", 20, "bigint", 1), Column("country", 25, "text", 2),
        Column("amount", 1700, "numeric(10,2)", 3), Column("score", 701, "double precision", 4),
        Column("real", 700, "real", 5), Column("is_new", 16, "boolean", 6),
        Column("day", 1082, "date", 7), Column("at", 1114, "timestamp without time zone", 8),
        Column("seen", 1184, "timestamp with time zone", 9),
        Column("raw", 17, "bytea", 10, is_opaque=True),
        Column("text_number", 1700, "numeric", 11, is_opaque=True),
        Column("wide", 1700, "numeric(38,0)", 12),
        Column("took", 1186, "interval", 13, is_opaque=True),
    ),
)  # fmt: skip
TARGETS = Relation(
    "web", "web", "targets", "r",
    (Column("country", 25, "text", 1), Column("target", 23, "integer", 2)),
)  # fmt: skip
RELATIONS = (EVENTS, TARGETS)
MASK = "pg_catalog.upper(country)"


def catalog() -> ClassCatalog:
    """What everybody sees: all but the column `score` of events."""
    source = SourceCatalog(
        "web", 160_000, {one.key: one for one in RELATIONS}, text_rules=None, is_files=True
    )
    return class_catalog([source], {one.key: _visible(one) for one in RELATIONS})


def _visible(relation: Relation) -> list[VisibleColumn]:
    return [
        VisibleColumn(column.name, "text" if column.name == "country" else None)
        for column in relation.columns
    ]


def decide(key: RelationKey) -> RelationDecision:
    """Events of one's countries, the country in capitals; all targets."""
    relation = next(one for one in RELATIONS if one.key == key)
    is_events = relation is EVENTS
    columns = tuple(
        ColumnDecision(
            column.name,
            MASK if is_events and column.name == "country" else None,
            "capitals" if is_events and column.name == "country" else None,
            None,
        )
        for column in relation.columns
    )
    if not is_events:
        return RelationDecision(key, columns, "true", frozenset(), ("open",))
    return RelationDecision(
        key,
        columns,
        "country = ANY(claim('countries')) AND pg_catalog.length(country) = 2",
        frozenset({"countries"}),
        ("theirs",),
        claim_types={"countries": ClaimType.parse("text[]")},
    )


def guarded(sql: str, parameter_oids: Sequence[int] = ()) -> Guarded:
    """The statement through the whole pipeline."""
    (statement,) = parse(sql)
    return rewrite(
        classify(statement), catalog(), decide, facts=FACTS, parameter_oids=parameter_oids
    )
