"""Binding of FROM: leaves become items, joins become namespaces, inner joins are taken apart into
units.

The rules are those of `transformFromClauseItem` and `transformJoinUsingClause`
(`src/backend/parser/parse_clause.c`), and of function aliases in PostgreSQL documentation, section
7.2.1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pb

from proxy.faults import Fault, NotFoundFault, UnsupportedFault
from proxy.sql import label, tree
from proxy.sql.row import function_columns
from proxy.sql.scope import (
    Entry,
    Item,
    ItemKind,
    Join,
    Merged,
    Output,
    Scope,
    Select,
    Space,
    Unit,
    ref_items,
)
from proxy.sql.shape import Field

if TYPE_CHECKING:
    from proxy.sql.bind import Binder, CteScope


@dataclass(slots=True)
class Part:
    """What one FROM element contributes: namespaces, units, and conditions of inner joins."""

    spaces: list[Space]
    units: list[Unit]
    conditions: list[tree.Node] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    nullable: list[Item] = field(default_factory=list)

    @property
    def items(self) -> list[Item]:
        return [item for unit in self.units for item in unit.items]


@dataclass(slots=True)
class Context:
    """Where a FROM element stands: its level, the level outside, and the items to its left."""

    select: Select
    parent: Scope | None
    ctes: CteScope
    left: list[Space]

    def lateral(self) -> Scope:
        return Scope(self.select, list(self.left), self.parent)


def bind_from(binder: Binder, select: Select, parent: Scope | None, ctes: CteScope) -> None:
    """Fill `select` with the items, units, spaces and join conditions of its FROM clause."""
    for node in select.node.from_clause:
        part = _element(binder, node, Context(select, parent, ctes, select.spaces))
        select.spaces += part.spaces
        select.units += part.units
        select.join_conditions += part.conditions
    select.items = [item for unit in select.units for item in unit.items]
    _find_lateral_needs(binder, select)


def renamed(outputs: Sequence[Output], names: Iterable[tree.Node]) -> list[Output]:
    """Outputs under the column names of an alias; names beyond them are the shadow's to refuse."""
    aliases = [name.string.sval for name in names]
    return [
        replace(output, name=aliases[position] if position < len(aliases) else output.name)
        for position, output in enumerate(outputs)
    ]


def _element(binder: Binder, node: tree.Node, context: Context) -> Part:
    match tree.kind(node):
        case "range_var":
            return _relation(binder, node, context)
        case "range_subselect":
            return _subselect(binder, node, context)
        case "range_function":
            return _function(binder, node, context)
        case "json_table" | "range_table_func":
            return _table_of(binder, node, context)
        case "join_expr":
            return _join(binder, node, context)
        case other:
            raise UnsupportedFault(f"{other} in FROM is not supported")


def _leaf(item: Item, schema: str | None, *, binder: Binder, name: str | None = "") -> Part:
    binder.items.append(item)
    entries = [Entry(output.name, output, item) for output in item.outputs]
    space = Space(item.name if name == "" else name, schema, entries, item)
    return Part([space], [Unit(item.node, [item])])


def _relation(binder: Binder, node: tree.Node, context: Context) -> Part:
    relation = node.range_var
    alias = relation.alias if relation.HasField("alias") else None
    name = alias.aliasname if alias else relation.relname
    column_names = alias.colnames if alias else ()
    if not relation.schemaname:
        cte = context.ctes.find(relation.relname)
        if cte is not None:
            item = Item(
                ItemKind.CTE, node, name, renamed(cte.outputs, column_names), context.select
            )
            item.cte = cte
            item.is_working_table = cte.is_open
            cte.is_self_read = cte.is_self_read or cte.is_open
            return _leaf(item, None, binder=binder)
    visible = binder.resolve(relation.schemaname, relation.relname)
    if visible is None:
        shown = ".".join(filter(None, (relation.schemaname, relation.relname)))
        raise NotFoundFault(
            f'relation "{shown}" does not exist', position=binder.locate(relation.location)
        )
    outputs = [Output(column.name, column.type_oid, column=column) for column in visible.columns]
    item = Item(
        ItemKind.RELATION,
        node,
        name,
        renamed(outputs, column_names),
        context.select,
        relation=visible,
    )
    return _leaf(item, None if alias else visible.schema, binder=binder)


