"""The reviewed table of what is total: operators, functions and casts that never raise (I4).

The fence's question. A predicate of the user's may be evaluated on rows that policy hides; if it
can raise, the error tells of them (pitfalls 1-7). PostgreSQL's `proleakproof` is too narrow: it is
false for numeric, enum, jsonb, arrays and LIKE. Here an entry means: for *every* stored value of
these types, evaluation gives a value or NULL. Each entry is tried on live servers 14 to 18 with
the extremes of its types, and whatever raised has left; `NOT_TOTAL` in the tests keeps the
instructive ones.

Left out on purpose:
- `||`, `concat`, `repeat`, `replace`: sizes add up, so nesting reaches the 1 GB limit on a value;
- `json ->`: unlike jsonb, it parses at run time and raises on `\\u0000`;
- numeric against float: the implicit cast overflows; `sum`-like arithmetic of every kind;
- `md5`: raises on servers in FIPS mode; regular expressions: may run out of space on a value;
- `ts - ts`, column ± interval, `date_trunc`: out of range near both ends; `date - date`: infinity;
- `strpos`, `split_part`, `^@`: raise under nondeterministic collations, known to the caller only.

What the caller must hold: text operands have one collation and it is deterministic; a domain is
given as its base type, an enum as `ANYENUM_OID`. A value near the 1 GB limit is outside this table:
`lower` of 300 MB of text may fail for memory.
Unknown types, names and arities are simply not in the table. This file must not know trees.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cache

from proxy.sql.classification import literals
from proxy.sql.classification.literals import (
    is_bounded_interval,
    is_well_formed_like_pattern,
)
from proxy.sql.classification.load import classification

__all__ = [
    "ANYENUM_OID",
    "is_bounded_interval",
    "is_total_cast",
    "is_total_function",
    "is_total_operator",
    "is_well_formed_like_pattern",
]

ANYENUM_OID = 3500
UNKNOWN_OID = 705  # an untyped literal

Pair = tuple[str, str, str]  # operator, left type, right type

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
PATTERN_OPERATORS = frozenset({"~~", "!~~", "~~*", "!~~*"})
INTEGERS = ("int2", "int4", "int8")
FLOATS = ("float4", "float8")
TEXTS = ("text", "varchar", "bpchar", "name")
TIMES = ("date", "timestamp", "timestamptz")
NETWORKS = ("inet", "cidr")
# Types compared only with themselves.
SINGLES = (
    *(
        "bool",
        "bytea",
        "char",
        "time",
        "timetz",
        "interval",
        "uuid",
        "jsonb",
        "macaddr",
        "macaddr8",
    ),
    *("money", "oid", "pg_lsn", "bit", "varbit", "anyenum"),
)
RANGES = {
    "int4range": "int4",
    "int8range": "int8",
    "numrange": "numeric",
    "daterange": "date",
    "tsrange": "timestamp",
    "tstzrange": "timestamptz",
}
MULTIRANGES = tuple(name.replace("range", "multirange") for name in RANGES)
ARRAY_ELEMENTS = (
    *INTEGERS,
    *FLOATS,
    "numeric",
    *TEXTS,
    *TIMES,
    *NETWORKS,
    *(name for name in SINGLES if name != "anyenum"),
)


def _comparable() -> Iterator[tuple[str, str]]:
    numbers = (*INTEGERS, "numeric")
    for group in (numbers, (*INTEGERS, *FLOATS), TEXTS, TIMES, NETWORKS):
        yield from itertools.product(group, repeat=2)
    for name in (*SINGLES, *RANGES, *MULTIRANGES):
        yield name, name
    for name in ARRAY_ELEMENTS:
        yield f"{name}[]", f"{name}[]"


def operators() -> Iterator[Pair]:
    """Every entry of the operator table that needs no literal, by type names."""
    for left, right in _comparable():
        for name in COMPARISONS:
            yield name, left, right
    for name in ("->", "->>"):
        yield name, "jsonb", "text"
        yield name, "jsonb", "int4"
    yield "?", "jsonb", "text"
    for name in ("?|", "?&", "#>", "#>>"):
        yield name, "jsonb", "text[]"
    for element, name in itertools.product(ARRAY_ELEMENTS, ("@>", "<@", "&&")):
        yield name, f"{element}[]", f"{element}[]"
    for ranged in RANGES:
        for name in ("@>", "<@", "&&", "<<", ">>", "&<", "&>"):
            yield name, ranged, ranged
        yield "@>", ranged, RANGES[ranged]
        yield "<@", RANGES[ranged], ranged
    for ranged in MULTIRANGES:
        for name in ("@>", "<@", "&&"):
            yield name, ranged, ranged
    for name, left, right in itertools.product(
        ("<<", "<<=", ">>", ">>=", "&&"), NETWORKS, NETWORKS
    ):
        yield name, left, right
    for name, integer in itertools.product(("&", "|", "#"), INTEGERS):
        yield name, integer, integer


def functions() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every entry of the function table that needs no literal, by type names."""
    for name in ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp"):
        yield name, ()
    for name, text in itertools.product(
        ("lower", "upper", "initcap", "length", "char_length", "character_length", "octet_length"),
        TEXTS,
    ):
        yield name, (text,)
    for name, text in itertools.product(("btrim", "ltrim", "rtrim", "reverse"), TEXTS):
        yield name, (text,)
    for name, text in itertools.product(("left", "right"), TEXTS):
        yield name, (text, "int4")
    yield "length", ("bytea",)
    yield "octet_length", ("bytea",)
    for name, number in itertools.product(("abs", "sign"), ("float8", "numeric")):
        yield name, (number,)
    yield "abs", ("float4",)
    for name in ("floor", "ceil", "ceiling", "round", "trunc"):
        yield name, ("float8",)
    yield "trunc", ("numeric",)
    for time in (*TIMES, "interval"):
        yield "isfinite", (time,)
    for element in ARRAY_ELEMENTS:
        yield "cardinality", (f"{element}[]",)
        yield "array_ndims", (f"{element}[]",)
        for name in ("array_length", "array_lower", "array_upper"):
            yield name, (f"{element}[]", "int4")
    yield "jsonb_typeof", ("jsonb",)
    for name, ranged in itertools.product(
        ("lower", "upper", "isempty", "lower_inc", "upper_inc", "lower_inf", "upper_inf"),
        (*RANGES, *MULTIRANGES),
    ):
        yield name, (ranged,)
    for name, network in itertools.product(("family", "host", "masklen"), NETWORKS):
        yield name, (network,)


