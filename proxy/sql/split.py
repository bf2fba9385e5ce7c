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

*Keys.* Where an inner join compares a column of one part with one of another for equality, the part
with the narrower conditions is fetched first, and the other may be asked for the rows with its keys
only: a second query, with one parameter more, for whoever finds the keys to be few.

This file must not know policies, sources' addresses or how anything is fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from postgast import pg_query_pb2 as pb

from policies.model import ColumnDecision, RelationDecision, RelationKey
from proxy.catalog.virtual import Column, VisibleRelation
from proxy.sql import tree
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, Item, ItemKind, RefKind, Select, Unit, columns_read
from proxy.wire.type_oids import FIRST_OWN_OID
from proxy.wire.types import BUILTIN_TYPES

MERGE: Final = "merge"
"""The name under which the merge engine stands among sources; no configured source may bear it."""

MERGE_SCHEMA: Final = "pg_temp"
"""Where parts are loaded: temporary tables belong to one connection and end with it."""

_ALIAS: Final = "part"

# What a copied condition may be made of. The names are libpg_query's messages.
_COPIED: Final = frozenset(
    """A_Expr A_Const ColumnRef ParamRef BoolExpr NullTest BooleanTest TypeCast TypeName List
    A_ArrayExpr String Integer Float Boolean BitString""".split()
)
_ORDER: Final = frozenset({"<", "<=", ">", ">="})
# Inputs of date and time types that ask the server's clock (PostgreSQL documentation, 8.5.1.4).
CLOCKS: Final = frozenset({"now", "today", "tomorrow", "yesterday"})
_BETWEEN: Final = frozenset(
    {
        pb.AEXPR_BETWEEN, pb.AEXPR_NOT_BETWEEN, pb.AEXPR_BETWEEN_SYM, pb.AEXPR_NOT_BETWEEN_SYM,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PartColumn:
    """One fetched column. `type_name` is its type in the temporary table; `is_text`: the source
    sends its text, which the remaining statement casts back (types of the source's own).
    `type_oid`, unless 0, is what the source must describe it as: it was inferred, not introspected.
    """

    name: str
    type_name: str
    is_text: bool
    type_oid: int = 0


@dataclass(frozen=True, slots=True)
class Keys:
    """What narrows a part: the values of `column` in `table`, which is loaded before it, as an
    array of type `array_oid`."""

    table: str
    column: str
    array_oid: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """One relation to fetch: `query` is a statement over it alone, `table` where its rows go.

    `narrowed` is the same with one parameter more, an array that `keys` gives; None without keys.
    """

    relation: VisibleRelation
    table: str
    query: tree.Node
    columns: tuple[PartColumn, ...]
    keys: Keys | None = None
    narrowed: tree.Node | None = None


def take_apart(
    bound: Bound, safety: Safety, parameter_count: int, narrow_tables: Collection[str] = ()
) -> tuple[Wanted, ...]:
    """The parts of a bound statement, one for each relation however often it is named, in an order
    in which each comes after the one that narrows it.

    `bound` is not changed. The queries are trees of their own. `narrow_tables` are tables of the
    merge engine, loaded before any part, whose keys may narrow parts.
    """
    read = columns_read(bound)
    by_key: dict[RelationKey, list[Item]] = {}
    for item in bound.items:
        if item.kind is ItemKind.RELATION and item.relation is not None:
            by_key.setdefault(item.relation.relation.key, []).append(item)
    staged = {key: by_key.pop(key) for key in list(by_key) if key.source == MERGE}
    places = {
        id(item): Place(item, level, unit)
        for level in bound.levels()
        for unit in level.units
        for item in unit.items
    }
    # A relation that is named twice is fetched whole: what narrows one use may not fit the other.
    single = [places[id(items[0])] for items in by_key.values() if len(items) == 1]
    conditions = {id(one.item): _conditions(bound, safety, one) for one in single}
    narrowness = {one: _narrowness(found) for one, found in conditions.items()}
    ordered = sorted(by_key.values(), key=lambda items: -narrowness.get(id(items[0]), 0))
    tables = {id(items[0]): f"t{number}" for number, items in enumerate(ordered, 1)}
    for key, (item, *_) in staged.items():
        if key.name in narrow_tables:
            tables[id(item)] = key.name
            narrowness[id(item)] = 1
            single.append(places[id(item)])
    links = _links(bound, single, tables, narrowness)
    parts = []
    for items in ordered:
        first = items[0]
        relation = first.relation
        assert relation is not None, "an item of kind RELATION has one"
        names = set[str]().union(*(read.get(id(item), set()) for item in items))
        columns = [column for column in relation.columns if column.name in names]
        is_only = all(not item.node.range_var.inh for item in items)
        wanted = _wanted(
            relation, tables[id(first)], columns, conditions.get(id(first), []), is_only=is_only
        )
        if id(first) in links:
            wanted = _narrowed(wanted, links[id(first)], parameter_count + 1)
        parts.append(wanted)
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
            item.relation = tables.get(item.relation.relation.key, item.relation)
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
    return column.type_oid < FIRST_OWN_OID and column.element_oid < FIRST_OWN_OID


# Conditions


@dataclass(frozen=True, slots=True)
class Place:
    """Where a relation stands: its level, and the unit of that level's FROM that holds it."""

    item: Item
    level: Select
    unit: Unit

    @property
    def conjuncts(self) -> list[tree.Node]:
        """What every row of the level fulfils; none where a join may fill this one with NULLs."""
        join = self.unit.join
        if join is not None and any(one is self.item for one in join.nullable):
            return []
        parts = tree.conjuncts(self.level.node.where_clause)
        return parts + [part for one in self.level.join_conditions for part in tree.conjuncts(one)]


def _conditions(bound: Bound, safety: Safety, place: Place) -> list[tree.Node]:
    return [
        _for_part(part, bound)
        for part in place.conjuncts
        if _concerns_only(part, bound, place.item)
        and safety.is_safe(part)
        and _is_exact(part, safety)
    ]


def _narrowness(conditions: Sequence[tree.Node]) -> int:
    """How much conditions promise to leave out: equality counts most. 0 for none."""
    return sum(
        4 if part.a_expr.kind == pb.AEXPR_OP and tree.names(part.a_expr.name)[-1] == "=" else 1
        for part in conditions
    )


# Keys

_Ends = tuple[Item, Column]


def _links(
    bound: Bound,
    single: Sequence[Place],
    tables: Mapping[int, str],
    narrowness: Mapping[int, int],
) -> dict[int, tuple[Keys, str]]:
    """For each relation that another one narrows, by id(): those keys, and the column compared."""
    found: dict[int, tuple[Keys, str]] = {}
    known = {id(place.item): place for place in single}
    for place in single:
        for part in place.conjuncts:
            ends = _compared(part, bound)
            if ends is None:
                continue
            for (item, column), (other, source) in (ends, ends[::-1]):
                if item is not place.item or id(other) not in known or id(item) in found:
                    continue
                is_before = _order(tables[id(other)]) < _order(tables[id(item)])
                if not is_before or not narrowness[id(other)] or not known[id(other)].conjuncts:
                    continue
                array_oid = BUILTIN_TYPES[column.type_oid].array_oid
                keys = Keys(tables[id(other)], source.name, array_oid)
                found[id(item)] = (keys, column.name)
    return found


def _order(table: str) -> tuple[str, int]:
    """Tables are loaded in this order: those of stages, s1 …, then those of relations, t1 …."""
    return table[0], int(table[1:])


def _compared(part: tree.Node, bound: Bound) -> tuple[_Ends, _Ends] | None:
    """The two columns that the condition compares for equality, if of one built-in type."""
    expression = part.a_expr
    is_plain = part.HasField("a_expr") and expression.kind == pb.AEXPR_OP
    if not is_plain or tree.names(expression.name)[-1] != "=":
        return None
    ends = []
    for side in (expression.lexpr, expression.rexpr):
        ref = bound.refs.get(id(side.column_ref)) if side.HasField("column_ref") else None
        entry = ref.entry if ref is not None else None
        if entry is None or entry.item is None or entry.output.column is None:
            return None
        ends.append((entry.item, entry.output.column))
    (left, one), (right, other) = ends
    is_one_type = one.type_oid == other.type_oid and one.type_oid in BUILTIN_TYPES
    is_plain_text = one.collation is None and other.collation is None
    if left is right or not is_one_type or not is_plain_text:
        return None
    return ends[0], ends[1]


def _narrowed(wanted: Wanted, link: tuple[Keys, str], parameter: int) -> Wanted:
    keys, column = link
    query = tree.copy(wanted.query)
    among = pb.A_Expr(
        kind=pb.AEXPR_OP_ANY,
        name=tree.name_list(("=",)),
        lexpr=tree.column(_ALIAS, column),
        rexpr=tree.parameter(parameter),
    )
    condition = tree.conjunction([*tree.conjuncts(query.where_clause), pb.Node(a_expr=among)])
    narrowed = tree.select()
    narrowed.CopyFrom(query)
    narrowed.ClearField("where_clause")
    narrowed.where_clause.CopyFrom(condition)
    return replace(wanted, keys=keys, narrowed=narrowed)


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
        if message.DESCRIPTOR.name == "A_Const" and message.sval.sval.strip().lower() in CLOCKS:
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
