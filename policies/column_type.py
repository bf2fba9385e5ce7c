"""Families of Postgres types: what may be compared, and which casts cannot fail.

This file must not know policies. Types are named as `format_type` names them, domains already
resolved to their base type by the caller. An unknown type is in a family of its own and compared
with nothing but untyped literals, so `check` can stay silent about it only where Postgres itself
will not fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from policies import expression as tree
from policies.claims import ClaimType
from policies.expression import Expression
from policies.literal import canonical_type

_MODIFIER = re.compile(r"\([0-9, -]+\)")

_FAMILIES: Mapping[str, str] = {
    "bigint": "number",
    "boolean": "boolean",
    "character": "text",
    "character varying": "text",
    "citext": "text",
    "date": "date",
    "double precision": "number",
    "integer": "number",
    "json": "json",
    "jsonb": "jsonb",
    "name": "text",
    "numeric": "number",
    "real": "number",
    "smallint": "number",
    "text": "text",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "uuid": "uuid",
}

# From -> to, where every value of the first has a value in the second.
_TOTAL_CASTS: Mapping[str, frozenset[str]] = {
    "smallint": frozenset({"integer", "bigint", "numeric", "real", "double precision"}),
    "integer": frozenset({"bigint", "numeric", "double precision"}),
    "bigint": frozenset({"numeric", "double precision"}),
    "real": frozenset({"double precision", "numeric"}),
    "double precision": frozenset({"numeric"}),
    "timestamp without time zone": frozenset({"date"}),
}


def bare_type(type_name: str) -> str:
    """The type without length or precision: `numeric(12,2)` is `numeric`."""
    return canonical_type(_MODIFIER.sub("", type_name).strip())


def family(type_name: str) -> str:
    """The group of types that compare with each other and need no session setting for it."""
    bare = bare_type(type_name)
    if bare.endswith("[]"):
        return f"{family(bare.removesuffix('[]'))}[]"
    return _FAMILIES.get(bare, bare)


def casts_totally(from_type: str, to_type: str) -> bool:
    """True when every value of `from_type` can be cast to `to_type`."""
    source, target = bare_type(from_type), bare_type(to_type)
    if source == target or target == "text":
        return True
    return target in _TOTAL_CASTS.get(source, frozenset())


def family_of(
    node: Expression, columns: Mapping[str, str], claims: Mapping[str, ClaimType]
) -> str | None:
    """The family of an expression's type; None: unknown, or an untyped literal that adapts."""
    match node:
        case tree.Column(name, False) if name in columns:
            return family(columns[name])
        case tree.Claim(name) if name in claims:
            return family(claims[name].name)
        case tree.Literal("number", _):
            return "number"
        case tree.Literal("boolean", _):
            return "boolean"
        case tree.TypedLiteral(type_name, _):
            return family(type_name)
        case tree.ToText() | tree.Operator("->>", _, _):
            return "text"
        case tree.Current("now"):
            return "timestamptz"
        case tree.Current(_):
            return "date"
        case tree.Operator("+" | "-", tree.Current("now"), _):
            return "timestamptz"
        case tree.Operator("+" | "-", tree.Current(_), _):
            return "timestamp"
        case tree.Array((first, *_)):
            inner = family_of(first, columns, claims)
            return f"{inner}[]" if inner else None
        case tree.Call("length" | "char_length" | "strpos" | "cardinality", _):
            return "number"
        case tree.Call("starts_with", _):
            return "boolean"
        case tree.Call():
            return "text"
        case _:
            return None


def mismatches(
    node: Expression, columns: Mapping[str, str], claims: Mapping[str, ClaimType]
) -> list[str]:
    """Comparisons that Postgres refuses, or whose meaning would follow a session setting."""
    found = []
    for part in tree.walk(node):
        for left, right in _compared(part):
            families = family_of(left, columns, claims), family_of(right, columns, claims)
            text = _mismatch(*families)
            if text is not None:
                found.append(text)
    return found


def _compared(node: Expression) -> list[tuple[Expression, Expression]]:
    match node:
        case tree.Operator("=" | "<>" | "<" | ">" | "<=" | ">=", left, right):
            return [(left, right)]
        case tree.Operator("IS DISTINCT FROM" | "IS NOT DISTINCT FROM", left, right):
            return [(left, right)]
        case tree.InList(operand, items, _):
            return [(operand, item) for item in items]
        case tree.Between(operand, low, high, _):
            return [(operand, low), (operand, high)]
        case tree.Quantified(operand, _, _, array):
            return [(tree.Array((operand,)), array)]
        case _:
            return []


def _mismatch(left: str | None, right: str | None) -> str | None:
    if left is None or right is None or left == right:
        return None
    pair = {left, right}
    if pair == {"date", "timestamp"}:
        return None  # a date is midnight of that day, whatever the settings
    if "timestamptz" in pair and pair & {"date", "timestamp"}:
        return f"compares {left} with {right}: the answer follows the session's time zone"
    return f"compares {left} with {right}"
