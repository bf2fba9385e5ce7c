"""DDL for an extension that the shadow's own Postgres does not have: pure, text out.

A *stand-in* type is a base type of its own, so that overloads are resolved as at the source; its
values are read and printed as text is. Its functions exist with their true signatures and raise
when they are run: the shadow describes statements about data and never runs them, and a statement
about the catalog has no use for them. Operators, casts and sort orders are made over those.

Only what `Extension` holds is made, which is what the operator trusts: the rest does not exist here
and is refused in PostgreSQL's own words. This file must not know connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from proxy.catalog.extension import (
    Extension,
    ExtensionCast,
    ExtensionFunction,
    ExtensionOperator,
    ExtensionOrder,
    ExtensionType,
)

_BODY: Final = (
    "BEGIN RAISE feature_not_supported USING MESSAGE ="
    " 'functions of extensions are not supported in statements about the catalog'; END"
)
_CONTEXTS: Final = {"e": "", "a": " AS ASSIGNMENT", "i": " AS IMPLICIT"}
_STEP: Final = "stand_in_step"
_RETURNS_NOTHING: Final = "void"


def stand_in_types(extension: Extension) -> Iterator[str]:
    """The base types, all shells first: a composite type of the extension may name them."""
    for kind in extension.types:
        yield f"CREATE TYPE {_qualified(extension, kind.name)}"
    for kind in extension.types:
        yield from _type(extension, kind)


def stand_ins(extension: Extension) -> Iterator[str]:
    """Functions, operators, casts and orders; their types exist already."""
    known: set[str] = set()
    for function in extension.functions:
        if function.kind == "f" and function.signature not in known:
            known.add(function.signature)
            yield _function(extension, function)
    for function in extension.functions:
        for shorter in _without_defaults(function):
            if function.kind == "f" and shorter.signature not in known:
                known.add(shorter.signature)
                yield _function(extension, shorter)
    for function in extension.functions:
        if function.kind == "a" and len(function.arguments) > 0:
            yield from _aggregate(extension, function)
    made = set()
    for operator in extension.operators:
        if operator.function in known:
            made.add((operator.name, operator.left, operator.right))
            yield _operator(extension, operator)
    for cast in extension.casts:
        if cast.function is None or cast.function in known:
            yield _cast(extension, cast)
    for order in extension.orders:
        own = {(name, order.type_name, order.type_name) for _, name in order.operators}
        if order.comparison in known and own <= made:
            yield _order(extension, order)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _qualified(extension: Extension, name: str) -> str:
    return f"{_quoted(extension.schema)}.{_quoted(name)}"


def _type(extension: Extension, kind: ExtensionType) -> Iterator[str]:
    name = _qualified(extension, kind.name)
    reader, writer = (_qualified(extension, f"{kind.name}_stand_in_{way}") for way in ("in", "out"))
    yield (
        f"CREATE FUNCTION {reader}(cstring) RETURNS {name}"
        " AS 'textin' LANGUAGE internal IMMUTABLE STRICT"
    )
    yield (
        f"CREATE FUNCTION {writer}({name}) RETURNS cstring"
        " AS 'textout' LANGUAGE internal IMMUTABLE STRICT"
    )
    collatable = ", COLLATABLE = true" if kind.is_collatable else ""
    preferred = ", PREFERRED = true" if kind.is_preferred else ""
    category = f", CATEGORY = '{kind.category}'" if kind.category.isalpha() else ""
    yield (
        f"CREATE TYPE {name} (INPUT = {reader}, OUTPUT = {writer}, INTERNALLENGTH = VARIABLE,"
        f" ALIGNMENT = int4, STORAGE = extended{category}{preferred}{collatable})"
    )


def _without_defaults(function: ExtensionFunction) -> Iterator[ExtensionFunction]:
    """The function as it is called with fewer arguments: a function of its own, for a default is a
    stored expression, which `renumber.sql` does not look into."""
    for left_out in range(1, function.defaults + 1):
        count = len(function.arguments) - left_out
        yield replace(
            function,
            arguments=function.arguments[:count],
            names=function.names[:count],
            defaults=0,
            is_variadic=False,
        )


def _function(extension: Extension, function: ExtensionFunction) -> str:
    arguments = []
    for place, kind in enumerate(function.arguments):
        is_last = place == len(function.arguments) - 1
        mode = "VARIADIC " if function.is_variadic and is_last else ""
        name = _quoted(function.names[place]) + " " if function.names[place] else ""
        arguments.append(f"{mode}{name}{kind}")
    set_of = "SETOF " if function.returns_set else ""
    if function.outputs:
        # An argument that goes both ways is written twice here; none of those is trusted.
        columns = [f"OUT {_quoted(name)} {kind}" for name, kind in function.outputs]
        arguments += columns
    returns = f" RETURNS {set_of}{function.result}"
    if function.result == _RETURNS_NOTHING:
        returns = " RETURNS void"
    return (
        f"CREATE FUNCTION {_qualified(extension, function.name)}({', '.join(arguments)}){returns}"
        f" LANGUAGE plpgsql IMMUTABLE AS $body${_BODY}$body$"
    )


def _aggregate(extension: Extension, function: ExtensionFunction) -> Iterator[str]:
    step = _qualified(extension, _STEP)
    arguments = ", ".join(function.arguments)
    state = ", ".join((function.result, *function.arguments))
    yield (
        f"CREATE OR REPLACE FUNCTION {step}({state}) RETURNS {function.result}"
        f" LANGUAGE plpgsql IMMUTABLE AS $body${_BODY}$body$"
    )
    yield (
        f"CREATE AGGREGATE {_qualified(extension, function.name)}({arguments})"
        f" (SFUNC = {step}, STYPE = {function.result})"
    )


def _operator(extension: Extension, operator: ExtensionOperator) -> str:
    left = f"LEFTARG = {operator.left}, " if operator.left else ""
    function = _qualified(extension, operator.function.partition("(")[0])
    return (
        f"CREATE OPERATOR {_quoted(extension.schema)}.{operator.name}"
        f" ({left}RIGHTARG = {operator.right}, FUNCTION = {function})"
    )


def _cast(extension: Extension, cast: ExtensionCast) -> str:
    way = "WITHOUT FUNCTION"
    if cast.function is not None:
        name, _, arguments = cast.function.partition("(")
        way = f"WITH FUNCTION {_qualified(extension, name)}({arguments}"
    return f"CREATE CAST ({cast.source} AS {cast.target}) {way}{_CONTEXTS[cast.context]}"


def _order(extension: Extension, order: ExtensionOrder) -> str:
    operators = ", ".join(
        f"OPERATOR {strategy} {_quoted(extension.schema)}.{name}"
        for strategy, name in order.operators
    )
    name, _, arguments = order.comparison.partition("(")
    comparison = f"FUNCTION 1 {_qualified(extension, name)}({arguments}"
    label = "stand_in_" + order.type_name.rpartition(".")[2].strip('"')
    return (
        f"CREATE OPERATOR CLASS {_qualified(extension, label)} DEFAULT FOR TYPE {order.type_name}"
        f" USING btree AS {operators}, {comparison}"
    )
