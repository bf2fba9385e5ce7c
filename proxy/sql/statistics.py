"""What passes a fence without its statistics: columns whose operators may raise on a value.

While it estimates a condition, PostgreSQL *executes* its operator on the most common values and the
histogram bounds of the columns in it (`mcv_selectivity`, `histogram_selectivity`, `eqjoinsel`),
hidden rows' values among them, and it looks for these values through subqueries: an OFFSET 0 stops
rows, not statistics. An operator that raises on some values then tells of hidden ones while the
plan is made: `doc @? '… ($x == 1)'` wherever the path comes so far, a composite compared with a
row of other types wherever the first field is equal, a text under a nondeterministic collation.

Statistics are found for plain columns only. So what leaves a fence leaves as `COALESCE(c, c)`: the
same value, type, length and collation, and nothing that the planner knows. Columns of *calm* types
keep theirs, since every operator that the planner tries on them is total: joins above a fence would
be planned badly without. (LIKE is tried on texts too; `pattern` keeps what can raise away.)

Source: `src/backend/utils/adt/selfuncs.c`, `examine_variable`. This file changes no tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from postgast import pg_query_pb2 as pb

from proxy.catalog.virtual import Column
from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.scope import Output, Ref

_CALM_NAMES = """bool int2 int4 int8 numeric float4 float8 oid uuid date time timetz timestamp
timestamptz interval text varchar bpchar inet cidr macaddr macaddr8""".split()
_CALM_OIDS = frozenset(map(CLASSIFICATION.type_oid, _CALM_NAMES))


def restless_columns(columns: Iterable[Column]) -> frozenset[str]:
    """The names of those whose statistics must not leave a fence."""
    return frozenset(column.name for column in columns if not _is_calm_column(column))


def _is_calm_column(column: Column) -> bool:
    if column.type_kind == "e":  # an enum meets only its own kind
        return True
    return column.collation is None and column.type_oid in _CALM_OIDS


def is_calm(output: Output, refs: Mapping[int, Ref]) -> bool:
    """Whether no operator that the planner tries on the statistics of this output can raise.

    A computed one is not calm: an index may hold statistics of the expression.
    """
    while output.column is None:
        expression = output.expression
        if expression is None or not expression.HasField("column_ref"):
            return False
        ref = refs.get(id(expression.column_ref))
        if ref is None or ref.entry is None:
            return False
        output = ref.entry.output
    return _is_calm_column(output.column)


def without_statistics(value: tree.Node) -> tree.Node:
    """`COALESCE(value, value)`: a value of the same type, length and collation."""
    return pb.Node(coalesce_expr=pb.CoalesceExpr(args=[value, tree.copy(value)]))
