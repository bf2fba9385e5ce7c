"""Which expressions are safe on a hidden row: total for every stored value, so that they cannot
raise.

A row filter is no barrier to what PostgreSQL evaluates first (pitfalls 1–7): the planner orders
conjuncts by cost and moves them below joins. So an expression that might be evaluated before a
filter must not be able to raise, whatever the row holds. `proleakproof` is both too narrow (LIKE,
numeric, enum) and not quite the question; `classification.total` holds the reviewed table, and this
file applies it to trees.

Safe, then, is: a column whose value is already stored or computed; a literal or parameter (its
input function runs at analysis or Bind, on no row); a total operator or function over safe
operands; boolean connectives; a subquery that is quiet throughout. Everything else is unsafe, which
costs a fence, never an answer.

An unknown type (OID 0) makes an operator unsafe. This file must not know policies or printing.
"""

from __future__ import annotations

from postgast import pg_query_pb2 as pb

from proxy.catalog.virtual import Column
from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.classification import literals, total
from proxy.sql.collation import Collations, agree
from proxy.sql.infer import COMPARISONS, TEXT_OID, TEXTS, UNKNOWN_OID, case_results
from proxy.sql.level import contains_aggregate, level_expressions
from proxy.sql.scope import (
    Bound,
    Item,
    ItemKind,
    Merged,
    Output,
    Query,
    RefKind,
    Select,
    SetOperation,
)

VARCHAR_OID = 1043
_TIMES = {
    pb.SVFOP_CURRENT_DATE, pb.SVFOP_CURRENT_TIME, pb.SVFOP_CURRENT_TIMESTAMP, pb.SVFOP_LOCALTIME,
    pb.SVFOP_LOCALTIMESTAMP,
}  # fmt: skip
_QUIET_AGGREGATES = {"count", "bool_and", "bool_or", "every"}
# These accumulate in a wider type; sums of floats and of numerics can overflow.
_QUIET_SUMS = {21, 23, 20}
_QUIET_WINDOWS = {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "lag", "lead",
                  "first_value", "last_value"}  # fmt: skip


