"""From a guarded query to DuckDB's SQL, where both mean the same; else nothing.

An allow-list with types: an expression is translated only if its operator, on operands of exactly
these types, has one value in both engines for every input (tried by `tests/live/sources`). Anything
else raises `Inexact`, and whoever asked lets a Postgres do it. Nothing is ever translated to a
near miss.

What differs and is therefore left out: order and letters of texts (collations), floating-point
sums (their order), division and averages (scales), casts that round, text forms of values.

This file must not know files or their formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from postgast import pg_query_pb2 as pb

from proxy.catalog.virtual import Column
from proxy.sql import tree
from proxy.sql.infer import BOOL_OID, TEXT_OID, UNKNOWN_OID
from proxy.sql.plan import FileSlot
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, Entry, Output, RefKind

NUMERIC_DIGITS_MAX: Final = 18
"""On each side of the point: two such numbers are compared exactly in DECIMAL(38)."""

INTEGERS: Final = frozenset({20, 21, 23})
NUMERIC: Final = 1700
DATE: Final = 1082
TIMESTAMP: Final = 1114
TIMESTAMPTZ: Final = 1184
UUID: Final = 2950
TEXTS: Final = frozenset({25, 1043})
FLOATS: Final = frozenset({700, 701})

_KINDS: Final = {
    BOOL_OID: "boolean", 20: "integer", 21: "integer", 23: "integer", NUMERIC: "numeric",
    701: "double", 25: "text", 1043: "text", DATE: "date", TIMESTAMP: "timestamp", UUID: "uuid",
    1009: "text[]", 1015: "text[]", 1005: "integer[]", 1007: "integer[]", 1016: "integer[]",
}  # fmt: skip
_CASTS: Final = {
    "boolean": "BOOLEAN", "integer": "BIGINT", "double": "DOUBLE", "text": "VARCHAR",
    "date": "DATE", "timestamp": "TIMESTAMP", "uuid": "UUID", "text[]": "VARCHAR[]",
    "integer[]": "BIGINT[]",
}  # fmt: skip
_DATE: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_NUMBER: Final = re.compile(rf"[0-9]{{1,{NUMERIC_DIGITS_MAX}}}(\.[0-9]{{1,{NUMERIC_DIGITS_MAX}}})?")
_DECLARED: Final = re.compile(r"numeric\((\d+),(\d+)\)")
_EQUAL: Final = {"=": "=", "<>": "<>"}
_ORDERED: Final = {**_EQUAL, "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class Inexact(Exception):
    """DuckDB cannot be asked this, or not so that it must answer what Postgres would."""


def quoted(name: str) -> str:
    """An identifier of DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def constant(text: str) -> str:
    """A text constant of DuckDB, which knows no backslash escapes in one."""
    if "\0" in text:
        raise Inexact
    return "'" + text.replace("'", "''") + "'"


