"""Whole queries in DuckDB's SQL: levels, joins, groups and orders of what `duckdb.py` can express.

As there: a query is translated as a whole or not at all, and only into what must answer the same.
This file must not know files or their formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from postgast import pg_query_pb2 as pb

from proxy.sql import tree
from proxy.sql.duckdb import GROUPED, SORTED, Expressions, Inexact, quoted
from proxy.sql.level import contains_aggregate
from proxy.sql.plan import FileQuery
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, Item, ItemKind, Query, Select

Place = tuple[str, str]
"""Schema and name of a relation."""

# What a level may be made of: fields of libpg_query's SelectStmt.
_PARTS: Final = frozenset(
    """target_list from_clause where_clause group_clause having_clause sort_clause limit_count
    limit_offset limit_option distinct_clause op""".split()
)
_JOINS: Final = {pb.JOIN_INNER: "JOIN", pb.JOIN_LEFT: "LEFT JOIN"}


def direct_query(
    bound: Bound, safety: Safety, columns: Sequence[tuple[str, str]]
) -> FileQuery | None:
    """The bound, guarded query in DuckDB's SQL, None where it might answer otherwise there.

    `columns` are the names and types that it is to return.
    """
    made = _Levels(bound, Expressions(bound, safety))
    try:
        sql = made.query(bound.root, None, tuple(name for name, _ in columns))
    except Inexact:
        return None
    slots = tuple(made.expressions.slots)
    return FileQuery(sql, slots, tuple(columns), tuple(made.relations))


def relation_name(place: Place) -> str:
    """A relation in DuckDB's FROM."""
    return ".".join(map(quoted, place))


def columns_used(bound: Bound, item: Item) -> set[str]:
    """The columns of a FROM item that are named anywhere."""
    return {
        entry.name
        for ref in bound.refs.values()
        for entry in ([ref.entry] if ref.entry is not None else ref.entries)
        if entry.item is item
    }


