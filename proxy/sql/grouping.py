"""Columns that PostgreSQL lets a query use ungrouped because the primary key is grouped.

`SELECT o.id, o.note, count(*) … GROUP BY o.id` is legal on a table and an error on a subquery,
which is what a guarded relation becomes (pitfall 16). So the dependent columns that are used are
added to GROUP BY; the groups stay the same, for the key already determines them.
Source of the rule: PostgreSQL documentation, section 7.2.3, and `check_functional_grouping`.
"""

from __future__ import annotations

from proxy.faults import UnsupportedFault
from proxy.sql import tree
from proxy.sql.level import is_aggregate, is_json_aggregate
from proxy.sql.scope import Bound, Entry, Item, ItemKind, Output, Ref, RefKind, Select

# Built-in types without an equality operator cannot stand in GROUP BY.
_UNGROUPABLE_OIDS = frozenset({114, 142, 600, 601, 602, 603, 604, 628, 718, 4072})


def add_dependent_columns(bound: Bound, select: Select) -> None:
    """Complete the GROUP BY list of one level, in place."""
    keys = list(select.node.group_clause)
    if not keys or any(key.HasField("grouping_set") for key in keys):
        return
    owners = {id(output): item for item in select.items for output in item.outputs}
    grouped: set[int] = set()
    for key in keys:
        ref = bound.refs.get(id(key.column_ref)) if key.HasField("column_ref") else None
        if ref is not None and ref.select is select and ref.entry is not None:
            grouped.add(id(ref.entry.output))
    for item in select.items:
        if item.kind is ItemKind.RELATION and _is_key_grouped(item, grouped):
            _add(bound, select, item, grouped, owners)


def _is_key_grouped(item: Item, grouped: set[int]) -> bool:
    assert item.relation is not None
    key = item.relation.primary_key
    names = {
        output.column.name
        for output in item.outputs
        if output.column is not None and id(output) in grouped
    }
    return bool(key) and names.issuperset(key)


def _add(
    bound: Bound, select: Select, item: Item, grouped: set[int], owners: dict[int, Item]
) -> None:
    for ref in _ungrouped_references(bound, select):
        if ref.kind is RefKind.WHOLE_ROW:
            if ref.space is not None and ref.space.item is item:
                raise UnsupportedFault("a whole row under GROUP BY is not supported")
            continue
        entries = [ref.entry] if ref.entry is not None else ref.entries
        for entry in entries:
            output = entry.output
            if owners.get(id(output)) is not item or id(output) in grouped:
                continue
            grouped.add(id(output))
            _append(bound, select, entry, item, output)


def _append(bound: Bound, select: Select, entry: Entry, item: Item, output: Output) -> None:
    if output.column is not None and output.column.base_type_oid in _UNGROUPABLE_OIDS:
        raise UnsupportedFault(
            f'column "{entry.name}" of this type cannot be used ungrouped',
            hint="Use it in an aggregate, or group a subquery and join it.",
        )
    name = next((own for own in item.outputs if own is output), output).name
    added = select.node.group_clause.add()
    added.CopyFrom(tree.column(item.name, name))
    ref = Ref(added.column_ref, RefKind.COLUMN, select, entry=Entry(name, output, item))
    home = next((space for space in select.spaces if space.item is item), None)
    if home is not None:
        ref.entry = next((own for own in home.entries if own.output is output), ref.entry)
    bound.refs[id(ref.message)] = ref
    select.refs.append(ref)
    item.refs.append(ref)


def _ungrouped_references(bound: Bound, select: Select) -> list[Ref]:
    """References to this level outside aggregates, in the clauses evaluated after grouping."""
    node = select.node
    stack: list[tree.Node] = [*node.target_list, *node.sort_clause, *node.window_clause]
    stack += [*node.distinct_clause, node.having_clause]
    found: list[Ref] = []
    stack.reverse()
    while stack:
        message = stack.pop()
        if message.DESCRIPTOR.name == "Node":
            if not message.WhichOneof("node"):
                continue
            message = tree.inner(message)
        if message.DESCRIPTOR.name == "ColumnRef":
            ref = bound.refs.get(id(message))
            if ref is not None and ref.select is select:
                found.append(ref)
        elif message.DESCRIPTOR.name == "FuncCall" and is_aggregate(message):
            stack.extend(reversed(message.args if message.agg_within_group else ()))
        elif is_json_aggregate(message):
            continue
        else:
            stack.extend(reversed(tree.children(message)))
    return found