class Safety(Collations):
    """Answers about one bound statement whose LIKE patterns are settled (`pattern`)."""

    def __init__(self, bound: Bound, parameter_oids: tuple[int, ...]) -> None:
        super().__init__(bound, parameter_oids)
        self._outputs: dict[int, bool] = {}
        self._quiet: dict[int, bool] = {}

    # Safety of expressions

    def is_safe(self, node: tree.Node) -> bool:
        """Whether evaluating the expression on any row, hidden ones too, can neither raise nor
        act."""
        field = tree.kind(node)
        if not field:
            return True
        message = getattr(node, field)
        match field:
            case "a_const" | "param_ref" | "grouping_func":
                return True
            case "column_ref":
                return self._is_safe_reference(message)
            case "type_cast":
                return self._is_safe_cast(message)
            case "bool_expr":
                return all(map(self.is_safe, message.args))
            case "null_test" | "boolean_test":
                return self.is_safe(message.arg)
            case "a_expr":
                return self._is_safe_operator(message)
            case "coalesce_expr":
                return self._are_safe_together(list(message.args))
            case "min_max_expr":
                oid = self.unified(list(message.args))
                is_total = total.is_total_operator("<", oid, oid)
                return is_total and self._are_safe_together(list(message.args))
            case "case_expr":
                return self._is_safe_case(message)
            case "func_call":
                return self._is_safe_call(message)
            case "sqlvalue_function":
                return message.op in _TIMES
            case "sub_link":
                return self._is_safe_sublink(message)
            case _:
                return False

    def _is_safe_reference(self, message: tree.Node) -> bool:
        ref = self.bound.refs.get(id(message))
        if ref is None:  # an output name in ORDER BY: judged where the output is
            return False
        return (
            ref.kind is RefKind.COLUMN
            and ref.entry is not None
            and self.output_is_safe(ref.entry.output)
        )

    def output_is_safe(self, output: Output) -> bool:
        """Whether reading this output computes nothing that can raise."""
        known = self._outputs.get(id(output))
        if known is None:
            self._outputs[id(output)] = False  # a cycle (recursive WITH) is not safe
            if output.expression is not None:
                known = self.is_safe(output.expression)
            elif output.arms is not None:
                is_one_type = self.output_type(output) != 0
                known = is_one_type and all(map(self.output_is_safe, output.arms))
            elif output.values:
                known = self._are_safe_together(list(output.values))
            else:
                known = True
            self._outputs[id(output)] = known
        return known

    def _is_safe_cast(self, message: tree.Node) -> bool:
        wanted = self.cast_type(message)
        argument = message.arg
        if argument.HasField("a_const"):
            # An untyped literal goes through the input function at analysis, whatever the data.
            return wanted != 0 and (argument.a_const.HasField("sval") or argument.a_const.isnull)
        if argument.HasField("param_ref"):
            # A length or precision is applied when the plan runs, and may not fit.
            is_plain = wanted != 0 and not message.type_name.typmods
            return is_plain and self.parameter_type(argument.param_ref.number) == wanted
        if message.type_name.typmods:
            return False
        given = self.type_of(argument)
        return (given == wanted != 0 or total.is_total_cast(given, wanted)) and self.is_safe(
            argument
        )

    def _is_safe_case(self, message: tree.Node) -> bool:
        conditions = [when.case_when.expr for when in message.args]
        if message.HasField("arg"):
            if not self.is_safe(message.arg):
                return False
            if not all(self.is_total("=", message.arg, condition) for condition in conditions):
                return False
        results = case_results(message)
        return self._are_safe_together(results) and all(map(self.is_safe, conditions))

    def _are_safe_together(self, nodes: list[tree.Node]) -> bool:
        """Whether the expressions are safe and meet in one type and one collation."""
        return (
            self.unified(nodes) != 0
            and self.has_one_collation(nodes)
            and all(map(self.is_safe, nodes))
        )

    def _is_safe_call(self, message: tree.Node) -> bool:
        if message.HasField("over") or message.HasField("agg_filter") or message.agg_order:
            return False
        names = tree.names(message.funcname)
        arguments = tuple(map(self.type_of, message.args))
        if len(names) > 2 or (len(names) == 2 and names[0] != "pg_catalog"):
            return False
        texts = [_literal(argument) for argument in message.args]
        known = tuple(TEXT_OID if oid == UNKNOWN_OID else oid for oid in arguments)
        if not total.is_total_function(names[-1], known, texts):
            return False
        return self.has_one_collation(message.args) and all(map(self.is_safe, message.args))

    # Operators

    def _is_safe_operator(self, message: tree.Node) -> bool:
        name = message.name[-1].string.sval if message.name else ""
        if len(message.name) > 1 and message.name[0].string.sval != "pg_catalog":
            return False
        left, right = message.lexpr, message.rexpr
        match message.kind:
            case pb.AEXPR_OP:
                return self._is_safe_plain(name, left, right)
            case pb.AEXPR_OP_ANY | pb.AEXPR_OP_ALL:
                return name in COMPARISONS and self._is_safe_array_comparison(name, left, right)
            case pb.AEXPR_DISTINCT | pb.AEXPR_NOT_DISTINCT | pb.AEXPR_NULLIF:
                return (
                    self.is_total("=", left, right) and self.is_safe(left) and self.is_safe(right)
                )
            case pb.AEXPR_IN:
                members = right.list.items
                return self.is_safe(left) and all(
                    self.is_safe(member) and self.is_total("=", left, member) for member in members
                )
            case pb.AEXPR_LIKE | pb.AEXPR_ILIKE:
                return self._is_safe_pattern(message.kind, name, left, right)
            case (
                pb.AEXPR_BETWEEN
                | pb.AEXPR_NOT_BETWEEN
                | pb.AEXPR_BETWEEN_SYM
                | pb.AEXPR_NOT_BETWEEN_SYM
            ):
                bounds = right.list.items
                return self.is_safe(left) and all(
                    self.is_safe(bound) and self.is_total("<=", left, bound) for bound in bounds
                )
            case _:
                return False

    def _is_safe_plain(self, name: str, left: tree.Node, right: tree.Node) -> bool:
        if left.HasField("row_expr") and right.HasField("row_expr"):
            pairs = list(zip(left.row_expr.args, right.row_expr.args, strict=False))
            return name in COMPARISONS and all(
                self.is_safe(one) and self.is_safe(two) and self.is_total(name, one, two)
                for one, two in pairs
            )
        if name in ("~~", "~~*", "!~~", "!~~*"):
            return False  # spelled as an operator: LIKE itself is what people write
        if self._is_recent(name, left, right):
            return True
        return self.is_total(name, left, right) and self.is_safe(left) and self.is_safe(right)

    def _is_recent(self, name: str, left: tree.Node, right: tree.Node) -> bool:
        """`now() ± interval '…'` and its SQL spellings, the interval a bounded literal (pitfall
        4)."""
        if name not in ("+", "-") or not right.HasField("type_cast"):
            return False
        literal = right.type_cast
        if not literal.arg.a_const.HasField("sval"):
            return False
        if tree.names(literal.type_name.names)[-1] != "interval":
            return False
        is_time = left.HasField("sqlvalue_function") and left.sqlvalue_function.op in _TIMES
        if left.HasField("func_call") and not left.func_call.args:
            is_time = tree.names(left.func_call.funcname)[-1] in ("now", "transaction_timestamp")
        return is_time and literals.is_bounded_interval(literal.arg.a_const.sval.sval)

    def is_total(self, name: str, left: tree.Node, right: tree.Node) -> bool:
        """Whether `left name right` is total by the types of its operands."""
        if name in COMPARISONS and self._is_same_enum(left, right):
            return True
        left_oid, right_oid = self.type_of(left), self.type_of(right)
        if left_oid == UNKNOWN_OID:
            left_oid = right_oid
        if right_oid == UNKNOWN_OID:
            right_oid = TEXT_OID if name in ("->", "->>", "?") else left_oid
        if 0 in (left_oid, right_oid) or not self.has_one_collation([left, right]):
            return False
        return total.is_total_operator(name, left_oid, right_oid, _literal(right))

    def _is_same_enum(self, left: tree.Node, right: tree.Node) -> bool:
        columns = [self._stored_column(side) for side in (left, right)]
        enums = [column for column in columns if column is not None and column.type_kind == "e"]
        if len(enums) == 2:
            return enums[0].type_oid == enums[1].type_oid
        other = right if columns[0] in enums and enums else left
        return len(enums) == 1 and other.HasField("a_const")

    def _stored_column(self, node: tree.Node) -> Column | None:
        if not node.HasField("column_ref"):
            return None
        ref = self.bound.refs.get(id(node.column_ref))
        output = ref.entry.output if ref is not None and ref.entry is not None else None
        while output is not None and output.column is None:
            expression = output.expression
            if expression is None or not expression.HasField("column_ref"):
                return None
            ref = self.bound.refs.get(id(expression.column_ref))
            output = ref.entry.output if ref is not None and ref.entry is not None else None
        return output.column if output is not None else None

    def _is_safe_pattern(self, kind: int, name: str, left: tree.Node, right: tree.Node) -> bool:
        if self.type_of(left) not in TEXTS or not self.is_safe(left):
            return False
        if not self.has_one_collation([left]):
            return False
        if right.HasField("param_ref"):  # its value is checked at Bind (`pattern`)
            return self.parameter_type(right.param_ref.number) in (TEXT_OID, VARCHAR_OID)
        if not right.HasField("a_const") or not right.a_const.HasField("sval"):
            return False
        return literals.is_well_formed_like_pattern(right.a_const.sval.sval)

    def _is_safe_array_comparison(self, name: str, left: tree.Node, right: tree.Node) -> bool:
        if not self.is_safe(left):
            return False
        if right.HasField("a_array_expr"):
            return all(
                self.is_safe(element) and self.is_total(name, left, element)
                for element in right.a_array_expr.elements
            )
        if right.HasField("a_const"):
            oid = self.type_of(left)
            return oid != 0 and total.is_total_operator(name, oid, oid)
        element = CLASSIFICATION.element_type(self.type_of(right))
        oid = self.type_of(left)
        if oid == UNKNOWN_OID:
            oid = element
        return element != 0 and total.is_total_operator(name, oid, element) and self.is_safe(right)

    # Subqueries

    def _is_safe_sublink(self, message: tree.Node) -> bool:
        query = self.bound.sublinks[id(message)]
        if not self.is_quiet(query):
            return False
        match message.sub_link_type:
            case pb.EXISTS_SUBLINK:
                return True
            case pb.ARRAY_SUBLINK:  # arrays of different lengths do not make one array
                oid = self.output_type(query.outputs[0])
                return oid != 0 and CLASSIFICATION.element_type(oid) == 0
            case pb.ANY_SUBLINK:
                name = message.oper_name[-1].string.sval if message.oper_name else "="
                test = message.testexpr
                oid = self.type_of(test)
                output = self.output_type(query.outputs[0])
                return (
                    name in COMPARISONS
                    and not test.HasField("row_expr")
                    and oid != 0
                    and output != 0
                    and total.is_total_operator(name, oid if oid != UNKNOWN_OID else output, output)
                    and agree(self.columns_in(test) + self.columns_behind(query.outputs[0]))
                    and self.is_safe(test)
                )
            case pb.EXPR_SUBLINK:
                return self._gives_one_row(query)
            case _:
                return False

    def _gives_one_row(self, query: Query) -> bool:
        """Whether the query cannot return two rows: a plain aggregate, or LIMIT 1."""
        if not isinstance(query, Select):
            return False
        node = query.node
        limit = node.limit_count
        if (
            limit.HasField("a_const")
            and limit.a_const.HasField("ival")
            and limit.a_const.ival.ival == 1
        ):
            return bool(node.limit_option != pb.LIMIT_OPTION_WITH_TIES)
        has_aggregate = any(
            contains_aggregate(target.res_target.val, query, self.bound.refs)
            for target in node.target_list
        )
        return has_aggregate and not node.group_clause

    def is_quiet(self, query: Query) -> bool:
        """Whether nothing anywhere in the query can raise, on any row of what it reads."""
        known = self._quiet.get(id(query))
        if known is None:
            self._quiet[id(query)] = False
            known = self._find_quiet(query)
            self._quiet[id(query)] = known
        return known

    def _find_quiet(self, query: Query) -> bool:
        if not all(self.is_quiet(cte.query) for cte in query.ctes):
            return False
        if not all(map(_is_plain_limit, (query.node.limit_count, query.node.limit_offset))):
            return False
        if isinstance(query, SetOperation):
            return (
                self.is_quiet(query.left)
                and self.is_quiet(query.right)
                and all(map(self._is_total_set_output, query.outputs))
            )
        if not all(self.is_quiet_item(item) for item in query.items):
            return False
        if query.node.values_lists and not all(map(self.output_is_safe, query.outputs)):
            return False  # rows of different types: a cast of one to the other
        if any(_has_frame_offset(window.window_def) for window in query.node.window_clause):
            return False
        return all(self._is_quiet_expression(node) for node in level_expressions(query))

    def _is_total_set_output(self, output: Output) -> bool:
        oid = self.output_type(output)
        return total.is_total_operator("=", oid, oid) and agree(self.columns_behind(output))

    def is_total_merge(self, merged: Merged) -> bool:
        """Whether the equality behind one JOIN USING column is total and its sides are safe."""
        left, right = merged.left.output, merged.right.output
        return (
            agree(self.columns_behind(left) + self.columns_behind(right))
            and total.is_total_operator("=", self.output_type(left), self.output_type(right))
            and self.output_is_safe(left)
            and self.output_is_safe(right)
        )

    def is_quiet_item(self, item: Item) -> bool:
        """Whether producing this FROM leaf's rows cannot raise."""
        match item.kind:
            case ItemKind.RELATION:
                assert item.relation is not None
                base = item.relation.relation
                return base.is_stored and not any(c.generated == "v" for c in base.columns)
            case ItemKind.SUBQUERY:
                assert item.query is not None
                return self.is_quiet(item.query)
            case ItemKind.CTE:
                assert item.cte is not None
                return item.is_working_table or self.is_quiet(item.cte.query)
            case ItemKind.FUNCTION:
                return _is_total_range_function(item.node.range_function)

    def _is_quiet_expression(self, node: tree.Node) -> bool:
        """Safe, or a total aggregate or window function over safe arguments, or a combination."""
        if self.is_safe(node):
            return True
        if node.HasField("func_call"):
            return self._is_quiet_call(node.func_call)
        if node.HasField("sort_by"):
            return self._is_quiet_expression(node.sort_by.node)
        if node.HasField("a_expr") and node.a_expr.kind == pb.AEXPR_OP:
            name = node.a_expr.name[-1].string.sval
            left, right = node.a_expr.lexpr, node.a_expr.rexpr
            return (
                name in COMPARISONS
                and self.is_total(name, left, right)
                and self._is_quiet_expression(left)
                and self._is_quiet_expression(right)
            )
        if node.HasField("coalesce_expr"):
            arguments = list(node.coalesce_expr.args)
            return (
                self.unified(arguments) != 0
                and self.has_one_collation(arguments)
                and all(map(self._is_quiet_expression, arguments))
            )
        return False

    def _is_quiet_call(self, message: tree.Node) -> bool:
        name = tree.names(message.funcname)[-1]
        arguments = list(message.args)
        if message.HasField("over"):
            window = message.over
            keys = [
                *window.partition_clause,
                *(order.sort_by.node for order in window.order_clause),
            ]
            if _has_frame_offset(window) or len(arguments) > 1:
                return False
            arguments += keys
            is_known = name in _QUIET_WINDOWS
        else:
            is_known = False
        if name in _QUIET_AGGREGATES:
            is_known = True
        if name in ("min", "max"):  # of json[] they compare what cannot be compared
            is_known = all(self.is_total("<", argument, argument) for argument in message.args)
        if name in ("sum", "avg"):
            is_known = len(message.args) == 1 and self.type_of(message.args[0]) in _QUIET_SUMS
        if message.HasField("agg_filter"):
            arguments.append(message.agg_filter)
        is_plain = not message.agg_order and self.has_one_collation(message.args)
        return is_known and is_plain and all(map(self.is_safe, arguments))


