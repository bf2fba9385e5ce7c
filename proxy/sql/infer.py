"""Types of expressions, as far as they are known cheaply: columns, literals, casts, comparisons.

The shadow is the type checker; this inference only feeds the fence, where "unknown" is always a
correct answer (it makes an expression unsafe, which costs a fence and nothing else).
"""

from __future__ import annotations

from postgast import pg_query_pb2 as pb

from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.scope import Bound, Output, RefKind

UNKNOWN_OID = 705
BOOL_OID, INT4_OID, INT8_OID, NUMERIC_OID, TEXT_OID = 16, 23, 20, 1700, 25
INTERVAL_OID = 1186
# date, timestamp and timestamptz, plus or minus an interval.
_TIME_SUMS = {1082: 1114, 1114: 1114, 1184: 1184}
TEXTS = frozenset({25, 1043, 1042, 19})
_NUMBERS = (21, 23, 20, 1700)  # each converts to the next without loss or error
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})


class Types:
    """Types of the expressions of one bound statement; `parameter_oids` are those of its `$n`."""

    def __init__(self, bound: Bound, parameter_oids: tuple[int, ...]) -> None:
        self.bound = bound
        self.parameter_oids = parameter_oids
        self._output_types: dict[int, int] = {}

    def type_of(self, node: tree.Node) -> int:
        """The type OID of an expression, 705 for an untyped literal, 0 where it is not known."""
        field = tree.kind(node)
        if not field:
            return 0
        message = getattr(node, field)
        match field:
            case "column_ref":
                ref = self.bound.refs.get(id(message))
                if ref is None or ref.kind is not RefKind.COLUMN or ref.entry is None:
                    return 0
                return self.output_type(ref.entry.output)
            case "a_const":
                return _constant_type(message)
            case "param_ref":
                return self.parameter_type(message.number)
            case "type_cast":
                return self.cast_type(message)
            case "coalesce_expr" | "min_max_expr":
                return self.unified(list(message.args))
            case "case_expr":
                return self.unified(case_results(message))
            case "bool_expr" | "null_test" | "boolean_test":
                return BOOL_OID
            case "collate_clause":
                return self.type_of(message.arg)
            case "func_call":
                return self._call_type(message)
            case "sqlvalue_function":
                return {pb.SVFOP_CURRENT_DATE: 1082, pb.SVFOP_CURRENT_TIMESTAMP: 1184}.get(
                    message.op, 0
                )
            case "sub_link":
                if message.sub_link_type == pb.EXPR_SUBLINK:
                    return self.output_type(self.bound.sublinks[id(message)].outputs[0])
                return BOOL_OID if message.sub_link_type != pb.ARRAY_SUBLINK else 0
            case "a_expr":
                return self._operator_type(message)
            case _:
                return 0

    def output_type(self, output: Output) -> int:
        known = self._output_types.get(id(output))
        if known is None:
            known = self._output_types[id(output)] = self._find_output_type(output)
        return known

    def _find_output_type(self, output: Output) -> int:
        if output.typed_by is not None:
            return self.output_type(output.typed_by)
        if output.values:
            return self.unified(list(output.values))
        if output.column is not None:
            return output.column.base_type_oid
        if output.expression is not None:
            return self.type_of(output.expression)
        if output.arms is not None:
            left, right = (self.output_type(arm) for arm in output.arms)
            return left if left == right else 0
        return output.type_oid

    def parameter_type(self, number: int) -> int:
        if 1 <= number <= len(self.parameter_oids):
            return self.parameter_oids[number - 1]
        return 0

    def cast_type(self, message: tree.Node) -> int:
        if message.type_name.array_bounds:
            return 0
        return CLASSIFICATION.type_oid(tree.names(message.type_name.names)[-1])

    def unified(self, nodes: list[tree.Node]) -> int:
        known = {oid for oid in map(self.type_of, nodes) if oid != UNKNOWN_OID}
        if not known:
            return TEXT_OID
        if len(known) == 1:
            return known.pop()
        return _wider(known)

    def _call_type(self, message: tree.Node) -> int:
        name = tree.names(message.funcname)[-1]
        if name == "count":
            return INT8_OID
        found = (self.type_of(argument) for argument in message.args)
        arguments = tuple(TEXT_OID if oid == UNKNOWN_OID else oid for oid in found)
        return CLASSIFICATION.return_type(name, arguments)

    def _operator_type(self, message: tree.Node) -> int:
        if message.kind != pb.AEXPR_OP:
            return self.type_of(message.lexpr) if message.kind == pb.AEXPR_NULLIF else BOOL_OID
        name = message.name[-1].string.sval
        if name in COMPARISONS:
            return BOOL_OID
        left, right = self.type_of(message.lexpr), self.type_of(message.rexpr)
        if name in ("+", "-") and right == INTERVAL_OID:
            return _TIME_SUMS.get(left, 0)
        if name in _ARITHMETIC and left == right:
            return left if left in _NUMBERS else 0
        if name in _ARITHMETIC:
            return _wider({left, right})
        if name == "->>":
            return TEXT_OID
        if name == "||" and left in TEXTS | {UNKNOWN_OID} and right in TEXTS | {UNKNOWN_OID}:
            return TEXT_OID
        if name == "->" and left == 3802:
            return 3802
        return 0


def case_results(message: tree.Node) -> list[tree.Node]:
    results = [when.case_when.result for when in message.args]
    return [*results, message.defresult] if message.HasField("defresult") else results


def _constant_type(message: tree.Node) -> int:
    if message.HasField("ival"):
        return INT4_OID
    if message.HasField("boolval"):
        return BOOL_OID
    if message.HasField("fval"):
        digits = message.fval.fval
        return INT8_OID if digits.isdigit() and int(digits) < 2**63 else NUMERIC_OID
    return UNKNOWN_OID


def _wider(oids: set[int]) -> int:
    """The type that integers and numerics meet in, 0 for anything else."""
    if not oids.issubset(_NUMBERS):
        return 0
    return max(oids, key=_NUMBERS.index)
