"""A statement over several sources, taken apart: what to fetch where, and what remains to be run.

Each base relation becomes a *part*: one query of its own, over that relation alone, with the
columns that the statement reads and those of its conditions that concern nothing else. A part is
guarded and verified like any statement, at its own source. What remains is the client's statement
with each relation replaced by the temporary table that its part is loaded into. It runs in the
merge engine, a Postgres of the gate's own: so its semantics are Postgres' own, and it sees visible
rows and masked values only.

A condition is *copied* into a part, never moved: it is checked again on what arrived, so a source
that keeps too many rows costs time and nothing else. It is copied only where the source cannot come
to another answer than the merge engine: no function (clocks and configurations differ), no order of
texts (collations differ), and nothing that could raise. Rows that an outer join may fill with NULLs
are fetched whole.

This file must not know policies, sources' addresses or how anything is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from postgast import pg_query_pb2 as pb

from policies.model import ColumnDecision, RelationDecision, RelationKey
from proxy.catalog.virtual import Column, VisibleRelation
from proxy.sql import tree
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, Item, ItemKind, RefKind, Select, Unit, columns_read

MERGE: Final = "merge"
"""The name under which the merge engine stands among sources; no configured source may bear it."""

MERGE_SCHEMA: Final = "pg_temp"
"""Where parts are loaded: temporary tables belong to one connection and end with it."""

FIRST_NORMAL_OID: Final = 16_384
"""PostgreSQL source, access/transam.h: lower OIDs are built in and the same everywhere."""

_ALIAS: Final = "part"

# What a copied condition may be made of. The names are libpg_query's messages.
_COPIED: Final = frozenset(
    """A_Expr A_Const ColumnRef ParamRef BoolExpr NullTest BooleanTest TypeCast TypeName List
    A_ArrayExpr String Integer Float Boolean BitString""".split()
)
_ORDER: Final = frozenset({"<", "<=", ">", ">="})
# Inputs of date and time types that ask the server's clock (PostgreSQL documentation, 8.5.1.4).
_CLOCKS: Final = frozenset({"now", "today", "tomorrow", "yesterday"})
_BETWEEN: Final = frozenset(
    {
        pb.AEXPR_BETWEEN, pb.AEXPR_NOT_BETWEEN, pb.AEXPR_BETWEEN_SYM, pb.AEXPR_NOT_BETWEEN_SYM,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PartColumn:
    """One fetched column. `type_name` is its type in the temporary table; `is_text`: the source
    sends its text, which the remaining statement casts back (types of the source's own)."""

    name: str
    type_name: str
    is_text: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """One relation to fetch: `query` is a statement over it alone, `table` where its rows go."""

    relation: VisibleRelation
    table: str
    query: tree.Node
    columns: tuple[PartColumn, ...]


def take_apart(bound: Bound, safety: Safety) -> tuple[Wanted, ...]:
    """The parts of a bound statement, one for each relation however often it is named.

    `bound` is not changed. The queries are trees of their own.
    """
    read = columns_read(bound)
    units = {
        id(item): (level, unit)
        for level in bound.levels()
        for unit in level.units
        for item in unit.items
    }
    by_key: dict[RelationKey, list[Item]] = {}
    for item in bound.items:
        if item.kind is ItemKind.RELATION and item.relation is not None:
            by_key.setdefault(item.relation.relation.key, []).append(item)
    parts = []
    for number, items in enumerate(by_key.values(), 1):
        relation = items[0].relation
        assert relation is not None, "an item of kind RELATION has one"
        names = set[str]().union(*(read.get(id(item), set()) for item in items))
        columns = [column for column in relation.columns if column.name in names]
        conditions: list[tree.Node] = []
        if len(items) == 1:
            level, unit = units[id(items[0])]
            conditions = _conditions(bound, safety, level, unit, items[0])
        is_only = all(not item.node.range_var.inh for item in items)
        parts.append(_wanted(relation, f"t{number}", columns, conditions, is_only=is_only))
    return tuple(parts)


def point_at_tables(bound: Bound, parts: Sequence[Wanted]) -> dict[RelationKey, RelationDecision]:
    """Let every relation of `bound` mean the table of its part.

    Returns the decisions to guard these with: all rows, columns as they were loaded, those that
    were not read as NULL, so that the row keeps its shape.
    """
    tables: dict[RelationKey, VisibleRelation] = {}
    decisions: dict[RelationKey, RelationDecision] = {}
    for part in parts:
        key = RelationKey(MERGE, MERGE_SCHEMA, part.table)
        relation = replace(
            part.relation.relation, source=MERGE, schema=MERGE_SCHEMA, name=part.table
        )
        tables[part.relation.relation.key] = VisibleRelation(relation, part.relation.columns)
        loaded = {column.name: column for column in part.columns}
        shown = tuple(_shown(column, loaded) for column in part.relation.columns)
        decisions[key] = RelationDecision(key, shown, "true", frozenset(), ())
    for item in bound.items:
        if item.kind is ItemKind.RELATION and item.relation is not None:
            item.relation = tables[item.relation.relation.key]
    return decisions


def _shown(column: Column, loaded: Mapping[str, PartColumn]) -> ColumnDecision:
    part = loaded.get(column.name)
    if part is None:
        return ColumnDecision(column.name, "NULL", None, None)
    if part.is_text:
        quoted = '"' + column.name.replace('"', '""') + '"'
        return ColumnDecision(column.name, f"{quoted}::{column.type_name}", None, None)
    return ColumnDecision(column.name, None, None, None)


def _wanted(
    relation: VisibleRelation,
    table: str,
    columns: Sequence[Column],
    conditions: Sequence[tree.Node],
    *,
    is_only: bool,
) -> Wanted:
    query = tree.select()
    fetched = []
    for column in columns:
        is_text = not _is_built_in(column)
        value = tree.column(_ALIAS, column.name)
        if is_text:
            value = tree.cast(value, "text")
        query.target_list.append(tree.target(value, column.name))
        fetched.append(PartColumn(column.name, "text" if is_text else column.type_name, is_text))
    query.from_clause.append(
        pb.Node(
            range_var=pb.RangeVar(
                schemaname=relation.schema,
                relname=relation.name,
                inh=not is_only,
                relpersistence="p",
                alias=tree.alias(_ALIAS),
            )
        )
    )
    condition = tree.conjunction(conditions)
    if condition is not None:
        query.where_clause.CopyFrom(condition)
    return Wanted(relation, table, query, tuple(fetched))


def _is_built_in(column: Column) -> bool:
    """Whether both servers know the type by the same name, number and binary form."""
    return column.type_oid < FIRST_NORMAL_OID and column.element_oid < FIRST_NORMAL_OID


# Conditions


def _conditions(
    bound: Bound, safety: Safety, level: Select, unit: Unit, item: Item
) -> list[tree.Node]:
    if unit.join is not None and any(one is item for one in unit.join.nullable):
        return []
    parts = tree.conjuncts(level.node.where_clause)
    parts += [part for one in level.join_conditions for part in tree.conjuncts(one)]
    return [
        _for_part(part, bound)
        for part in parts
        if _concerns_only(part, bound, item) and safety.is_safe(part) and _is_exact(part, safety)
    ]


def _concerns_only(part: tree.Node, bound: Bound, item: Item) -> bool:
    is_about_item = False
    for message in tree.walk(part):
        if message.DESCRIPTOR.name not in _COPIED:
            return False
        if message.DESCRIPTOR.name != "ColumnRef":
            continue
        ref = bound.refs.get(id(message))
        if ref is None or ref.kind is not RefKind.COLUMN or ref.entry is None:
            return False
        if ref.entry.merged is not None or ref.entry.item is not item:
            return False
        if ref.entry.output.column is None:
            return False
        is_about_item = True
    return is_about_item


def _is_exact(part: tree.Node, safety: Safety) -> bool:
    """Whether every server must agree: texts are compared for equality only."""
    for message in tree.walk(part):
        if message.DESCRIPTOR.name == "A_Const" and message.sval.sval.strip().lower() in _CLOCKS:
            return False
        if message.DESCRIPTOR.name != "A_Expr":
            continue
        name = message.name[-1].string.sval if message.name else ""
        is_order = message.kind in _BETWEEN or name in _ORDER
        if is_order and safety.type_of(message.lexpr) not in _ORDERED_ALIKE:
            return False
        # A fixed-length text compares without its trailing blanks; what type the other side takes
        # is the source's to infer, and must be the merge engine's too.
        if safety.type_of(message.lexpr) == 0:
            return False
    return True


# boolean, integers, oid, floats, dates and times, numeric, uuid: one order on every server
_ORDERED_ALIKE: Final = frozenset(
    {16, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950}
)


def _for_part(part: tree.Node, bound: Bound) -> tree.Node:
    """A copy of the condition whose references name the part's own relation and stored columns."""
    copied = tree.copy(part)
    for before, after in zip(list(tree.walk(part)), list(tree.walk(copied)), strict=True):
        if before.DESCRIPTOR.name != "ColumnRef":
            continue
        entry = bound.refs[id(before)].entry
        assert entry is not None, "asked in _concerns_only"
        assert entry.output.column is not None, "asked in _concerns_only"
        del after.fields[:]
        after.fields.extend(tree.name_list((_ALIAS, entry.output.column.name)))
    return copied