def _has_frame_offset(window: tree.Node) -> bool:
    return bool(window.HasField("start_offset") or window.HasField("end_offset"))


def _is_plain_limit(node: tree.Node) -> bool:
    """Absent, or a whole number from zero: a negative one raises when rows are first asked for."""
    if not node.WhichOneof("node"):
        return True
    return bool(node.a_const.HasField("ival")) and node.a_const.ival.ival >= 0


def _literal(node: tree.Node) -> str | None:
    """The text of a literal (a number as written), None for anything else."""
    if node.HasField("type_cast"):
        inner = node.type_cast.arg
        return str(inner.a_const.sval.sval) if inner.a_const.HasField("sval") else None
    constant = node.a_const
    if constant.HasField("sval"):
        return str(constant.sval.sval)
    if constant.HasField("ival"):
        return str(constant.ival.ival)
    return str(constant.fval.fval) if constant.HasField("fval") else None


def _is_total_range_function(message: tree.Node) -> bool:
    """`generate_series(1, 10)` and `unnest($1)`: nothing else in FROM that computes is quiet."""
    if len(message.functions) != 1:
        return False
    call = message.functions[0].list.items[0]
    if not call.HasField("func_call"):
        return False
    name, arguments = tree.names(call.func_call.funcname)[-1], call.func_call.args
    if name == "generate_series" and len(arguments) == 2:
        return all(a.HasField("a_const") and a.a_const.HasField("ival") for a in arguments)
    if name == "unnest" and len(arguments) == 1:
        only = arguments[0]
        if only.HasField("a_array_expr"):
            return all(element.HasField("a_const") for element in only.a_array_expr.elements)
        return bool(only.HasField("param_ref"))
    return False