# Not interval: PostgreSQL 14 cannot print more hours than fit an int4.
_PRINTED = (
    *("bool", *INTEGERS, *FLOATS, "numeric", "date", "timestamp", "timestamptz", "time", "timetz"),
    *("uuid", "jsonb", "json", "inet", "cidr", "macaddr", "macaddr8", "bytea", "anyenum"),
)


def casts() -> Iterator[tuple[str, str]]:
    """Every entry of the cast table, by type names; never with a length or precision."""
    for source in INTEGERS:
        yield source, "numeric"
        yield source, "float4"
        yield source, "float8"
    yield from (("int2", "int4"), ("int2", "int8"), ("int4", "int8"), ("float4", "float8"))
    yield from (("int4", "bool"), ("bool", "int4"))
    yield from itertools.product(TEXTS, repeat=2)
    for source in _PRINTED:
        yield source, "text"
        yield source, "varchar"
    yield from (("timestamp", "date"), ("timestamptz", "date"))
    yield from (("timestamp", "time"), ("timestamptz", "time"))
    yield from (("json", "json"), ("cidr", "inet"), ("varbit", "varbit"))
    for name in (*INTEGERS, *FLOATS, "numeric", *TIMES, *SINGLES):
        yield name, name


def _oid(name: str) -> int:
    oid = classification().type_oid(name)
    assert oid is not None, f"{name} is not a built-in type"
    return oid