class Expressions:
    """Translates the expressions of one bound, guarded statement; `slots` fills up with the
    parameters that they use, in the order of DuckDB's `$1…`."""

    def __init__(self, bound: Bound, safety: Safety) -> None:
        self.bound = bound
        self.safety = safety
        self.slots: list[FileSlot] = []
        self._forms: dict[str, Callable[[tree.Node], str]] = {
            "column_ref": self._column,
            "a_const": self._constant,
            "param_ref": self._parameter,
            "bool_expr": self._logic,
            "null_test": self._null_test,
            "boolean_test": self._boolean_test,
            "a_expr": self._operator,
            "type_cast": self._cast,
            "coalesce_expr": self._coalesce,
            "func_call": self._call,
        }

    def translate(self, node: tree.Node) -> str:
        """The expression in DuckDB's SQL. Raises Inexact."""
        form = self._forms.get(tree.kind(node))
        if form is None:
            raise Inexact
        return form(getattr(node, tree.kind(node)))

    def condition(self, node: tree.Node) -> str:
        """The same, of a truth value."""
        if self.family(node) != BOOL_OID:
            raise Inexact
        return self.translate(node)

    def value(self, node: tree.Node) -> str:
        """The same for an output: a column may be handed over even if it cannot be compared."""
        if node.HasField("column_ref"):
            return self.place(node.column_ref)
        return self.translate(node)

    def place(self, message: tree.Node) -> str:
        """The name of a column, whatever its type. Raises Inexact for anything but a column."""
        entry = self.entry(message)
        assert entry.item is not None, "asked in entry()"
        return f"{quoted(entry.item.name)}.{quoted(entry.name)}"

    def entry(self, message: tree.Node) -> Entry:
        """What a reference names. Raises Inexact unless it is one column of one FROM item."""
        ref = self.bound.refs.get(id(message))
        if ref is None or ref.kind is not RefKind.COLUMN or ref.entry is None:
            raise Inexact
        if ref.entry.merged is not None or ref.entry.item is None:
            raise Inexact
        return ref.entry

    def family(self, node: tree.Node) -> int:
        """The type of an expression, one number for types that compare as one; 0 if unknown."""
        return _family(self.safety.type_of(node))

    # Leaves

    def _column(self, message: tree.Node) -> str:
        entry = self.entry(message)
        stored = stored_column(self.bound, entry.output)
        if stored is not None and not _is_comparable(stored):
            raise Inexact
        if stored is None and self.safety.output_type(entry.output) == NUMERIC:
            raise Inexact  # its digits are not known
        return self.place(message)

    def _constant(self, message: tree.Node) -> str:
        if message.isnull:
            return "NULL"
        if message.HasField("ival"):
            return str(message.ival.ival)
        if message.HasField("boolval"):
            return "TRUE" if message.boolval.boolval else "FALSE"
        if message.HasField("fval"):
            if not _NUMBER.fullmatch(message.fval.fval):
                raise Inexact
            return str(message.fval.fval)
        raise Inexact  # an untyped text: what it is, its context says

    def _as(self, node: tree.Node, family: int) -> str:
        """The expression where a value of that family is wanted."""
        constants = node.a_const if node.HasField("a_const") else None
        if constants is not None and constants.HasField("sval"):
            return _typed(constants.sval.sval, family)
        if constants is not None and constants.isnull:
            return "NULL"
        if self.family(node) != family:
            raise Inexact
        return self.translate(node)

    def _parameter(self, message: tree.Node) -> str:
        return self._slot(message.number)

    def _slot(self, number: int, *, is_pattern: bool = False) -> str:
        oid = self.safety.parameter_type(number)
        kind = _KINDS.get(oid)
        if kind is None:
            raise Inexact
        slot = FileSlot(number, oid, kind, is_pattern)
        if slot not in self.slots:
            self.slots.append(slot)
        name = f"${self.slots.index(slot) + 1}"
        return f"CAST({name} AS {_CASTS[kind]})" if kind in _CASTS else name

    def _cast(self, message: tree.Node) -> str:
        if message.type_name.typmods:
            raise Inexact
        wanted = self.safety.cast_type(message)
        if (self.safety.type_of(message.arg), wanted) in _TOTAL_CASTS:
            return f"CAST({self.translate(message.arg)} AS {_TOTAL_CASTS_TO[wanted]})"
        if message.arg.HasField("a_const") and message.arg.a_const.HasField("sval"):
            return _typed(message.arg.a_const.sval.sval, _family(wanted))
        if message.arg.HasField("a_const") and message.arg.a_const.isnull and wanted in _KINDS:
            return "NULL"
        if wanted == 0 or self.safety.type_of(message.arg) != wanted:
            raise Inexact
        return self.translate(message.arg)

    # Combinations

    def _logic(self, message: tree.Node) -> str:
        parts = [self.condition(one) for one in message.args]
        if message.boolop == pb.NOT_EXPR:
            return f"(NOT {parts[0]})"
        return "(" + (" AND " if message.boolop == pb.AND_EXPR else " OR ").join(parts) + ")"

    def _null_test(self, message: tree.Node) -> str:
        # Whether there is a value can be asked of any column.
        value = self.value(message.arg)
        return f"({value} IS {'' if message.nulltesttype == pb.IS_NULL else 'NOT '}NULL)"

    def _boolean_test(self, message: tree.Node) -> str:
        value = self.condition(message.arg)
        known = {
            pb.IS_TRUE: "IS NOT DISTINCT FROM TRUE", pb.IS_NOT_TRUE: "IS DISTINCT FROM TRUE",
            pb.IS_FALSE: "IS NOT DISTINCT FROM FALSE", pb.IS_NOT_FALSE: "IS DISTINCT FROM FALSE",
            pb.IS_UNKNOWN: "IS NULL", pb.IS_NOT_UNKNOWN: "IS NOT NULL",
        }  # fmt: skip
        return f"({value} {known[message.booltesttype]})"

    def _coalesce(self, message: tree.Node) -> str:
        family = self.meeting(list(message.args))
        if family not in INTEGERS | TEXTS | {BOOL_OID, DATE, TIMESTAMP}:
            raise Inexact
        return "coalesce(" + ", ".join(self._as(one, family) for one in message.args) + ")"

    def meeting(self, nodes: list[tree.Node]) -> int:
        """The one family of several operands. Raises Inexact if they have several, or none."""
        oids = {self.safety.type_of(node) for node in nodes} - {UNKNOWN_OID}
        families = {_family(oid) for oid in oids}
        if families == {_family(20), NUMERIC}:
            return NUMERIC
        if len(families) != 1 or 0 in families or (oids & FLOATS and len(oids) > 1):
            raise Inexact
        return families.pop()

    def _operator(self, message: tree.Node) -> str:
        name = tree.names(message.name)[-1] if message.name else ""
        left, right = message.lexpr, message.rexpr
        match message.kind:
            case pb.AEXPR_OP if name in _ARITHMETIC:
                return self._arithmetic(name, left, right)[0]
            case pb.AEXPR_OP:
                return self.compared(name, left, right)
            case pb.AEXPR_DISTINCT | pb.AEXPR_NOT_DISTINCT:
                word = "" if message.kind == pb.AEXPR_DISTINCT else "NOT "
                return self.compared("=", left, right, f"IS {word}DISTINCT FROM")
            case pb.AEXPR_IN:
                parts = [self.compared("=", left, one) for one in right.list.items]
                word = " OR " if name == "=" else " AND "
                return (
                    "("
                    + word.join(part if name == "=" else f"(NOT {part})" for part in parts)
                    + ")"
                )
            case pb.AEXPR_BETWEEN | pb.AEXPR_NOT_BETWEEN:
                low, high = right.list.items
                text = f"({self.compared('>=', left, low)} AND {self.compared('<=', left, high)})"
                return text if message.kind == pb.AEXPR_BETWEEN else f"(NOT {text})"
            case pb.AEXPR_OP_ANY:
                return self._any(name, left, right)
            case pb.AEXPR_LIKE:
                return self._like(name, left, right)
        raise Inexact

    def compared(
        self, name: str, left: tree.Node, right: tree.Node, operator: str | None = None
    ) -> str:
        """`left name right`. Raises Inexact."""
        family = self.meeting([left, right])
        is_equality_only = family in TEXTS | {UUID}
        known = _EQUAL if is_equality_only else _ORDERED
        if name not in known or family not in _COMPARABLE:
            raise Inexact
        if family == NUMERIC:  # an integer meets it without loss
            sides = [self.translate(left), self.translate(right)]
        else:
            sides = [self._as(left, family), self._as(right, family)]
        return f"({sides[0]} {operator or known[name]} {sides[1]})"

    def _any(self, name: str, left: tree.Node, right: tree.Node) -> str:
        if name != "=" or not right.HasField("param_ref"):
            if name == "=" and right.HasField("type_cast"):
                return self._any(name, left, right.type_cast.arg)
            raise Inexact
        family = self.family(left)
        kind = _KINDS.get(self.safety.parameter_type(right.param_ref.number), "")
        fits = {"text[]": _family(TEXT_OID), "integer[]": _family(20)}
        if family == 0 or fits.get(kind) != family:
            raise Inexact
        slot = self._slot(right.param_ref.number)
        return f"({self.translate(left)} IN (SELECT unnest({slot})))"

    def _like(self, name: str, left: tree.Node, right: tree.Node) -> str:
        if self.family(left) != _family(TEXT_OID):
            raise Inexact
        word = "LIKE" if name == "~~" else "NOT LIKE"
        if right.HasField("param_ref"):
            slot = self._slot(right.param_ref.number, is_pattern=True)
            return f"({self.translate(left)} {word} {slot})"
        if not right.HasField("a_const") or not right.a_const.HasField("sval"):
            raise Inexact
        pattern = right.a_const.sval.sval
        if "\\" in pattern:  # the escape that Postgres has and DuckDB has not
            raise Inexact
        return f"({self.translate(left)} {word} {constant(pattern)})"

    # Numbers with a known count of digits: no result can be too long, so nothing can raise

    def _number(self, node: tree.Node) -> tuple[str, int, int]:
        """A numeric operand as a DECIMAL, its precision and scale. Raises Inexact."""
        if node.HasField("a_const"):
            digits = self._constant(node.a_const).lstrip("-").split(".")
            if not digits[0].isdigit():
                raise Inexact
            scale = len(digits[1]) if len(digits) > 1 else 0
            precision = len(digits[0]) + scale
            return (
                f"CAST({self._constant(node.a_const)} AS DECIMAL({precision},{scale}))",
                precision,
                scale,
            )
        if node.HasField("a_expr") and node.a_expr.kind == pb.AEXPR_OP:
            name = tree.names(node.a_expr.name)[-1]
            if name in _ARITHMETIC:
                return self._arithmetic(name, node.a_expr.lexpr, node.a_expr.rexpr)
        if node.HasField("column_ref"):
            column = stored_column(self.bound, self.entry(node.column_ref).output)
            declared = None if column is None else _DECLARED.fullmatch(column.type_name)
            if declared is not None:
                return self.translate(node), int(declared[1]), int(declared[2])
            if column is not None and column.type_oid in _INTEGER_DIGITS:
                digits_max = _INTEGER_DIGITS[column.type_oid]
                return f"CAST({self.translate(node)} AS DECIMAL({digits_max},0))", digits_max, 0
        raise Inexact

    def _arithmetic(self, name: str, left: tree.Node, right: tree.Node) -> tuple[str, int, int]:
        # Of two integers the result is an integer, which may overflow.
        if NUMERIC not in (self.safety.type_of(left), self.safety.type_of(right)):
            raise Inexact
        one, one_precision, one_scale = self._number(left)
        two, two_precision, two_scale = self._number(right)
        if name == "*":
            precision, scale = one_precision + two_precision, one_scale + two_scale
        else:
            scale = max(one_scale, two_scale)
            precision = max(one_precision - one_scale, two_precision - two_scale) + scale + 1
        if precision > DECIMAL_DIGITS_MAX:
            raise Inexact
        return f"CAST(({one} {name} {two}) AS DECIMAL({precision},{scale}))", precision, scale

    # Calls

    def _call(self, message: tree.Node) -> str:
        name = tree.names(message.funcname)[-1]
        if message.HasField("over") or message.agg_order or message.agg_within_group:
            raise Inexact
        if name == "date_trunc":
            return self._truncated(message)
        text = self._aggregate(name, message)
        if message.HasField("agg_filter"):
            return f"{text} FILTER (WHERE {self.condition(message.agg_filter)})"
        return text

    def _truncated(self, message: tree.Node) -> str:
        if len(message.args) != 2 or self.safety.type_of(message.args[1]) != TIMESTAMP:
            raise Inexact
        unit = message.args[0].a_const.sval.sval.lower()
        if unit not in _UNITS:
            raise Inexact
        return f"CAST(date_trunc('{unit}', {self.translate(message.args[1])}) AS TIMESTAMP)"

    def _aggregate(self, name: str, message: tree.Node) -> str:
        if name == "count" and message.agg_star:
            return "count(*)"
        if name not in AGGREGATES or len(message.args) != 1:
            raise Inexact
        (argument,) = message.args
        oid, family = self.safety.type_of(argument), self.family(argument)
        if name == "count" and not message.agg_distinct:
            return f"count({self.value(argument)})"
        if family not in AGGREGATES[name]:
            raise Inexact
        text = f"{name}({'DISTINCT ' if message.agg_distinct else ''}{self.translate(argument)})"
        # As in Postgres: the sum of integers is a bigint, of bigints a numeric.
        return f"CAST({text} AS BIGINT)" if name == "sum" and oid in (21, 23) else text