class _Levels:
    def __init__(self, bound: Bound, expressions: Expressions) -> None:
        self.bound = bound
        self.expressions = expressions
        self.relations: list[Place] = []

    def query(self, query: Query, wanted: set[str] | None, names: Sequence[str] = ()) -> str:
        """One query; of its outputs only those in `wanted`, where that is not None; called by
        `names`, if there are any."""
        if not isinstance(query, Select):
            raise Inexact
        node = query.node
        has_limit = node.HasField("limit_count") or node.HasField("limit_offset")
        if {field.name for field, _ in node.ListFields()} - _PARTS or not query.items:
            raise Inexact
        if node.limit_option == pb.LIMIT_OPTION_WITH_TIES or any(
            one.ListFields() for one in node.distinct_clause
        ):
            raise Inexact
        if node.distinct_clause or has_limit:
            wanted = None
        targets = self._targets(query, wanted, names or [one.name for one in query.outputs])
        source = ", ".join(self._from(one, query) for one in node.from_clause)
        distinct = "DISTINCT " if node.distinct_clause else ""
        sql = f"SELECT {distinct}{', '.join(targets) or '1 AS nothing'} FROM {source}"
        if node.HasField("where_clause"):
            sql += f" WHERE {self.expressions.condition(node.where_clause)}"
        if node.group_clause:
            sql += " GROUP BY " + ", ".join(self._group(one, query) for one in node.group_clause)
        if node.HasField("having_clause"):
            sql += f" HAVING {self.expressions.condition(node.having_clause)}"
        if node.sort_clause:
            sql += " ORDER BY " + ", ".join(self._sort(one, query) for one in node.sort_clause)
        for word, limit in (("LIMIT", node.limit_count), ("OFFSET", node.limit_offset)):
            sql += self._limit(word, limit)
        return sql

    def _targets(self, query: Select, wanted: set[str] | None, names: Sequence[str]) -> list[str]:
        node = query.node
        if not len(node.target_list) == len(query.outputs) == len(names):  # a star
            raise Inexact
        found = []
        for target, output, name in zip(node.target_list, query.outputs, names, strict=True):
            value = target.res_target.val
            if wanted is not None and output.name not in wanted:
                if contains_aggregate(target, query, self.bound.refs):
                    raise Inexact  # without it, it would be another query
                continue
            if node.distinct_clause and self.expressions.family(value) not in GROUPED:
                raise Inexact
            text = self.expressions.value(value)
            if node.distinct_clause:
                text = self.expressions.translate(value)
            found.append(f"{text} AS {quoted(name)}")
        return found

    def _from(self, node: tree.Node, query: Select) -> str:
        if node.HasField("join_expr"):
            join = node.join_expr
            if join.jointype not in _JOINS or join.is_natural or join.using_clause:
                raise Inexact
            if join.HasField("alias") or not join.HasField("quals"):
                raise Inexact
            left, right = self._from(join.larg, query), self._from(join.rarg, query)
            on = self.expressions.condition(join.quals)
            return f"({left} {_JOINS[join.jointype]} {right} ON {on})"
        item = next((one for one in query.items if _is_of(one, node)), None)
        if item is None:
            raise Inexact
        if item.kind is ItemKind.RELATION and item.relation is not None:
            place = (item.relation.schema, item.relation.name)
            if place not in self.relations:
                self.relations.append(place)
            return f"{relation_name(place)} AS {quoted(item.name)}"
        if item.kind is not ItemKind.SUBQUERY or item.query is None:
            raise Inexact
        if node.range_subselect.lateral or node.range_subselect.alias.colnames:
            raise Inexact
        inner = self.query(item.query, columns_used(self.bound, item))
        return f"({inner}) AS {quoted(item.name)}"

    def _named(self, node: tree.Node, query: Select, *, is_output_first: bool) -> tree.Node:
        """What GROUP BY or ORDER BY means by a number or by the name of an output (PostgreSQL
        documentation, SELECT)."""
        targets = [target.res_target.val for target in query.node.target_list]
        if node.HasField("a_const"):
            place = node.a_const.ival.ival
            if not node.a_const.HasField("ival") or not 1 <= place <= len(targets):
                raise Inexact
            return targets[place - 1]
        if node.HasField("column_ref") and len(node.column_ref.fields) == 1:
            is_input = id(node.column_ref) in self.bound.refs
            name = node.column_ref.fields[0].string.sval
            same = [
                value
                for value, output in zip(targets, query.outputs, strict=True)
                if output.name == name
            ]
            if same and (is_output_first or not is_input):
                if len(same) > 1:
                    raise Inexact
                return same[0]
        return node

    def _group(self, node: tree.Node, query: Select) -> str:
        value = self._named(node, query, is_output_first=False)
        if self.expressions.family(value) not in GROUPED:
            raise Inexact
        return self.expressions.translate(value)

    def _sort(self, node: tree.Node, query: Select) -> str:
        sort = node.sort_by
        value = self._named(sort.node, query, is_output_first=True)
        if self.expressions.family(value) not in SORTED or sort.use_op:
            raise Inexact
        is_down = sort.sortby_dir == pb.SORTBY_DESC
        is_first = sort.sortby_nulls == pb.SORTBY_NULLS_FIRST or (
            sort.sortby_nulls == pb.SORTBY_NULLS_DEFAULT and is_down
        )
        text = self.expressions.translate(value)
        return f"{text} {'DESC' if is_down else 'ASC'} NULLS {'FIRST' if is_first else 'LAST'}"

    def _limit(self, word: str, node: tree.Node) -> str:
        if not tree.kind(node) or (node.HasField("a_const") and node.a_const.isnull):
            return ""
        if not node.HasField("a_const") or not node.a_const.HasField("ival"):
            raise Inexact
        if node.a_const.ival.ival < 0:
            raise Inexact
        return f" {word} {node.a_const.ival.ival}"


def _is_of(item: Item, node: tree.Node) -> bool:
    """Whether a FROM node is the one that holds the item."""
    return item.node is node or item.node == node
