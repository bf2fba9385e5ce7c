"""The tree that conditions and custom masks are made of, and how it prints.

This file must not know how the tree was parsed (`predicate.py`) or what it decides. Every node here
is *total*: once Postgres has accepted the types, no stored value makes it raise. Printing is
canonical and independent of session settings: every identifier quoted, every function as
`pg_catalog.f`, every operator in parentheses, `current_date` and `now()` free of the session's time
zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, assert_never
from typing import Literal as Choice

from policies.model import RelationKey

# format_type's name -> the name under which the type is stored in pg_catalog.
TYPE_NAMES = {
    "bigint": "int8",
    "boolean": "bool",
    "bytea": "bytea",
    "date": "date",
    "double precision": "float8",
    "integer": "int4",
    "interval": "interval",
    "jsonb": "jsonb",
    "numeric": "numeric",
    "real": "float4",
    "smallint": "int2",
    "text": "text",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "uuid": "uuid",
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `text` is its content (unquoted); kind `text` prints as an untyped literal."""

    kind: Choice["text", "number", "boolean", "null"]
    text: str


@dataclass(frozen=True, slots=True)
class TypedLiteral:
    """A constant of type `type_name`, validated by the parser: it cannot raise at the source."""

    type_name: str
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the base relation, or, inside a lookup, of the lookup table."""

    name: str
    of_lookup: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    name: str


@dataclass(frozen=True, slots=True)
class Role:
    """`role('x')`: known when a decision is made, never printed."""

    name: str


@dataclass(frozen=True, slots=True)
class Current:
    """The transaction's instant (`now`), or its date in UTC (`current_date`)."""

    what: Choice["now", "current_date"]


@dataclass(frozen=True, slots=True)
class ToText:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """COALESCE, NULLIF, GREATEST, LEAST: functions of the grammar, which no schema qualifies."""

    keyword: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Operator:
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Connective:
    keyword: Choice["AND", "OR"]
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Test:
    """`operand IS NULL`, `IS NOT TRUE`, …: `test` is the part after IS."""

    operand: Expression
    test: str


@dataclass(frozen=True, slots=True)
class InList:
    operand: Expression
    items: tuple[Expression, ...]
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Quantified:
    """`operand = ANY (array)`, `operand <> ALL (array)`."""

    operand: Expression
    operator: str
    quantifier: Choice["ANY", "ALL"]
    array: Expression


@dataclass(frozen=True, slots=True)
class Between:
    operand: Expression
    low: Expression
    high: Expression
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Like:
    operand: Expression
    operator: Choice["LIKE", "ILIKE"]
    pattern: str
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Row:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Case:
    arms: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Lookup:
    """An uncorrelated subquery over a listed table. No `operand`: EXISTS; else `operand IN (…)`."""

    relation: RelationKey
    outputs: tuple[str, ...]
    where: Expression | None
    operand: Expression | None


Expression = (
    Literal
    | TypedLiteral
    | Column
    | Claim
    | Role
    | Current
    | ToText
    | Call
    | Grammar
    | Operator
    | Connective
    | Not
    | Test
    | InList
    | Quantified
    | Between
    | Like
    | Array
    | Row
    | Case
    | Lookup
)

TRUE = Literal("boolean", "true")
FALSE = Literal("boolean", "false")
NULL = Literal("null", "NULL")

LOOKUP_ALIAS = "lookup"

Node = TypeVar("Node")


