"""Walks over one query level: its expressions, its keys, its aggregates. Pure questions about a
tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.scope import Ref, Select


def level_expressions(select: Select) -> list[tree.Node]:
    """Every expression evaluated at this level (not in its FROM leaves or subqueries' own levels).

    References to outputs in ORDER BY, GROUP BY and DISTINCT ON stand for expressions already in the
    target list and are left out; stars compute nothing.
    """
    node = select.node
    found: list[tree.Node] = []
    for row in node.values_lists:
        found += row.list.items
    found += [
        target.res_target.val
        for position, target in enumerate(node.target_list)
        if position not in select.stars
    ]
    found += [n for n in (node.where_clause, node.having_clause) if n.WhichOneof("node")]
    found += select.join_conditions
    found += [c for unit in select.units if unit.join for c in unit.join.conditions]
    found += [key for key in flat_keys(node.group_clause) if not is_output_key(key, select)]
    found += [
        order.sort_by.node
        for order in node.sort_clause
        if not is_output_key(order.sort_by.node, select)
    ]
    found += [
        key
        for key in node.distinct_clause
        if key.WhichOneof("node") and not is_output_key(key, select)
    ]
    for window in node.window_clause:
        found += window.window_def.partition_clause
        found += [order.sort_by.node for order in window.window_def.order_clause]
    return found


def flat_keys(nodes: Iterable[tree.Node]) -> list[tree.Node]:
    """The expressions of a GROUP BY list, grouping sets and row lists taken apart."""
    found: list[tree.Node] = []
    for node in nodes:
        if node.HasField("grouping_set"):
            found += flat_keys(node.grouping_set.content)
        elif node.HasField("row_expr"):
            found += flat_keys(node.row_expr.args)
        elif node.HasField("list"):
            found += flat_keys(node.list.items)
        elif node.WhichOneof("node"):
            found.append(node)
    return found


def is_output_key(node: tree.Node, select: Select) -> bool:
    """Whether an ORDER BY, GROUP BY or DISTINCT ON item names an output: by position or by
    label."""
    if node.HasField("a_const"):
        return True
    if not node.HasField("column_ref") or len(node.column_ref.fields) != 1:
        return False
    return all(ref.message is not node.column_ref for ref in select.refs) and (
        node.column_ref.fields[0].string.sval in select.labels
    )


def contains_aggregate(
    node: tree.Node, select: Select, refs: Mapping[int, Ref], *, or_window: bool = False
) -> bool:
    """Whether an aggregate of the level `select` occurs; `or_window`: or a window function.

    Those inside subqueries are of theirs. An aggregate over outer columns alone belongs to the
    level of those columns (PostgreSQL documentation, section 4.2.7) and is a constant here.
    """
    stack = [node]
    while stack:
        current = stack.pop()
        message = tree.inner(current) if current.DESCRIPTOR.name == "Node" else current
        name = message.DESCRIPTOR.name
        if name in _QUERIES:
            continue
        if _is_window(message):
            if or_window:
                return True
        elif _is_of_level(message, select, refs):
            return True
        stack.extend(tree.children(message))
    return False


_QUERIES = frozenset({"SubLink", "JsonArrayQueryConstructor"})
_JSON_AGGREGATES = frozenset({"JsonObjectAgg", "JsonArrayAgg"})


def _is_window(message: tree.Node) -> bool:
    name = message.DESCRIPTOR.name
    if name in _JSON_AGGREGATES:
        return bool(message.constructor.HasField("over"))
    return name == "FuncCall" and bool(message.HasField("over"))


def _is_of_level(call: tree.Node, select: Select, refs: Mapping[int, Ref]) -> bool:
    """Whether a message is an aggregate, and of this level."""
    name = call.DESCRIPTOR.name
    if name not in _JSON_AGGREGATES and not (name == "FuncCall" and is_aggregate(call)):
        return False
    found = [
        refs.get(id(message))
        for message in tree.walk(call)
        if message.DESCRIPTOR.name == "ColumnRef"
    ]
    return not found or any(ref is not None and ref.select is select for ref in found)


def is_json_aggregate(message: tree.Node) -> bool:
    """Whether a message is JSON_ARRAYAGG or JSON_OBJECTAGG, not as a window function."""
    return message.DESCRIPTOR.name in _JSON_AGGREGATES and not _is_window(message)


def is_aggregate(call: tree.Node) -> bool:
    """Whether a FuncCall is an aggregate, not a window function."""
    if call.HasField("over"):
        return False
    return bool(call.agg_star) or CLASSIFICATION.is_aggregate(tree.names(call.funcname)[-1])
