"""Families of Postgres types: what may be compared, and which casts cannot fail.

This file must not know policies. Types are named as `format_type` names them, domains already
resolved to their base type by the caller. An unknown type is in a family of its own and compared
with nothing but untyped literals, so `check` can stay silent about it only where Postgres itself
will not fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from policies import expression as tree
from policies.claims import ClaimType
from policies.expression import Expression
from policies.literal import canonical_type, typed_literal
from policies.model import RelationKey

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

# By DateStyle, TimeZone, IntervalStyle, extra_float_digits, bytea_output or lc_monetary.
_PRINTED_BY_SETTINGS = frozenset(
    {
        "date", "timestamp", "timestamptz", "timestamp without time zone",
        "timestamp with time zone", "time without time zone", "time with time zone", "time",
        "timetz", "interval", "real", "double precision", "bytea", "money",
        "daterange", "tsrange", "tstzrange", "datemultirange", "tsmultirange", "tstzmultirange",
    }
)  # fmt: skip
_TIME_TYPES = {"date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz"}

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
    node: Expression,
    columns: Mapping[str, str],
    claims: Mapping[str, ClaimType],
    of_lookup: Mapping[str, str] | None = None,
) -> str | None:
    """The family of an expression's type; None: unknown, or an untyped literal that adapts.

    `columns` are those of the table, `of_lookup` those of the lookup table around the expression.
    """
    match node:
        case tree.Column(name, False) if name in columns:
            return family(columns[name])
        case tree.Column(name, True) if of_lookup and name in of_lookup:
            return family(of_lookup[name])
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
            inner = family_of(first, columns, claims, of_lookup)
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
    node: Expression,
    columns: Mapping[str, str],
    claims: Mapping[str, ClaimType],
    lookups: Mapping[RelationKey, Mapping[str, str]] | None = None,
) -> list[str]:
    """Comparisons that Postgres refuses, and whatever would follow a setting of the session.

    A client chooses its time zone and how dates, numbers and bytes are read and written; a rule
    that depends on that is the client's to change. `lookups`: the columns of lookup tables.
    """
    found = []
    for part, of_lookup in _parts(node, {}, lookups or {}):
        if isinstance(part, tree.ToText):
            given = _type_of(part.operand, columns, claims, of_lookup)
            if given is not None and not _has_one_text(given):
                found.append(f"casts {given} to text: the result follows settings of the session")
        if isinstance(part, tree.Lookup):
            inner = (lookups or {}).get(part.relation, {})
            for left, name in _looked_up(part):
                families = family_of(left, columns, claims, of_lookup), _family_in(inner, name)
                found += _problems(families, left, None)
        for left, right in _compared(part):
            families = (
                family_of(left, columns, claims, of_lookup),
                family_of(right, columns, claims, of_lookup),
            )
            found += _problems(families, left, right)
    return found


def _parts(
    node: Expression,
    of_lookup: Mapping[str, str],
    lookups: Mapping[RelationKey, Mapping[str, str]],
) -> Iterator[tuple[Expression, Mapping[str, str]]]:
    """Every part, with the columns of the lookup table that it stands in."""
    yield node, of_lookup
    for child in tree.children(node):
        is_inside = isinstance(node, tree.Lookup) and child is node.where
        inside = lookups.get(node.relation, {}) if isinstance(node, tree.Lookup) else {}
        yield from _parts(child, inside if is_inside else of_lookup, lookups)


def _looked_up(lookup: tree.Lookup) -> list[tuple[Expression, str]]:
    operand = lookup.operand
    if operand is None:
        return []
    operands = operand.items if isinstance(operand, tree.Row) else (operand,)
    return list(zip(operands, lookup.outputs, strict=False))


def _family_in(columns: Mapping[str, str], name: str) -> str | None:
    return family(columns[name]) if name in columns else None


def _type_of(
    node: Expression,
    columns: Mapping[str, str],
    claims: Mapping[str, ClaimType],
    of_lookup: Mapping[str, str],
) -> str | None:
    """The type of what is cast to text, as far as it is told by its name; None if unknown."""
    match node:
        case tree.Column(name, is_lookup):
            return (of_lookup if is_lookup else columns).get(name)
        case tree.Claim(name) if name in claims:
            return claims[name].name
        case _:
            return family_of(node, columns, claims, of_lookup)


def _has_one_text(type_name: str) -> bool:
    """Whether values of the type print alike under every setting. Types of the source's own do as
    far as anybody can tell from their name."""
    bare = bare_type(type_name)
    return bare.removesuffix("[]") not in _PRINTED_BY_SETTINGS


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


def _problems(
    families: tuple[str | None, str | None], left: Expression, right: Expression | None
) -> list[str]:
    text = _mismatch(*families) or _misread(families[0], right) or _misread(families[1], left)
    return [] if text is None else [text]


def _misread(wanted: str | None, literal: Expression | None) -> str | None:
    """What is wrong with an untyped text that Postgres would read as this family of times."""
    if wanted not in _TIME_TYPES or not isinstance(literal, tree.Literal) or literal.kind != "text":
        return None
    try:
        typed_literal(_TIME_TYPES[wanted], literal.text)
    except ValueError as error:
        return f"reads '{literal.text}' as {wanted}: {error}"
    return None


def _mismatch(left: str | None, right: str | None) -> str | None:
    if left is None or right is None or left == right:
        return None
    pair = {left, right}
    if pair == {"date", "timestamp"}:
        return None  # a date is midnight of that day, whatever the settings
    if "timestamptz" in pair and pair & {"date", "timestamp"}:
        return f"compares {left} with {right}: the answer follows the session's time zone"
    return f"compares {left} with {right}"
