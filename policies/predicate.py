"""Conditions: a small subset of SQL, read by Postgres' own grammar, accepted by an allow-list.

This file must not know rules or decisions. The text is parsed by libpg_query and every node is
translated into `expression.py`'s tree; a node, field, operator or function that is not listed is
refused with the position and, where there is one, the near miss. What is listed is total (never
raises on a stored value), has no side effect and reads nothing but the row, the claims and the
listed lookup tables.

Lookups are uncorrelated: inside a subquery every column is the lookup table's, so a column that the
table gains later can never capture an outer name. Several keys are compared as a row: `(a, b) IN
(SELECT x, y …)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import postgast
from google.protobuf.message import DecodeError

from policies import expression as tree
from policies.claims import ClaimType
from policies.document import near_miss
from policies.expression import Expression
from policies.literal import canonical_type, typed_literal
from policies.model import RelationKey
from policies.vocabulary import (
    ALL_OPERATORS,
    ARRAY_OPERATORS,
    BOOLEAN_OPERATORS,
    BOOLEAN_TESTS,
    COMPARISONS,
    FUNCTION_NAMES,
    FUNCTIONS,
    SPECIAL_FUNCTIONS,
    VALUE_OPERATORS,
    could_be_boolean,
)

# A condition is read by people: one that reaches these limits should be a lookup table.
CONDITION_BYTES_MAX = 8_192
CONDITION_NODES_MAX = 500

_PREFIX = "SELECT "


class PredicateError(ValueError):
    """A condition is refused. `position`: 0-based character in the condition's text, None:
    unknown."""

    def __init__(
        self, message: str, *, position: int | None = None, suggestion: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition may mention besides columns.

    `source` of the base relation, declared claims and roles, lookup tables with their readable
    columns.
    """

    source: str
    claim_types: Mapping[str, ClaimType] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()
    lookups: Mapping[RelationKey, tuple[str, ...]] = field(default_factory=dict)


def parse_condition(text: str, scope: Scope) -> Expression:
    """The condition as a tree. Raises PredicateError; `to_sql(simplify(tree, roles))` prints it."""
    node = parse_expression(text, scope)
    if not could_be_boolean(node, scope.claim_types):
        raise PredicateError("a condition must be true or false")
    return node


def parse_expression(text: str, scope: Scope) -> Expression:
    """An expression of any type (custom masks use it). Raises PredicateError."""
    if len(text.encode("utf-8", errors="replace")) > CONDITION_BYTES_MAX:
        raise PredicateError(f"longer than {CONDITION_BYTES_MAX} bytes")
    if "\x00" in text:
        raise PredicateError("holds a NUL character")
    try:
        result = postgast.parse(_PREFIX + text)
    except postgast.PgQueryError as error:
        position = max(error.cursorpos - 1 - len(_PREFIX), 0) if error.cursorpos else None
        raise PredicateError(error.message, position=position) from None
    except (DecodeError, UnicodeEncodeError):
        raise PredicateError("nested too deeply, or not valid text") from None
    node = _Translator(scope).expression(_only_expression(result))
    if sum(1 for _ in tree.walk(node)) > CONDITION_NODES_MAX:
        raise PredicateError(f"more than {CONDITION_NODES_MAX} parts")
    return node


def _only_expression(result: Any) -> Any:
    """The one select item of `SELECT text`; refuses everything a text could add to it."""
    if len(result.stmts) != 1 or result.stmts[0].stmt.WhichOneof("node") != "select_stmt":
        raise PredicateError("expected one condition")
    statement = result.stmts[0].stmt.select_stmt
    present = {descriptor.name for descriptor, _ in statement.ListFields()}
    if present - {"target_list", "limit_option", "op"} or len(statement.target_list) != 1:
        raise PredicateError("expected one condition, not a statement")
    target = statement.target_list[0].res_target
    if target.name or target.indirection:
        raise PredicateError("expected one condition, not a select list")
    return target.val