def walk(node: Expression) -> Iterator[Expression]:
    """The node and everything below it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Expression) -> Iterator[Expression]:
    """The nodes directly below."""
    for item in fields(node):
        yield from _expressions(getattr(node, item.name))


def _expressions(value: object) -> Iterator[Expression]:
    if isinstance(value, tuple):
        for element in value:
            yield from _expressions(element)
    elif isinstance(value, Expression):
        yield value


def columns_of(node: Expression) -> frozenset[str]:
    """Columns of the base relation that the expression reads."""
    return frozenset(n.name for n in walk(node) if isinstance(n, Column) and not n.of_lookup)


def claims_of(node: Expression) -> frozenset[str]:
    """Claims that the expression needs."""
    return frozenset(n.name for n in walk(node) if isinstance(n, Claim))


def lookups_of(node: Expression) -> frozenset[RelationKey]:
    """Lookup tables that the expression reads."""
    return frozenset(n.relation for n in walk(node) if isinstance(n, Lookup))


def simplify(node: Expression, roles: frozenset[str]) -> Expression:
    """Decide every `role('x')` and fold what follows from it; the result holds no Role.

    Only rules that hold in three-valued logic are used.
    """
    if isinstance(node, Role):
        return TRUE if node.name in roles else FALSE
    node = _rebuild(node, lambda child: simplify(child, roles))
    match node:
        case Connective("AND", operands):
            return conjunction(operands)
        case Connective("OR", operands):
            return disjunction(operands)
        case Not(operand):
            return negation(operand)
        case Case(arms, otherwise):
            return _simplify_case(arms, otherwise)
        case _:
            return node


def _simplify_case(
    arms: tuple[tuple[Expression, Expression], ...], otherwise: Expression
) -> Expression:
    kept: list[tuple[Expression, Expression]] = []
    for condition, result in arms:
        if condition == FALSE:
            continue
        if condition == TRUE:
            otherwise = result
            break
        kept.append((condition, result))
    return Case(tuple(kept), otherwise) if kept else otherwise


def _rebuild(node: Expression, change: Callable[[Expression], Expression]) -> Expression:
    changes: dict[str, Any] = {}
    for item in fields(node):
        before = getattr(node, item.name)
        after = _rebuild_value(before, change)
        if after is not before:
            changes[item.name] = after
    return replace(node, **changes) if changes else node


def _rebuild_value(value: object, change: Callable[[Expression], Expression]) -> object:
    if isinstance(value, tuple):
        after = tuple(_rebuild_value(element, change) for element in value)
        return after if any(a is not b for a, b in zip(after, value, strict=True)) else value
    return change(value) if isinstance(value, Expression) else value


def conjunction(operands: tuple[Expression, ...]) -> Expression:
    """AND of the operands, flattened; no operands: true."""
    kept = _flatten("AND", operands, neutral=TRUE)
    if FALSE in kept:
        return FALSE
    return _combine("AND", kept, TRUE)


def disjunction(operands: tuple[Expression, ...]) -> Expression:
    """OR of the operands, flattened; no operands: false."""
    kept = _flatten("OR", operands, neutral=FALSE)
    if TRUE in kept:
        return TRUE
    return _combine("OR", kept, FALSE)


def negation(operand: Expression) -> Expression:
    """NOT operand."""
    if operand == TRUE:
        return FALSE
    if operand == FALSE:
        return TRUE
    return Not(operand)


def _flatten(
    keyword: str, operands: tuple[Expression, ...], *, neutral: Expression
) -> list[Expression]:
    kept: dict[Expression, None] = {}  # in their order, each once
    for operand in operands:
        nested = isinstance(operand, Connective) and operand.keyword == keyword
        parts = operand.operands if isinstance(operand, Connective) and nested else (operand,)
        for part in parts:
            if part != neutral:
                kept[part] = None
    return list(kept)


def _combine(keyword: Choice["AND", "OR"], kept: list[Expression], empty: Expression) -> Expression:
    if not kept:
        return empty
    return kept[0] if len(kept) == 1 else Connective(keyword, tuple(kept))


def quote_identifier(name: str) -> str:
    """The name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """The text as a string literal that means the same under every standard_conforming_strings."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def cast(sql: str, type_name: str) -> str:
    """`sql` cast to the type that format_type calls `type_name`, one of TYPE_NAMES or its array."""
    element = type_name.removesuffix("[]")
    suffix = "[]" if type_name.endswith("[]") else ""
    return f"({sql})::pg_catalog.{TYPE_NAMES[element]}{suffix}"


def to_sql(node: Expression) -> str:
    """The expression as canonical SQL. ValueError for a Role: simplify decides those first."""
    match node:
        case Literal() | TypedLiteral() | Column() | Claim() | Current() | Role():
            return _leaf_sql(node)
        case ToText(operand):
            return cast(to_sql(operand), "text")
        case Call(function, arguments):
            return f"pg_catalog.{quote_identifier(function)}({_list_sql(arguments)})"
        case Grammar(keyword, arguments):
            return f"{keyword}({_list_sql(arguments)})"
        case Operator(operator, left, right):
            return f"({to_sql(left)} {operator} {to_sql(right)})"
        case Array(items):
            return f"ARRAY[{_list_sql(items)}]"
        case Row(items):
            return f"ROW({_list_sql(items)})"
        case Case(arms, otherwise):
            texts = (f"WHEN {to_sql(when)} THEN {to_sql(then)}" for when, then in arms)
            return f"CASE {' '.join(texts)} ELSE {to_sql(otherwise)} END"
        case _:
            return f"({_condition_sql(node)})"


def _list_sql(nodes: tuple[Expression, ...]) -> str:
    return ", ".join(to_sql(node) for node in nodes)


def _leaf_sql(node: Literal | TypedLiteral | Column | Claim | Current | Role) -> str:
    match node:
        case Literal("text", text):
            return quote_text(text)
        case Literal("number", text) if text.startswith("-"):
            return f"({text})"
        case Literal(_, text):
            return text
        case TypedLiteral(type_name, text):
            return cast(quote_text(text), type_name)
        case Column(name, of_lookup):
            prefix = f"{quote_identifier(LOOKUP_ALIAS)}." if of_lookup else ""
            return prefix + quote_identifier(name)
        case Claim(name):
            return f"claim({quote_text(name)})"
        case Current("now"):
            return "pg_catalog.now()"
        case Current(_):
            # CURRENT_DATE follows the session's TimeZone, which the client may set.
            return cast("pg_catalog.timezone('UTC', pg_catalog.now())", "date")
        case Role(name):
            raise ValueError(f"role({name!r}) is decided before printing")
        case _:
            assert_never(node)


def _condition_sql(
    node: Connective | Not | Test | InList | Quantified | Between | Like | Lookup,
) -> str:
    match node:
        case Connective(keyword, operands):
            return f" {keyword} ".join(to_sql(operand) for operand in operands)
        case Not(operand):
            return f"NOT {to_sql(operand)}"
        case Test(operand, test):
            return f"{to_sql(operand)} IS {test}"
        case InList(operand, items, is_negated):
            return f"{to_sql(operand)} {_not(is_negated)}IN ({_list_sql(items)})"
        case Quantified(operand, operator, quantifier, array):
            return f"{to_sql(operand)} {operator} {quantifier} ({to_sql(array)})"
        case Between(operand, low, high, is_negated):
            bounds = f"{to_sql(low)} AND {to_sql(high)}"
            return f"{to_sql(operand)} {_not(is_negated)}BETWEEN {bounds}"
        case Like(operand, operator, pattern, is_negated):
            return f"{to_sql(operand)} {_not(is_negated)}{operator} {quote_text(pattern)}"
        case Lookup():
            return _lookup_sql(node)
        case _:
            assert_never(node)


def _lookup_sql(node: Lookup) -> str:
    outputs = ", ".join(to_sql(Column(name, of_lookup=True)) for name in node.outputs) or "1"
    table = f"{quote_identifier(node.relation.schema)}.{quote_identifier(node.relation.name)}"
    query = f"SELECT {outputs} FROM {table} AS {quote_identifier(LOOKUP_ALIAS)}"
    if node.where is not None and node.where != TRUE:
        query += f" WHERE {to_sql(node.where)}"
    if node.operand is None:
        return f"EXISTS ({query})"
    return f"{to_sql(node.operand)} IN ({query})"


def _not(is_negated: bool) -> str:
    return "NOT " if is_negated else ""


def rename_column(node: Expression, before: str, after: str) -> Expression:
    """The expression with one column of the base relation renamed."""
    if isinstance(node, Column) and not node.of_lookup:
        return Column(after) if node.name == before else node
    return _rebuild(node, lambda child: rename_column(child, before, after))
