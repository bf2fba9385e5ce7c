"""A whole statement over files as one stage: for what DuckDB can answer exactly by itself.

What arrives is the answer, in its order, and what remains only hands it on: rows of a temporary
table are read in the order in which they were loaded. An average is fetched as a sum and a count,
and divided by what remains: how many digits it has is Postgres' own rule.

This file must not know policies, nor whether DuckDB can: whoever asks throws the stage away if not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from postgast import pg_query_pb2 as pb

from proxy.catalog.virtual import Column, Relation, VisibleRelation
from proxy.sql import tree
from proxy.sql.infer import INT8_OID, NUMERIC_OID
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, Select
from proxy.sql.split import MERGE, MERGE_SCHEMA, PartColumn
from proxy.sql.subtree import TYPES, Stage

TABLE: Final = "w1"
_ALIAS: Final = "answer"
_AVERAGED: Final = frozenset({20, 21, 23, 1700})


@dataclass(frozen=True, slots=True)
class Whole:
    """`stage` brings the answer, `remaining` hands it on."""

    stage: Stage
    remaining: tree.Node


def whole_statement(bound: Bound, safety: Safety) -> Whole | None:
    """The statement as one stage; None for one that is no plain query or has a column of a type
    that is not known here. `bound` is not changed."""
    root = bound.root
    if not isinstance(root, Select) or not root.items or not root.outputs:
        return None
    if len(root.node.target_list) != len(root.outputs) or bound.takes_rows_apart:
        return None
    query = tree.copy(root.node)
    shown, types = tree.select(), []
    counts: list[tree.Node] = []
    for place, (target, output) in enumerate(zip(query.target_list, root.outputs, strict=True), 1):
        oid = safety.output_type(output)
        original = root.node.target_list[place - 1].res_target.val
        column = tree.column(_ALIAS, f"c{place}")
        if _is_average(original, safety):
            if _is_sorted_by(root.node, place, output.name):
                return None
            call = target.res_target.val.func_call
            counts.append(_count(call))
            call.funcname[-1].string.sval = "sum"
            count = tree.column(_ALIAS, f"c{len(root.outputs) + len(counts)}")
            column, oid = _quotient(column, count), NUMERIC_OID
        if oid not in TYPES:
            return None
        target.res_target.name = output.name
        types.append(oid)
        shown.target_list.append(tree.target(column, output.name))
    for count in counts:
        query.target_list.append(tree.target(count, f"count of {len(query.target_list)}"))
        types.append(INT8_OID)
    shown.from_clause.append(
        pb.Node(
            range_var=pb.RangeVar(
                schemaname=MERGE_SCHEMA,
                relname=TABLE,
                inh=True,
                relpersistence="p",
                alias=tree.alias(_ALIAS),
            )
        )
    )
    return Whole(_stage(bound, query, types), shown)


def _stage(bound: Bound, query: tree.Node, types: list[int]) -> Stage:
    columns = tuple(
        Column(f"c{place}", oid, TYPES[oid], place) for place, oid in enumerate(types, 1)
    )
    keys = frozenset(
        item.relation.relation.key for item in bound.items if item.relation is not None
    )
    relation = Relation(MERGE, MERGE_SCHEMA, TABLE, "r", columns)
    return Stage(
        source=next(iter(keys)).source,
        table=TABLE,
        query=query,
        columns=tuple(
            PartColumn(column.name, column.type_name, is_text=False, type_oid=column.type_oid)
            for column in columns
        ),
        keys=keys,
        relation=VisibleRelation(relation, columns),
        is_narrow=True,
    )


def _is_average(value: tree.Node, safety: Safety) -> bool:
    if not value.HasField("func_call") or tree.names(value.func_call.funcname)[-1] != "avg":
        return False
    call = value.func_call
    is_plain = not (call.HasField("over") or call.agg_distinct or call.agg_order)
    return is_plain and len(call.args) == 1 and safety.type_of(call.args[0]) in _AVERAGED


def _is_sorted_by(node: tree.Node, place: int, name: str) -> bool:
    """Whether the order names that output: it would be ordered by the sum instead."""
    for one in [*(sort.sort_by.node for sort in node.sort_clause), *node.group_clause]:
        if one.HasField("a_const") and one.a_const.ival.ival == place:
            return True
        if one.HasField("column_ref") and tree.names(one.column_ref.fields)[-1] == name:
            return True
    return bool(node.distinct_clause)


def _count(call: tree.Node) -> tree.Node:
    counted = tree.copy(call)
    counted.funcname[-1].string.sval = "count"
    return pb.Node(func_call=counted)


def _quotient(total: tree.Node, count: tree.Node) -> tree.Node:
    """sum / count; of no row the sum is NULL, and with it the quotient."""
    return pb.Node(
        a_expr=pb.A_Expr(
            kind=pb.AEXPR_OP,
            name=tree.name_list(("/",)),
            lexpr=total,
            rexpr=tree.cast(count, "numeric"),
        )
    )