def _subselect(binder: Binder, node: tree.Node, context: Context) -> Part:
    element = node.range_subselect
    parent = context.lateral() if element.lateral else context.parent
    query = binder.query(element.subquery.select_stmt, parent, context.ctes)
    alias = element.alias if element.HasField("alias") else None
    outputs = renamed(query.outputs, alias.colnames if alias else ())
    name = alias.aliasname if alias else ""
    item = Item(ItemKind.SUBQUERY, node, name, outputs, context.select, query=query)
    return _leaf(item, None, binder=binder, name=name or None)


def _function(binder: Binder, node: tree.Node, context: Context) -> Part:
    element = node.range_function
    scope = context.lateral()
    columns: list[Field] = []
    is_uncertain = False
    alias = element.alias if element.HasField("alias") else None
    for function in element.functions:
        call, definitions = function.list.items[0], function.list.items[1]
        binder.expressions([call], scope, context.ctes)
        listed = definitions.list.items if definitions.HasField("list") else ()
        listed = listed or (element.coldeflist if len(element.functions) == 1 else ())
        if listed:
            columns += [(definition.column_def.colname, 0) for definition in listed]
        else:
            single = alias.aliasname if alias and len(element.functions) == 1 else None
            found = function_columns(binder, call, single, label.figure(call))
            is_uncertain = is_uncertain or found is None
            columns += [(single or label.figure(call), 0)] if found is None else found
    if element.ordinality:
        columns.append(("ordinality", 0))
    name = alias.aliasname if alias else label.figure(element.functions[0].list.items[0])
    made = [Output(column, oid) for column, oid in columns]
    outputs = renamed(made, alias.colnames if alias else ())
    item = Item(ItemKind.FUNCTION, node, name, outputs, context.select, is_uncertain=is_uncertain)
    return _leaf(item, None, binder=binder)


_TABLE_NAMES = {"json_table": "json_table", "range_table_func": "xmltable"}


def _table_of(binder: Binder, node: tree.Node, context: Context) -> Part:
    """JSON_TABLE or XMLTABLE: a function whose columns stand in the statement.

    It sees the items to its left, LATERAL or not. Columns of NESTED paths come after the others
    of their level (`transformJsonTableColumns` in `src/backend/parser/parse_jsontable.c`).
    """
    field = tree.kind(node)
    element = tree.inner(node)
    binder.expressions([node], context.lateral(), context.ctes)
    if field == "json_table":
        _demand_no_passed_subquery(element)
        columns = list(_json_columns(binder, element.columns))
    else:
        columns = [
            (column.colname, _column_type(binder, column.type_name))
            for column in (one.range_table_func_col for one in element.columns)
        ]
    alias = element.alias if element.HasField("alias") else None
    made = [Output(column, oid) for column, oid in columns]
    outputs = renamed(made, alias.colnames if alias else ())
    name = alias.aliasname if alias else _TABLE_NAMES[field]
    return _leaf(Item(ItemKind.FUNCTION, node, name, outputs, context.select), None, binder=binder)


def _demand_no_passed_subquery(message: tree.Node) -> None:
    """PostgreSQL 17 and 18 analyse what is passed once for each column, and fail the second time:
    `unexpected non-SELECT command in SubLink` (XX000)."""
    for argument in message.passing:
        if any(part.DESCRIPTOR.name == "SubLink" for part in tree.walk(argument)):
            raise UnsupportedFault(
                "a subquery in PASSING of JSON_TABLE is not supported",
                hint="Join the subquery, and pass its column.",
            )


def _json_columns(binder: Binder, nodes: Iterable[tree.Node]) -> Iterator[Field]:
    columns = [node.json_table_column for node in nodes]
    for column in columns:
        if column.coltype != pb.JTC_NESTED:
            yield column.name, _column_type(binder, column.type_name)
    for column in columns:
        yield from _json_columns(binder, column.columns)


def _column_type(binder: Binder, type_name: tree.Node) -> int:
    """Its OID at the source, 0 for one that is not known here (arrays, FOR ORDINALITY)."""
    names = tree.names(type_name.names)
    if not names or type_name.array_bounds:
        return 0
    return binder.shapes.named(names[0] if len(names) > 1 else "pg_catalog", names[-1])


# Joins