_ARITHMETIC: Final = frozenset({"+", "-", "*"})
_INTEGER_DIGITS: Final = {21: 5, 23: 10, 20: 19}
DECIMAL_DIGITS_MAX: Final = 38
_UNITS: Final = frozenset({"year", "quarter", "month", "week", "day", "hour", "minute", "second"})
GROUPED: Final = frozenset({BOOL_OID, 20, NUMERIC, 25, DATE, TIMESTAMP, TIMESTAMPTZ, UUID})
"""Families whose equal values are one value: not floats, of which 0 and -0 are equal."""
SORTED: Final = frozenset({BOOL_OID, 20, NUMERIC, DATE, TIMESTAMP, TIMESTAMPTZ, 700, 701})
"""Families with one order everywhere: not texts."""
AGGREGATES: Final = {
    "count": GROUPED,
    "sum": frozenset({20, NUMERIC}),
    "min": SORTED - {BOOL_OID},
    "max": SORTED - {BOOL_OID},
    "bool_and": frozenset({BOOL_OID}),
    "bool_or": frozenset({BOOL_OID}),
}
_TOTAL_CASTS: Final = frozenset(
    {(TIMESTAMP, DATE), (DATE, TIMESTAMP), (21, 23), (21, 20), (23, 20)}
)
_TOTAL_CASTS_TO: Final = {DATE: "DATE", TIMESTAMP: "TIMESTAMP", 23: "INTEGER", 20: "BIGINT"}