@cache
def _operator_table() -> frozenset[tuple[str, int, int]]:
    return frozenset((name, _oid(left), _oid(right)) for name, left, right in operators())


@cache
def _function_table() -> frozenset[tuple[str, tuple[int, ...]]]:
    return frozenset((name, tuple(map(_oid, arguments))) for name, arguments in functions())


@cache
def _cast_table() -> frozenset[tuple[int, int]]:
    return frozenset((_oid(source), _oid(target)) for source, target in casts())


@cache
def _type_name(oid: int) -> str:
    found = classification().types_by_oid.get(oid)
    return found.name if found else ""


def is_total_operator(
    name: str, left_oid: int, right_oid: int, right_literal: str | None = None
) -> bool:
    """Can `left name right` never raise, whatever is stored?

    `right_literal` is the text of the right operand when it is a literal (a number as written);
    LIKE, integer division and jsonb containment are total only with a suitable one.
    """
    if (name, left_oid, right_oid) in _operator_table():
        return True
    if right_literal is None:
        return False
    left, right = _type_name(left_oid), _type_name(right_oid)
    if name in PATTERN_OPERATORS:
        is_text = left in TEXTS and (right in TEXTS or right_oid == UNKNOWN_OID)
        return is_text and is_well_formed_like_pattern(right_literal)
    if name in ("@>", "<@"):
        is_json = left == "jsonb" and (right == "jsonb" or right_oid == UNKNOWN_OID)
        return is_json and literals.is_shallow_json(right_literal)
    if name in ("%", "/") and left in INTEGERS and right in INTEGERS:
        divisor = literals.integer(right_literal)
        # The least integer divided by -1 is out of range.
        return divisor is not None and divisor != 0 and (name == "%" or divisor != -1)
    return False


def is_total_function(
    name: str, argument_oids: Sequence[int], argument_literals: Sequence[str | None] = ()
) -> bool:
    """Can `pg_catalog.name(arguments)` never raise, whatever is stored?

    `argument_literals` has the text of each argument that is a literal, None for the others; empty
    when none is known. Aggregates and window functions are never in the table.
    """
    if (name, tuple(argument_oids)) in _function_table():
        return True
    if len(argument_literals) != len(argument_oids):
        return False
    types = [_type_name(oid) for oid in argument_oids]
    return _is_total_with(name, types, list(argument_literals))


def _is_total_with(name: str, types: list[str], given: list[str | None]) -> bool:
    match name, types, given:
        case (("substring" | "substr"), [text, *_], [_, str(start)]):
            return text in TEXTS and literals.integer(start) is not None
        case (("substring" | "substr"), [text, *_], [_, str(start), str(size)]):
            count = literals.integer(size)
            is_placed = literals.integer(start) is not None
            return text in TEXTS and is_placed and count is not None and count >= 0
        case ("extract", [_, time], [str(field), _]):
            return literals.is_known_field(time, field)
        case ("date_part", [_, time], [str(field), _]):
            return time != "date" and literals.is_known_field(time, field)
        case ("to_char", [("timestamp" | "timestamptz"), _], [_, str(form)]):
            return literals.is_known_time_format(form)
        case (
            ("plainto_tsquery" | "phraseto_tsquery" | "websearch_to_tsquery"),
            _,
            [
                str(configuration),
                str(query),
            ],
        ):
            is_built_in = literals.is_built_in_text_search_configuration(configuration)
            return is_built_in and literals.is_short_text_search_query(query)
        case _:
            return False


def is_total_cast(source_oid: int, target_oid: int) -> bool:
    """Can a computed value of one type be cast to the other, without a length, and never raise?"""
    return (source_oid, target_oid) in _cast_table()
