"""Reads the committed data files into look-ups: what may a statement do with this name?

Must not know SQL trees: callers hand in names as the parser gives them. Resolution of overloads
needs types, and types are the shadow's knowledge, so the grain here is (name, number of arguments)
and the strictest overload that such a call may reach decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources

from proxy.sql.classification.rules import UNREACHABLE_TYPES
from proxy.sql.classification.verdict import Kind, Verdict, strictest

_DATA_PACKAGE = "proxy.sql.classification"
_UNKNOWN = "not among the built-ins that the gate has reviewed"
_EXTENSION = "listed by the operator"


@dataclass(frozen=True, slots=True)
class Overload:
    """One line of functions.tsv. `arguments` and `result` are catalog type names."""

    name: str
    arguments: tuple[str, ...]
    defaults: int
    is_variadic: bool
    result: str
    returns_set: bool
    kind: str
    output_columns: tuple[str, ...]
    verdict: Verdict

    def accepts(self, arity: int) -> bool:
        """Can a call with that many arguments reach this overload?"""
        most, least = len(self.arguments), len(self.arguments) - self.defaults
        return least - 1 <= arity if self.is_variadic else least <= arity <= most

    @property
    def is_reachable(self) -> bool:
        """Can a data statement have values for all arguments?"""
        return not any(name.removesuffix("[]") in UNREACHABLE_TYPES for name in self.arguments)


@dataclass(frozen=True, slots=True)
class Type:
    """One built-in type, or the array type over it. `oid` is 0 where it differs by server."""

    name: str
    oid: int
    verdict: Verdict


@dataclass(frozen=True)
class Classification:
    """Every look-up of the allow-list. One shared, immutable instance: `classification()`."""

    functions: Mapping[str, tuple[Overload, ...]] = field(repr=False)
    operators: Mapping[str, Verdict] = field(repr=False)
    types: Mapping[str, Type] = field(repr=False)
    types_by_oid: Mapping[int, Type] = field(repr=False)
    shared: frozenset[str] = frozenset()
    _verdicts: dict[tuple[str, int], Verdict] = field(default_factory=dict, repr=False)

    def function(self, name: str, arity: int) -> Verdict:
        """May `name` be called with `arity` arguments?

        `name` without its schema, folded as the parser gives it. Arguments count as written, named
        and VARIADIC ones too. A call with one argument to the name of a type is a cast, so the
        verdict of the type counts as well.
        """
        key = (name, arity)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._judge(name, arity)
            if verdict.kind is not Kind.UNKNOWN:  # the client's invented names are not kept
                self._verdicts[key] = verdict
        return verdict

    def _judge(self, name: str, arity: int) -> Verdict:
        if name == "unnest" and arity > 1:
            arity = (
                1  # in FROM, several arrays are expanded side by side (SQL grammar, not pg_proc)
            )
        candidates = [found for found in self.functions.get(name, ()) if found.accepts(arity)]
        reachable = [found for found in candidates if found.is_reachable]
        verdicts = [found.verdict for found in reachable or candidates]
        if arity == 1 and name in self.types:
            as_type = self.types[name].verdict
            if as_type.kind is Kind.LITERAL:  # the argument of a call need not be a literal
                as_type = replace(as_type, kind=Kind.CATALOG)
            verdicts.append(as_type)
        return strictest(verdicts) if verdicts else Verdict(Kind.UNKNOWN, _UNKNOWN)

    def has_function(self, name: str) -> bool:
        """Does any overload of that name exist, whatever its verdict? For error texts."""
        return name in self.functions

    def operator(self, name: str) -> Verdict:
        """May the operator be used? `name` without its schema."""
        return self.operators.get(name) or Verdict(Kind.UNKNOWN, _UNKNOWN)

    def type(self, name: str) -> Verdict:
        """May a value be cast to the type? `name` as the parser gives it: `pg_catalog.int4`,
        `int4`, `_int4`, `int4[]`. Enums, domains and composites of a source are not known here.
        """
        found = self.types.get(name.removeprefix("pg_catalog.").removesuffix("[]"))
        return found.verdict if found else Verdict(Kind.UNKNOWN, _UNKNOWN)

    def type_of_oid(self, oid: int) -> Verdict:
        """The same for a type given by its OID, as a client declares parameter types."""
        found = self.types_by_oid.get(oid)
        return found.verdict if found else Verdict(Kind.UNKNOWN, _UNKNOWN)

    def type_oid(self, name: str) -> int | None:
        """The OID of a built-in type, by a name as in `type`; None when there is none."""
        bare = name.removeprefix("pg_catalog.")
        found = self.types.get(f"_{bare[:-2]}" if bare.endswith("[]") else bare)
        return (found.oid or None) if found else None

    def is_aggregate(self, name: str) -> bool:
        """Is any overload an aggregate (`rank` and its like are window functions *and* those)?"""
        return any(found.kind == "a" for found in self.functions.get(name, ()))

    def function_output_columns(
        self, name: str, argument_oids: Sequence[int] | None = None
    ) -> tuple[str, ...]:
        """Names of the columns that the function gives in FROM, from its OUT arguments.

        Empty: one column, named by the alias or the function; or, for a result of type `record`
        without OUT arguments (`json_to_record`), by a column definition list. Overloads that
        disagree (`unnest` of an array and of a tsvector) need `argument_oids`, else empty.
        """
        columns = {found.output_columns for found in self._overloads(name, argument_oids)}
        return columns.pop() if len(columns) == 1 else ()

    def return_type(self, name: str, argument_oids: Sequence[int] | None = None) -> int | None:
        """The result type's OID, or None when it depends on more than is given.

        With `argument_oids` the overload with exactly those arguments answers; without, all
        overloads must agree. Polymorphic results (`anyelement`) are None.
        """
        overloads = self._overloads(name, argument_oids)
        results = {found.result for found in overloads}
        if len(results) != 1:
            return None
        result = results.pop()
        return None if result.startswith("any") else self.type_oid(result)

    def _overloads(self, name: str, argument_oids: Sequence[int] | None) -> list[Overload]:
        overloads = [found for found in self.functions.get(name, ()) if found.is_reachable]
        if argument_oids is None:
            return overloads
        wanted = list(argument_oids)
        return [
            found
            for found in overloads
            if [self.type_oid(argument) for argument in found.arguments] == wanted
        ]

    def with_extensions(
        self,
        *,
        functions: Mapping[str, str] | None = None,
        operators: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
    ) -> Classification:
        """The same with names of extensions that the operator trusts, each with its schema.

        A built-in keeps its own verdict: the list adds names, it cannot open a closed one. A
        function named as a built-in one is *shared*: its arguments tell which is meant.
        """

        def added(names: Mapping[str, str] | None) -> Iterator[tuple[str, Verdict]]:
            for name, schema in (names or {}).items():
                yield name, Verdict(Kind.ALLOWED, _EXTENSION, schema)

        overloads = {
            name: (Overload(name, (), 0, True, "any", False, "f", (), verdict),)
            for name, verdict in added(functions)
        }
        new_types = {name: Type(name, 0, verdict) for name, verdict in added(types)}
        return Classification(
            functions={**overloads, **self.functions},
            operators={**dict(added(operators)), **self.operators},
            types={**new_types, **self.types},
            types_by_oid=self.types_by_oid,
            shared=self.shared | (overloads.keys() & _built_in_functions()),
        )


def _built_in_functions() -> frozenset[str]:
    return frozenset(classification().functions)


def _rows(file: str) -> Iterator[list[str]]:
    text = resources.files(_DATA_PACKAGE).joinpath(file).read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        yield line.split("\t")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _functions(reasons: Mapping[str, str]) -> dict[str, tuple[Overload, ...]]:
    found: dict[str, list[Overload]] = {}
    for row in _rows("functions.tsv"):
        schema, name, arguments, defaults, variadic, result, is_set, kind = row[:8]
        columns, verdict, reason = row[9], row[11], row[12]
        overload = Overload(
            name=name,
            arguments=_names(arguments),
            defaults=int(defaults),
            is_variadic=bool(variadic),
            result=result,
            returns_set=bool(is_set),
            kind=kind,
            output_columns=_names(columns),
            verdict=Verdict(Kind(verdict), reasons[reason], schema),
        )
        found.setdefault(name, []).append(overload)
    return {name: tuple(overloads) for name, overloads in found.items()}


def _operators(reasons: Mapping[str, str]) -> dict[str, Verdict]:
    found: dict[str, list[Verdict]] = {}
    for name, left, right, _, _, verdict, reason in _rows("operators.tsv"):
        if {left.removesuffix("[]"), right.removesuffix("[]")} & UNREACHABLE_TYPES:
            continue
        found.setdefault(name, []).append(Verdict(Kind(verdict), reasons[reason]))
    return {name: strictest(verdicts) for name, verdicts in found.items()}


def _types(reasons: Mapping[str, str]) -> dict[str, Type]:
    found: dict[str, Type] = {}
    for schema, name, oid, array_oid, _, _, verdict, reason in _rows("types.tsv"):
        judged = Verdict(Kind(verdict), reasons[reason], schema)
        qualified = name if schema == "pg_catalog" else f"{schema}.{name}"
        found[qualified] = Type(qualified, int(oid), judged)
        if array_oid != "0":
            found[f"_{qualified}"] = Type(f"_{qualified}", int(array_oid), judged)
    return found


@cache
def classification() -> Classification:
    """The allow-list of PostgreSQL 14 to 18, read once per process."""
    reasons = {key: reason for key, reason in _rows("reasons.tsv")}
    types = _types(reasons)
    return Classification(
        functions=_functions(reasons),
        operators=_operators(reasons),
        types=types,
        types_by_oid={found.oid: found for found in types.values() if found.oid},
    )