_COMPARABLE: Final = frozenset(
    {BOOL_OID, 20, NUMERIC, 700, 701, 25, DATE, TIMESTAMP, TIMESTAMPTZ, UUID}
)


def _family(oid: int) -> int:
    """Integers are one family, texts are one; anything else is its own."""
    if oid in INTEGERS:
        return 20
    return 25 if oid in TEXTS else oid


def _typed(text: str, family: int) -> str:
    """An untyped constant as the type that it is compared with."""
    if family == 25:
        return constant(text)
    if family == DATE and _DATE.fullmatch(text):
        return f"DATE '{text}'"
    raise Inexact


def stored_column(bound: Bound, output: Output) -> Column | None:
    """The stored column that an output hands on unchanged, None for a computed one."""
    while output.column is None:
        expression = output.expression
        if expression is None or not expression.HasField("column_ref"):
            return None
        ref = bound.refs.get(id(expression.column_ref))
        if ref is None or ref.entry is None:
            return None
        output = ref.entry.output
    return output.column


def _is_comparable(column: Column) -> bool:
    if column.is_opaque:
        return False
    if column.type_oid != NUMERIC:
        return _family(column.type_oid) in _COMPARABLE
    declared = _DECLARED.fullmatch(column.type_name)
    if declared is None:
        return False
    precision, scale = int(declared[1]), int(declared[2])
    return scale <= NUMERIC_DIGITS_MAX and precision - scale <= NUMERIC_DIGITS_MAX + 1