def _join(binder: Binder, node: tree.Node, context: Context) -> Part:
    join = node.join_expr
    left = _element(binder, join.larg, context)
    right_context = Context(
        context.select, context.parent, context.ctes, context.left + left.spaces
    )
    right = _element(binder, join.rarg, right_context)
    has_alias = join.HasField("alias")
    names = _using_names(join, left, right)
    if join.HasField("quals"):  # sees both sides as they are, before the join hides their columns
        inside = Scope(context.select, left.spaces + right.spaces, context.parent)
        binder.expressions([join.quals], inside, context.ctes)
    spaces, merged = _join_spaces(join, left, right, names, has_alias=has_alias)
    conditions = left.conditions + right.conditions
    if join.HasField("quals"):
        conditions = [*conditions, join.quals]
    nullable = left.nullable + right.nullable
    if join.jointype in (pb.JOIN_LEFT, pb.JOIN_FULL):
        nullable = nullable + right.items
    if join.jointype in (pb.JOIN_RIGHT, pb.JOIN_FULL):
        nullable = nullable + left.items
    if join.jointype == pb.JOIN_INNER and not names and not has_alias:
        return Part(spaces, left.units + right.units, conditions)
    items = left.items + right.items
    merged = left.merged + right.merged + merged
    for unit in left.units + right.units:  # joins below become part of this one
        if unit.join is not None:
            conditions = conditions + unit.join.conditions
            merged = merged + unit.join.merged
            nullable = nullable + unit.join.nullable
    whole = Join(node, items, conditions, merged, nullable)
    return Part(spaces, [Unit(node, items, whole)])


def _visible_entries(spaces: list[Space]) -> list[Entry]:
    return [entry for space in spaces if space.are_columns_visible for entry in space.entries]


def _using_names(join: tree.Node, left: Part, right: Part) -> list[str]:
    if join.is_natural:
        others = {entry.name for entry in _visible_entries(right.spaces)}
        seen: dict[str, None] = {}
        for entry in _visible_entries(left.spaces):
            if entry.name in others:
                seen[entry.name] = None
        return list(seen)
    return list(tree.names(join.using_clause))


def _join_spaces(
    join: tree.Node, left: Part, right: Part, names: list[str], *, has_alias: bool
) -> tuple[list[Space], list[Merged]]:
    left_entries, right_entries = _visible_entries(left.spaces), _visible_entries(right.spaces)
    entries: list[Entry] = []
    merged_columns: list[Merged] = []
    for name in names:
        merged = Merged(_one(left_entries, name), _one(right_entries, name))
        merged_columns.append(merged)
        kept = merged.right if join.jointype == pb.JOIN_RIGHT else merged.left
        output = kept.output
        if join.jointype == pb.JOIN_FULL:
            output = Output(name, output.type_oid)
        entries.append(Entry(name, output, None, merged))
    using = set(names)
    rest = [e for e in left_entries + right_entries if e.name not in using]
    whole = Space(None, None, [*entries, *rest], None)
    if has_alias:
        aliases = tree.names(join.alias.colnames)
        whole.name = join.alias.aliasname
        whole.entries = [
            Entry(aliases[i] if i < len(aliases) else e.name, e.output, e.item, e.merged)
            for i, e in enumerate(whole.entries)
        ]
        return [whole], merged_columns
    for space in left.spaces + right.spaces:
        space.are_columns_visible = False
    spaces = [*left.spaces, *right.spaces, whole]
    if join.HasField("join_using_alias"):
        using_space = Space(join.join_using_alias.aliasname, None, list(entries), None)
        using_space.are_columns_visible = False
        spaces.append(using_space)
    return spaces, merged_columns


def _one(entries: list[Entry], name: str) -> Entry:
    matches = [entry for entry in entries if entry.name == name]
    if len(matches) != 1:
        state = "42702" if matches else "42703"
        raise Fault(
            f'column "{name}" specified in USING clause is not unique or absent', sqlstate=state
        )
    return matches[0]


def _find_lateral_needs(binder: Binder, select: Select) -> None:
    """Record which units of this level each unit reads: a lateral unit must stand after those."""
    owner = {id(item): unit for unit in select.units for item in unit.items}
    lateral = [unit for unit in select.units if any(_may_be_lateral(item) for item in unit.items)]
    for unit in lateral:
        for message in tree.walk(unit.node):
            if message.DESCRIPTOR.name != "ColumnRef":
                continue
            ref = binder.refs.get(id(message))
            if ref is None or ref.select is not select:
                continue
            for item in ref_items(ref):
                if owner[id(item)] is not unit:
                    unit.needs.add(id(owner[id(item)]))


def _may_be_lateral(item: Item) -> bool:
    if item.kind is ItemKind.FUNCTION:
        return True
    return item.kind is ItemKind.SUBQUERY and item.node.range_subselect.lateral
