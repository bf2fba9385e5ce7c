"""Turns what live servers say of their built-ins, and the review in `rules.py`, into data files.

Pure: rows in, text out. The caller reads the servers with the queries below (a development tool
under `tests/` does); the running gate never needs this file, only what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.sql.classification import rules
from proxy.sql.classification.verdict import Kind

# Types by their catalog name (int4, not integer); an array as its element's name with [].
# `oidvector` has elements too, and is not the array type of its element.
_TYPE_NAME = """coalesce((SELECT e.typname || '[]' FROM pg_type e WHERE e.typarray = {0}.oid),
  {0}.typname::text)"""

FUNCTIONS_QUERY = f"""
SELECT n.nspname::text, p.proname::text,
  ARRAY(SELECT {_TYPE_NAME.format("t")} FROM unnest(p.proargtypes) WITH ORDINALITY AS a(oid, place)
        JOIN pg_type t ON t.oid = a.oid ORDER BY a.place)::text[],
  p.pronargdefaults::int,
  p.provariadic <> 0,
  (SELECT {_TYPE_NAME.format("t")} FROM pg_type t WHERE t.oid = p.prorettype)::text,
  p.proretset, p.prokind::text, p.provolatile::text,
  ARRAY(SELECT name FROM unnest(p.proargnames, p.proargmodes) WITH ORDINALITY
        AS a(name, mode, place) WHERE mode IN ('o', 'b', 't') ORDER BY place)::text[]
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('pg_catalog', 'information_schema')"""

OPERATORS_QUERY = f"""
SELECT o.oprname::text,
  coalesce((SELECT {_TYPE_NAME.format("t")} FROM pg_type t WHERE t.oid = o.oprleft), '')::text,
  (SELECT {_TYPE_NAME.format("t")} FROM pg_type t WHERE t.oid = o.oprright)::text,
  (SELECT {_TYPE_NAME.format("t")} FROM pg_type t WHERE t.oid = o.oprresult)::text,
  p.proname::text,
  ARRAY(SELECT {_TYPE_NAME.format("t")} FROM unnest(p.proargtypes) WITH ORDINALITY AS a(oid, place)
        JOIN pg_type t ON t.oid = a.oid ORDER BY a.place)::text[]
FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
WHERE o.oprnamespace = 'pg_catalog'::regnamespace"""

# Row types of catalog tables are left out: nobody needs to cast to them, and unknown is refused.
TYPES_QUERY = """
SELECT n.nspname::text, t.typname::text, t.oid::int8, t.typarray::int8, t.typtype::text
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname IN ('pg_catalog', 'information_schema') AND t.typtype <> 'c'
  AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)"""


@dataclass(frozen=True)
class Snapshot:
    """What one server answered to the three queries. `major` is its version, 14 to 18."""

    major: int
    functions: Sequence[Sequence[object]]
    operators: Sequence[Sequence[object]]
    types: Sequence[Sequence[object]]


Signature = tuple[str, str, tuple[str, ...]]


@dataclass
class Function:
    """One overload, as the newest server that has it describes it."""

    schema: str
    name: str
    arguments: tuple[str, ...]
    defaults: int
    is_variadic: bool
    result: str
    returns_set: bool
    kind: str
    volatility: str
    output_columns: tuple[str, ...]
    majors: list[int]


def _base(type_name: str) -> str:
    return type_name.removesuffix("[]")


def _by_type(function: Function) -> tuple[Kind, str] | None:
    """A refusal that the argument or result types alone decide."""
    arguments = {_base(argument) for argument in function.arguments}
    both = arguments | {_base(function.result)}
    if both & rules.HANDLER_TYPES:
        return Kind.REFUSED, "handler"
    if both & rules.INTERNAL_TYPES:
        return Kind.REFUSED, "internal"
    if "cstring" in both:
        return Kind.REFUSED, "wire"
    if "xml" in both:
        return Kind.REFUSED, "unreviewed"
    if both & rules.TRANSACTION_TYPES:
        return Kind.REFUSED, "transaction"
    if "refcursor" in both:
        return Kind.REFUSED, "portal"
    if both & (rules.CATALOG_TYPES | rules.TEXT_SEARCH_NAME_TYPES):
        return Kind.CATALOG, "catalog"
    return None


def judge_function(function: Function) -> tuple[Kind, str]:
    """The verdict of one overload and the key of its reason (`rules.REASONS`)."""
    listed = rules.SIGNATURE_RULES.get((function.name, function.arguments))
    if listed is not None:
        return listed
    reachable = not {_base(a) for a in function.arguments} & rules.UNREACHABLE_TYPES
    if function.kind in "aw":
        return Kind.ALLOWED, "aggregate"
    named = next((rule for rule in rules.FUNCTION_RULES if rule.matches(function.name)), None)
    if named is not None and (named.kind is not Kind.ALLOWED or reachable):
        return named.kind, named.reason
    by_type = _by_type(function)
    if by_type is not None:
        return by_type
    if function.volatility == "i":
        return Kind.ALLOWED, "immutable"
    if rules.SETTINGS_FUNCTIONS.matches(function.name):
        return Kind.ALLOWED, rules.SETTINGS_FUNCTIONS.reason
    return Kind.REFUSED, "unreviewed"


def judge_type(name: str, type_kind: str) -> tuple[Kind, str]:
    """The verdict of a type as the target of a cast or a column definition."""
    if name in rules.VALUE_TYPES:
        return Kind.ALLOWED, "value_type"
    if name in rules.TEXT_SEARCH_NAME_TYPES:
        return Kind.LITERAL, "text_search_name"
    if name in rules.CATALOG_TYPES:
        return Kind.CATALOG, "catalog_type"
    if name in rules.TRANSACTION_TYPES:
        return Kind.REFUSED, "transaction"
    if name == "refcursor":
        return Kind.REFUSED, "portal"
    if name in rules.HANDLER_TYPES:
        return Kind.REFUSED, "handler"
    if name in rules.INTERNAL_TYPES:
        return Kind.REFUSED, "internal"
    return Kind.REFUSED, "pseudo_type" if type_kind == "p" else "unreviewed"


def functions(snapshots: Iterable[Snapshot]) -> dict[Signature, Function]:
    """Every overload of every server; the strictest volatility of any version counts."""
    found: dict[Signature, Function] = {}
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.major):
        for row in snapshot.functions:
            function = _function(row, snapshot.major)
            signature = (function.schema, function.name, function.arguments)
            earlier = found.get(signature)
            if earlier is not None:
                function.majors = [*earlier.majors, snapshot.major]
                function.volatility = max(earlier.volatility, function.volatility, key="isv".index)
            found[signature] = function
    return found


def _function(row: Sequence[object], major: int) -> Function:
    schema, name, arguments, defaults, variadic, result, is_set, kind, volatility, columns = row
    assert isinstance(arguments, list)
    assert isinstance(defaults, int)
    assert isinstance(columns, list)
    return Function(
        schema=str(schema),
        name=str(name),
        arguments=tuple(arguments),
        defaults=defaults,
        is_variadic=bool(variadic),
        result=str(result),
        returns_set=bool(is_set),
        kind=str(kind),
        volatility=str(volatility),
        output_columns=tuple(str(column) for column in columns),
        majors=[major],
    )


def _versions(majors: Sequence[int]) -> str:
    return str(majors[0]) if len(majors) == 1 else f"{majors[0]}-{majors[-1]}"


def _table(header: str, lines: Iterable[str]) -> str:
    return "\n".join([header, *sorted(lines)]) + "\n"


def functions_text(found: Mapping[Signature, Function]) -> str:
    """The content of functions.tsv: one overload a line."""
    lines = []
    for function in found.values():
        kind, reason = judge_function(function)
        fields = [
            function.schema,
            function.name,
            ",".join(function.arguments),
            str(function.defaults),
            "variadic" if function.is_variadic else "",
            function.result,
            "set" if function.returns_set else "",
            function.kind,
            function.volatility,
            ",".join(function.output_columns),
            _versions(function.majors),
            kind.value,
            reason,
        ]
        lines.append("\t".join(fields))
    header = "schema name arguments defaults variadic result set kind volatility columns versions"
    return _table("\t".join([*header.split(), "verdict", "reason"]), lines)


def operators_text(snapshots: Sequence[Snapshot], found: Mapping[Signature, Function]) -> str:
    """The content of operators.tsv: an operator is what the function behind it is."""
    lines: dict[tuple[str, str, str], tuple[list[int], str, str]] = {}
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.major):
        for name, left, right, result, function_name, arguments in snapshot.operators:
            assert isinstance(arguments, list)
            function = found["pg_catalog", str(function_name), tuple(arguments)]
            kind, reason = judge_function(function)
            key = (str(name), str(left), str(right))
            majors = lines[key][0] if key in lines else []
            lines[key] = ([*majors, snapshot.major], str(result), f"{kind.value}\t{reason}")
    return _table(
        "name\tleft\tright\tresult\tversions\tverdict\treason",
        (
            f"{name}\t{left}\t{right}\t{result}\t{_versions(majors)}\t{verdict}"
            for (name, left, right), (majors, result, verdict) in lines.items()
        ),
    )


def types_text(snapshots: Sequence[Snapshot]) -> str:
    """The content of types.tsv. OIDs of built-ins are fixed; those of views' domains are not: 0."""
    lines: dict[tuple[str, str], tuple[list[int], str]] = {}
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.major):
        for schema, name, oid, array_oid, type_kind in snapshot.types:
            key = (str(schema), str(name))
            is_built_in = schema == "pg_catalog"
            kind, reason = judge_type(str(name), str(type_kind))
            if not is_built_in:
                kind, reason = Kind.CATALOG, "catalog_type"
            oids = f"{oid}\t{array_oid}" if is_built_in else "0\t0"
            majors = lines[key][0] if key in lines else []
            description = f"{oids}\t{type_kind}"
            lines[key] = ([*majors, snapshot.major], f"{description}\t{{}}\t{kind.value}\t{reason}")
    return _table(
        "schema\tname\toid\tarray_oid\tkind\tversions\tverdict\treason",
        (
            f"{schema}\t{name}\t{line.format(_versions(majors))}"
            for (schema, name), (majors, line) in lines.items()
        ),
    )


def reasons_text() -> str:
    """The content of reasons.tsv: the sentences behind the reason keys of the other files."""
    return _table("key\treason", (f"{key}\t{text}" for key, text in rules.REASONS.items()))


def files(snapshots: Sequence[Snapshot]) -> dict[str, str]:
    """Every data file by its name, for the given servers."""
    found = functions(snapshots)
    return {
        "functions.tsv": functions_text(found),
        "operators.tsv": operators_text(snapshots, found),
        "types.tsv": types_text(snapshots),
        "reasons.tsv": reasons_text(),
    }
