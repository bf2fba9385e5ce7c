"""Whole subqueries of a statement over several sources that one source can compute.

`WITH spent AS (SELECT customer, sum(total) FROM orders GROUP BY 1) …`: what arrives is a sum for
each customer instead of every order. Such a subquery becomes a *stage*: its text is guarded and
verified like any statement, at its source, and a table that its rows are loaded into stands in its
place. It is taken whole or not at all.

A subquery is taken where its answer is the same wherever it is computed: it reads relations of one
source and nothing of the statement around it, it is made of the expressions listed here, and the
types of its columns are known, for they are those of the table. Texts are ordered as their own
source does. What may raise is left alone, but for the overflow of sums and products: Postgres may
leave a subquery unevaluated, or drop rows from it early, that a stage computes whole. And it is
taken where it pays: where it groups, sorts out or cuts, so that fewer rows leave it than it reads.

This file must not know policies, nor how a stage is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from postgast import pg_query_pb2 as pb

from policies.model import RelationKey
from proxy.catalog.virtual import Column, Relation, VisibleRelation
from proxy.sql import tree
from proxy.sql.infer import BOOL_OID
from proxy.sql.level import contains_aggregate
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, Item, ItemKind, Query, Select, SetOperation, columns_read
from proxy.sql.split import CLOCKS, MERGE, MERGE_SCHEMA, PartColumn

_ALIAS: Final = "part"

# Types by which a column of a stage may be made: without modifier they hold every value.
TYPES: Final = {
    BOOL_OID: "boolean", 20: "bigint", 21: "smallint", 23: "integer", 25: "text", 700: "real",
    701: "double precision", 1043: "character varying", 1082: "date",
    1083: "time without time zone", 1114: "timestamp without time zone",
    1184: "timestamp with time zone", 1186: "interval", 1700: "numeric", 2950: "uuid",
}  # fmt: skip
_NARROWING: Final = ("where_clause", "having_clause", "limit_count")
_FLOATS: Final = frozenset({700, 701})

# What a stage may be made of: libpg_query's messages. Neither clocks nor rows as values.
_MADE_OF: Final = frozenset(
    """SelectStmt WithClause CommonTableExpr ResTarget RangeVar RangeSubselect JoinExpr Alias SortBy
    ColumnRef A_Star A_Const ParamRef A_Expr BoolExpr NullTest BooleanTest TypeCast TypeName List
    CoalesceExpr CaseExpr CaseWhen SubLink FuncCall GroupingSet String Integer Float Boolean
    A_ArrayExpr Node""".split()
)
_KINDS: Final = frozenset(
    {
        pb.AEXPR_IN, pb.AEXPR_OP_ANY, pb.AEXPR_LIKE, pb.AEXPR_BETWEEN,
        pb.AEXPR_NOT_BETWEEN, pb.AEXPR_NULLIF, pb.AEXPR_DISTINCT, pb.AEXPR_NOT_DISTINCT,
    }
)  # fmt: skip
_NUMBERS: Final = frozenset({20, 21, 23, 1700})
_ARITHMETIC: Final = frozenset({"+", "-", "*"})
# In every server from 14 on; of floats the order of rows decides the last digits of a sum.
_AGGREGATES: Final = frozenset({"count", "sum", "avg", "min", "max", "bool_and", "bool_or"})
_EXACT_ARGUMENTS: Final = frozenset(TYPES) - _FLOATS


@dataclass(frozen=True, slots=True)
class Stage:
    """One subquery to fetch whole: `query` its text's tree, `table` where its rows go, `keys` what
    it reads, `relation` the table as the statement sees it. `is_narrow`: its own conditions leave
    rows out, so that its keys may narrow what others bring."""

    source: str
    table: str
    query: tree.Node
    columns: tuple[PartColumn, ...]
    keys: frozenset[RelationKey]
    relation: VisibleRelation
    is_narrow: bool


def take_stages(bound: Bound, safety: Safety) -> tuple[Stage, ...]:
    """Take the stages out of a statement: its tree is changed, and `bound` true no longer where
    there are any. To be bound anew, with the stages' tables among the relations."""
    if bound.takes_rows_apart:
        return ()
    stages: list[Stage] = []
    for query, item in _candidates(bound, safety):
        stage = _stage(query, safety, f"s{len(stages) + 1}")
        stages.append(stage)
        _put_in_place(query, item, stage)
    return tuple(stages)


def _candidates(bound: Bound, safety: Safety) -> list[tuple[Query, Item | None]]:
    """The outermost subqueries that can be taken, with the FROM item that holds each, if any."""
    found: list[tuple[Query, Item | None]] = []
    pending: list[tuple[Query, Item | None]] = [(bound.root, None)]
    while pending:
        query, item = pending.pop(0)
        if (
            query is not bound.root
            and _pays(query, bound)
            and _Closed(query, safety).can_be_taken()
        ):
            found.append((query, item))
            continue
        held = {}
        if isinstance(query, Select):
            held = {id(one.query): one for one in query.items if one.kind is ItemKind.SUBQUERY}
        pending += [(below, held.get(id(below))) for below in query.subqueries]
    return found


def _pays(query: Query, bound: Bound) -> bool:
    """Whether fewer rows leave the query than it reads."""
    node = query.node
    if node.HasField("limit_count"):
        return True
    if isinstance(query, SetOperation):
        is_union_all = node.op == pb.SETOP_UNION and node.all
        return not is_union_all or (_pays(query.left, bound) and _pays(query.right, bound))
    if node.group_clause or node.distinct_clause or node.HasField("having_clause"):
        return True
    return any(contains_aggregate(one, query, bound.refs) for one in node.target_list)