class _Translator:
    """Protobuf nodes to `expression` nodes. `lookup` is the subquery's table while inside one."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._lookup: RelationKey | None = None
        self._lookup_names: tuple[str, ...] = ()

    def expression(self, node: Any) -> Expression:
        kind = node.WhichOneof("node") or "nothing"
        translate = _NODES.get(kind)
        if translate is None:
            raise PredicateError(f"not allowed in a condition: {kind.replace('_', ' ')}")
        inner = getattr(node, kind)
        try:
            return translate(self, inner)
        except PredicateError as error:
            if error.position is None and getattr(inner, "location", -1) >= len(_PREFIX):
                error.position = inner.location - len(_PREFIX)
            raise

    def _condition(self, node: Any) -> Expression:
        translated = self.expression(node)
        if not could_be_boolean(translated, self._scope.claim_types):
            raise PredicateError("AND, OR, NOT and WHEN take conditions")
        return translated

    def _each(self, nodes: Any) -> tuple[Expression, ...]:
        return tuple(self.expression(node) for node in nodes)

    def _a_const(self, node: Any) -> Expression:
        if node.isnull:
            return tree.NULL
        match node.WhichOneof("val"):
            case "ival":
                return tree.Literal("number", str(node.ival.ival))
            case "fval":
                typed = self._typed("numeric", node.fval.fval)
                return tree.Literal("number", typed.text)
            case "boolval":
                return tree.TRUE if node.boolval.boolval else tree.FALSE
            case "sval":
                return tree.Literal("text", node.sval.sval)
            case _:
                raise PredicateError("bit strings are not allowed")

    def _column_ref(self, node: Any) -> Expression:
        if any(part.WhichOneof("node") != "string" for part in node.fields):
            raise PredicateError("* is not allowed")
        names = [part.string.sval for part in node.fields]
        if self._lookup is None:
            if len(names) != 1:
                raise PredicateError("columns are written without a table name")
            return tree.Column(names[0])
        if len(names) == 2 and names[0] in self._lookup_names:
            del names[0]
        if len(names) != 1:
            raise PredicateError(
                "inside a subquery columns are the lookup table's; it cannot refer to the outer row"
            )
        known = self._scope.lookups[self._lookup]
        if names[0] not in known:
            raise PredicateError(
                f'lookup table {self._lookup} lists no column "{names[0]}"',
                suggestion=near_miss(names[0], known),
            )
        return tree.Column(names[0], of_lookup=True)

    def _type_cast(self, node: Any) -> Expression:
        name = self._type_name(node.type_name)
        kind = node.arg.WhichOneof("node")
        if kind == "a_const" and node.arg.a_const.WhichOneof("val") == "sval":
            return self._typed(name, node.arg.a_const.sval.sval)
        inner = self.expression(node.arg)
        if isinstance(inner, tree.Literal) and inner.kind in ("number", "boolean"):
            return self._typed(name, inner.text)
        if canonical_type(name) == "text" and not isinstance(inner, tree.Row):
            return tree.ToText(inner)
        raise PredicateError("only literals are cast, and values to text: other casts can fail")

    def _typed(self, name: str, text: str) -> tree.TypedLiteral:
        try:
            return typed_literal(name, text)
        except ValueError as error:
            raise PredicateError(f"{name} literal: {error}") from None

    @staticmethod
    def _type_name(node: Any) -> str:
        names = [part.string.sval for part in node.names]
        plain = len(names) == 1 or (len(names) == 2 and names[0] == "pg_catalog")
        if not plain or node.typmods or node.array_bounds or node.setof or node.pct_type:
            raise PredicateError("only plain types are allowed in casts")
        return str(names[-1])

    def _bool_expr(self, node: Any) -> Expression:
        match postgast.pg_query_pb2.BoolExprType.Name(node.boolop):
            case "NOT_EXPR":
                return tree.negation(self._condition(node.args[0]))
            case "AND_EXPR":
                return tree.conjunction(tuple(self._condition(arg) for arg in node.args))
            case _:
                return tree.disjunction(tuple(self._condition(arg) for arg in node.args))

    def _null_test(self, node: Any) -> Expression:
        name = postgast.pg_query_pb2.NullTestType.Name(node.nulltesttype)
        return tree.Test(self.expression(node.arg), "NULL" if name == "IS_NULL" else "NOT NULL")

    def _boolean_test(self, node: Any) -> Expression:
        name = postgast.pg_query_pb2.BoolTestType.Name(node.booltesttype)
        return tree.Test(self._condition(node.arg), BOOLEAN_TESTS[name])

    def _coalesce_expr(self, node: Any) -> Expression:
        return tree.Grammar("COALESCE", self._each(node.args))

    def _min_max_expr(self, node: Any) -> Expression:
        name = postgast.pg_query_pb2.MinMaxOp.Name(node.op)
        return tree.Grammar(name.removeprefix("IS_"), self._each(node.args))

    def _a_array_expr(self, node: Any) -> Expression:
        return tree.Array(self._each(node.elements))

    def _row_expr(self, node: Any) -> Expression:
        return tree.Row(self._each(node.args))

    def _case_expr(self, node: Any) -> Expression:
        if node.HasField("arg"):
            raise PredicateError("write CASE WHEN condition THEN …")
        arms = tuple(
            (self._condition(arm.case_when.expr), self.expression(arm.case_when.result))
            for arm in node.args
        )
        otherwise = self.expression(node.defresult) if node.HasField("defresult") else tree.NULL
        return tree.Case(arms, otherwise)

    def _sqlvalue_function(self, node: Any) -> Expression:
        if postgast.pg_query_pb2.SQLValueFunctionOp.Name(node.op) == "SVFOP_CURRENT_DATE":
            return tree.Current("current_date")
        raise PredicateError("only now() and current_date are allowed")

    def _func_call(self, node: Any) -> Expression:
        present = {descriptor.name for descriptor, _ in node.ListFields()}
        if present - {"funcname", "args", "funcformat", "location"}:
            raise PredicateError("aggregates, window functions and VARIADIC are not allowed")
        names = [part.string.sval for part in node.funcname]
        name = names[-1]
        if len(names) > 2 or (len(names) == 2 and names[0] != "pg_catalog"):
            raise PredicateError(f"function {'.'.join(names)} is not allowed")
        if name in SPECIAL_FUNCTIONS and len(names) == 1:
            return self._special(name, node.args)
        if name not in FUNCTIONS:
            raise PredicateError(
                f"function {name} is not allowed", suggestion=near_miss(name, FUNCTION_NAMES)
            )
        return self._call(name, self._each(node.args))

    def _call(self, name: str, arguments: tuple[Expression, ...]) -> Expression:
        fewest, most, numeric_positions, smallest = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            raise PredicateError(f"{name} takes {fewest} to {most} arguments")
        for position in numeric_positions:
            if position >= len(arguments):
                continue
            argument = arguments[position]
            is_number = isinstance(argument, tree.Literal) and argument.kind == "number"
            text = argument.text if isinstance(argument, tree.Literal) else ""
            if not is_number or not text.isdigit() or not smallest <= int(text) <= 2**31 - 1:
                raise PredicateError(
                    f"argument {position + 1} of {name} must be a literal number from {smallest}"
                )
        return tree.Call(name, arguments)

    def _special(self, name: str, arguments: Any) -> Expression:
        if name == "now":
            if arguments:
                raise PredicateError("now() takes no arguments")
            return tree.Current("now")
        translated = self._each(arguments)
        argument = translated[0] if len(translated) == 1 else None
        if not isinstance(argument, tree.Literal) or argument.kind != "text":
            raise PredicateError(f"{name}() takes one literal name, as {name}('x')")
        known = self._scope.claim_types if name == "claim" else self._scope.roles
        if argument.text not in known:
            raise PredicateError(
                f'{name} "{argument.text}" is not declared',
                suggestion=near_miss(argument.text, known),
            )
        return tree.Claim(argument.text) if name == "claim" else tree.Role(argument.text)

    def _a_expr(self, node: Any) -> Expression:
        kind = postgast.pg_query_pb2.A_Expr_Kind.Name(node.kind)
        translate = _OPERATIONS.get(kind)
        if translate is None:
            raise PredicateError(f"not allowed in a condition: {kind.removeprefix('AEXPR_')}")
        if len(node.name) != 1:
            raise PredicateError("operators are written without a schema")
        return translate(self, node, node.name[0].string.sval)

    def _aexpr_op(self, node: Any, operator: str) -> Expression:
        if not node.HasField("lexpr"):
            raise PredicateError(f"prefix operator {operator} is not allowed")
        left, right = self.expression(node.lexpr), self.expression(node.rexpr)
        if operator in ("+", "-"):
            return _time_arithmetic(left, operator, right)
        if operator not in BOOLEAN_OPERATORS | VALUE_OPERATORS:
            raise PredicateError(
                f"operator {operator} is not allowed; possible: {' '.join(ALL_OPERATORS)}"
            )
        if operator in ("->", "->>") and not isinstance(right, tree.Literal):
            raise PredicateError(f"{operator} takes a literal key")
        if operator not in ARRAY_OPERATORS:
            self._refuse_array_claims(left, right)
        return tree.Operator(operator, left, right)

    def _refuse_array_claims(self, *operands: Expression) -> None:
        for operand in operands:
            if isinstance(operand, tree.Claim) and self._scope.claim_types[operand.name].is_array:
                raise PredicateError(
                    f"claim \"{operand.name}\" is a list: write = ANY(claim('{operand.name}'))"
                )

    def _quantified(self, node: Any, operator: str, quantifier: Any) -> Expression:
        operand, array = self.expression(node.lexpr), self.expression(node.rexpr)
        if operator not in COMPARISONS:
            raise PredicateError(f"{operator} {quantifier} is not allowed")
        is_list = isinstance(array, tree.Array | tree.Column) or (
            isinstance(array, tree.Claim) and self._scope.claim_types[array.name].is_array
        )
        if not is_list:
            raise PredicateError(
                f"{quantifier} takes a list: an array claim, an array column or ARRAY[…]"
            )
        self._refuse_array_claims(operand)
        return tree.Quantified(operand, operator, quantifier, array)

    def _aexpr_op_any(self, node: Any, operator: str) -> Expression:
        return self._quantified(node, operator, "ANY")

    def _aexpr_op_all(self, node: Any, operator: str) -> Expression:
        return self._quantified(node, operator, "ALL")

    def _aexpr_distinct(self, node: Any, _operator: str) -> Expression:
        sides = self.expression(node.lexpr), self.expression(node.rexpr)
        self._refuse_array_claims(*sides)
        return tree.Operator("IS DISTINCT FROM", *sides)

    def _aexpr_not_distinct(self, node: Any, _operator: str) -> Expression:
        sides = self.expression(node.lexpr), self.expression(node.rexpr)
        self._refuse_array_claims(*sides)
        return tree.Operator("IS NOT DISTINCT FROM", *sides)

    def _aexpr_nullif(self, node: Any, _operator: str) -> Expression:
        return tree.Grammar("NULLIF", (self.expression(node.lexpr), self.expression(node.rexpr)))

    def _aexpr_in(self, node: Any, operator: str) -> Expression:
        operand, items = self.expression(node.lexpr), self._each(node.rexpr.list.items)
        self._refuse_array_claims(operand, *items)
        return tree.InList(operand, items, operator == "<>")

    def _aexpr_between(self, node: Any, _operator: str, is_negated: bool = False) -> Expression:
        operand = self.expression(node.lexpr)
        low, high = self._each(node.rexpr.list.items)
        self._refuse_array_claims(operand, low, high)
        return tree.Between(operand, low, high, is_negated)

    def _aexpr_not_between(self, node: Any, operator: str) -> Expression:
        return self._aexpr_between(node, operator, True)

    def _aexpr_like(self, node: Any, operator: str) -> Expression:
        is_constant = node.rexpr.WhichOneof("node") == "a_const"
        pattern = self.expression(node.rexpr) if is_constant else None
        if not isinstance(pattern, tree.Literal) or pattern.kind != "text":
            raise PredicateError("a LIKE pattern is a literal; see starts_with() for claims")
        if _ends_in_escape(pattern.text):
            raise PredicateError("a LIKE pattern must not end with the escape character")
        operand = self.expression(node.lexpr)
        is_negated = operator.startswith("!")
        return tree.Like(
            operand, "ILIKE" if operator.endswith("*") else "LIKE", pattern.text, is_negated
        )

    def _sub_link(self, node: Any) -> Expression:
        kind = postgast.pg_query_pb2.SubLinkType.Name(node.sub_link_type)
        if self._lookup is not None:
            raise PredicateError("a subquery inside a subquery is not allowed")
        if kind not in ("ANY_SUBLINK", "EXISTS_SUBLINK") or node.oper_name:
            raise PredicateError("a subquery is allowed as column IN (SELECT …) or EXISTS (…)")
        operand = self.expression(node.testexpr) if kind == "ANY_SUBLINK" else None
        statement = node.subselect.select_stmt
        relation, names = self._lookup_table(statement)
        self._lookup, self._lookup_names = relation, names
        try:
            where = (
                self._condition(statement.where_clause)
                if statement.HasField("where_clause")
                else None
            )
            outputs = self._lookup_outputs(statement) if operand is not None else ()
        finally:
            self._lookup, self._lookup_names = None, ()
        width = len(operand.items) if isinstance(operand, tree.Row) else 1
        if operand is not None and len(outputs) != width:
            raise PredicateError(f"the subquery must select {width} column(s)")
        return tree.Lookup(relation, outputs, where, operand)

    def _lookup_table(self, statement: Any) -> tuple[RelationKey, tuple[str, ...]]:
        present = {descriptor.name for descriptor, _ in statement.ListFields()}
        if present - {"target_list", "from_clause", "where_clause", "limit_option", "op"}:
            raise PredicateError("a lookup is SELECT columns FROM schema.table WHERE condition")
        if len(statement.from_clause) != 1 or not statement.from_clause[0].HasField("range_var"):
            raise PredicateError("a lookup reads exactly one table")
        table = statement.from_clause[0].range_var
        if not table.schemaname or table.catalogname or not table.inh or table.alias.colnames:
            raise PredicateError("a lookup table is written as schema.table")
        relation = RelationKey(self._scope.source, table.schemaname, table.relname)
        if relation not in self._scope.lookups:
            raise PredicateError(
                f"{relation} is not listed under lookups",
                suggestion=near_miss(str(relation), map(str, self._scope.lookups)),
            )
        return relation, (table.alias.aliasname or table.relname,)

    def _lookup_outputs(self, statement: Any) -> tuple[str, ...]:
        outputs: list[str] = []
        for target in statement.target_list:
            column = self.expression(target.res_target.val)
            if not isinstance(column, tree.Column) or target.res_target.indirection:
                raise PredicateError("a lookup selects plain columns")
            outputs.append(column.name)
        return tuple(outputs)


# The allow-lists: a node or operation that is not here is refused (I3).
_NODES: Mapping[str, Callable[[_Translator, Any], Expression]] = {
    "a_array_expr": _Translator._a_array_expr,
    "a_const": _Translator._a_const,
    "a_expr": _Translator._a_expr,
    "bool_expr": _Translator._bool_expr,
    "boolean_test": _Translator._boolean_test,
    "case_expr": _Translator._case_expr,
    "coalesce_expr": _Translator._coalesce_expr,
    "column_ref": _Translator._column_ref,
    "func_call": _Translator._func_call,
    "min_max_expr": _Translator._min_max_expr,
    "null_test": _Translator._null_test,
    "row_expr": _Translator._row_expr,
    "sqlvalue_function": _Translator._sqlvalue_function,
    "sub_link": _Translator._sub_link,
    "type_cast": _Translator._type_cast,
}
_OPERATIONS: Mapping[str, Callable[[_Translator, Any, str], Expression]] = {
    "AEXPR_BETWEEN": _Translator._aexpr_between,
    "AEXPR_DISTINCT": _Translator._aexpr_distinct,
    "AEXPR_ILIKE": _Translator._aexpr_like,
    "AEXPR_IN": _Translator._aexpr_in,
    "AEXPR_LIKE": _Translator._aexpr_like,
    "AEXPR_NOT_BETWEEN": _Translator._aexpr_not_between,
    "AEXPR_NOT_DISTINCT": _Translator._aexpr_not_distinct,
    "AEXPR_NULLIF": _Translator._aexpr_nullif,
    "AEXPR_OP": _Translator._aexpr_op,
    "AEXPR_OP_ALL": _Translator._aexpr_op_all,
    "AEXPR_OP_ANY": _Translator._aexpr_op_any,
}


def _time_arithmetic(left: Expression, operator: str, right: Expression) -> Expression:
    """now() or current_date, plus or minus an interval literal: in range for thousands of years."""
    is_interval = isinstance(right, tree.TypedLiteral) and right.type_name == "interval"
    if isinstance(left, tree.Current) and is_interval:
        return tree.Operator(operator, left, right)
    raise PredicateError(
        "arithmetic can overflow; allowed: now() or current_date, plus or minus an interval literal"
    )


def _ends_in_escape(pattern: str) -> bool:
    trailing = len(pattern) - len(pattern.rstrip("\\"))
    return trailing % 2 == 1