@dataclass(slots=True)
class _Closed:
    """The question whether one subquery may be computed by itself."""

    query: Query
    safety: Safety

    def can_be_taken(self) -> bool:
        """Whether it is closed, of one source, made of what is listed, with columns of known
        types."""
        names = [output.name for output in self.query.outputs]
        types = [self.safety.output_type(output) for output in self.query.outputs]
        is_table = bool(names) and len(set(names)) == len(names) and all(t in TYPES for t in types)
        return is_table and self._is_of_one_source() and self._is_closed() and self._is_made_of()

    def _is_of_one_source(self) -> bool:
        read = columns_read(self.safety.bound)
        items = _relations(self.query)
        sources = {relation.relation.source for _, relation in items}
        return len(sources) == 1 and all(
            column.collation is None and column.is_deterministic
            for item, relation in items
            for column in relation.columns
            if column.name in read.get(id(item), set())
        )

    def _is_closed(self) -> bool:
        """Neither a column of a level around it, nor a WITH query of one; no recursion."""
        queries = _queries(self.query)
        levels = {id(query) for query in queries}
        ctes = {id(cte) for query in queries for cte in query.ctes if not cte.is_recursive}
        for message in tree.walk(self.query.node):
            ref = self.safety.bound.refs.get(id(message))
            if ref is not None and id(ref.select) not in levels:
                return False
        return all(
            item.kind in (ItemKind.RELATION, ItemKind.SUBQUERY)
            or (item.kind is ItemKind.CTE and id(item.cte) in ctes)
            for query in queries
            if isinstance(query, Select)
            for item in query.items
        )

    def _is_made_of(self) -> bool:
        for message in tree.walk(self.query.node):
            if not self._is_fit(message) or not all(map(self._is_harmless, tree.unions(message))):
                return False
        return True

    def _is_fit(self, message: tree.Node) -> bool:
        name = message.DESCRIPTOR.name
        if name == "SelectStmt":
            return not (message.locking_clause or message.window_clause or message.values_lists)
        if name == "A_Const":
            return message.sval.sval.strip().lower() not in CLOCKS
        return name in _MADE_OF and (name != "FuncCall" or self._is_fit_call(message))

    def _is_harmless(self, node: tree.Node) -> bool:
        """Whether an operator or cast raises on no value; what it is applied to is asked by
        itself."""
        if node.HasField("type_cast"):
            return node.type_cast.arg.HasField("a_const") or self.safety.is_safe(node)
        if not node.HasField("a_expr"):
            return True
        message = node.a_expr
        if message.kind != pb.AEXPR_OP:
            return message.kind in _KINDS and self.safety.is_safe(node)
        operator = tree.names(message.name)[-1]
        types = {self.safety.type_of(message.lexpr), self.safety.type_of(message.rexpr)}
        is_number = operator in _ARITHMETIC and types <= _NUMBERS
        return is_number or self.safety.is_total(operator, message.lexpr, message.rexpr)

    def _is_fit_call(self, message: tree.Node) -> bool:
        called = tree.names(message.funcname)
        is_plain = not (
            message.HasField("over")
            or message.agg_order
            or message.agg_within_group
            or message.func_variadic
        )
        if not is_plain or called[-1] not in _AGGREGATES or len(called) > 2:
            return False
        types = [self.safety.type_of(argument) for argument in message.args]
        if called[-1] == "count":
            return True
        return all(oid in _EXACT_ARGUMENTS for oid in types)


def _queries(query: Query) -> list[Query]:
    """The query and every one below it."""
    found, pending = [], [query]
    while pending:
        one = pending.pop()
        found.append(one)
        pending += one.subqueries
    return found


def _relations(query: Query) -> list[tuple[Item, VisibleRelation]]:
    levels = (one for one in _queries(query) if isinstance(one, Select))
    items = (item for level in levels for item in level.items)
    return [(item, item.relation) for item in items if item.relation is not None]


def _stage(query: Query, safety: Safety, table: str) -> Stage:
    found = []
    for position, output in enumerate(query.outputs, 1):
        oid = safety.output_type(output)
        found.append(Column(output.name, oid, TYPES[oid], position))
    keys = frozenset(relation.relation.key for _, relation in _relations(query))
    columns = tuple(found)
    relation = Relation(MERGE, MERGE_SCHEMA, table, "r", columns)
    return Stage(
        source=next(iter(keys)).source,
        table=table,
        query=tree.copy(query.node),
        columns=tuple(
            PartColumn(column.name, column.type_name, is_text=False, type_oid=column.type_oid)
            for column in columns
        ),
        keys=keys,
        relation=VisibleRelation(relation, columns),
        is_narrow=any(query.node.HasField(clause) for clause in _NARROWING),
    )


def _put_in_place(query: Query, item: Item | None, stage: Stage) -> None:
    """Let the stage's table stand where the subquery stood."""
    table = pb.RangeVar(schemaname=MERGE_SCHEMA, relname=stage.table, inh=True, relpersistence="p")
    if item is not None:
        table.alias.CopyFrom(item.node.range_subselect.alias)
        item.node.range_var.CopyFrom(table)
        return
    table.alias.CopyFrom(tree.alias(_ALIAS))
    whole = tree.select()
    for column in stage.columns:
        whole.target_list.append(tree.target(tree.column(_ALIAS, column.name), column.name))
    whole.from_clause.append(pb.Node(range_var=table))
    query.node.CopyFrom(whole)
