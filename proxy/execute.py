"""The values of EXECUTE's arguments: literals as they stand, expressions computed by a query.

An expression is evaluated as a query of the principal's own, decided, guarded and recorded like any
other, and the values are bound to the named statement. The rules are Postgres' (PostgreSQL source,
EvaluateParams): no subqueries, no aggregates, and a type that the parameter's can be assigned from.

This file must not know sessions, sources or policies: `ask` and `describe` do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from proxy.faults import Fault
from proxy.inner import CANDIDATES_MAX
from proxy.sources.base import BINARY_FORMAT, TEXT_FORMAT, Arguments
from proxy.sql import tree
from proxy.sql.classify import text_of
from proxy.sql.parameter import undefined
from proxy.sql.parse import Statement, parse
from proxy.utility import constant_text
from proxy.wire.batch import Row
from proxy.workspace import Prepared

BOOL, INT8, INT2, INT4, FLOAT4, FLOAT8, NUMERIC = 16, 20, 21, 23, 700, 701, 1700
_NUMBERS = frozenset({FLOAT4, FLOAT8, NUMERIC})
_TAKES = {
    "ival": _NUMBERS | {INT2, INT4, INT8},
    "fval": _NUMBERS,
    "boolval": frozenset({BOOL}),
}
"""Types whose input reads a literal of another kind as an assignment would."""

_HEAD = "VALUES ("

# Of each pair of numbers: both names, and whether the one may be assigned to the other (PostgreSQL
# documentation, 10.4; strings take anything, by way of its text).
_TYPES = """
SELECT pg_catalog.format_type(v.given, NULL), pg_catalog.format_type(v.wanted, NULL),
  v.given = v.wanted OR t.typcategory = 'S' OR EXISTS (
    SELECT FROM pg_catalog.pg_cast c WHERE c.castsource = v.given AND c.castcontext IN ('a', 'i')
      AND c.casttarget = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END)
FROM (VALUES {pairs}) AS v(place, given, wanted)
JOIN pg_catalog.pg_type t ON t.oid = v.wanted ORDER BY v.place
"""


class Inquiry(Protocol):
    """What the gate lends: queries of its own making, for this session."""

    async def describe(self, query: Statement) -> tuple[int, ...]:
        """The types of a query's columns."""
        ...

    async def ask(self, query: Statement, formats: tuple[int, ...]) -> list[Row]:
        """Its rows in these formats."""
        ...


async def execute_arguments(
    inquiry: Inquiry, statement: Statement, prepared: Prepared
) -> Arguments:
    """The values of an EXECUTE for the statement that it names.

    Raises Fault 42601 (number), 42804 (type), 0A000 (subquery), 42P02, and what evaluating raises.
    """
    nodes, oids = list(statement.node.params), prepared.parameter_oids
    if len(nodes) != len(oids):
        raise Fault(
            f'wrong number of parameters for prepared statement "{prepared.name}"',
            sqlstate="42601",
            detail=f"Expected {len(oids)} parameters but got {len(nodes)}.",
        )
    literals = [_literal(node, oid) for node, oid in zip(nodes, oids, strict=True)]
    open_places = [place for place, found in enumerate(literals) if found is None]
    values = [None if found is None else found[0] for found in literals]
    if not open_places:
        return Arguments(tuple(values))
    for node in nodes:
        _refuse(statement, node)
    given = await _described(inquiry, statement)
    formats = [TEXT_FORMAT] * len(nodes)
    casts = await _casts(inquiry, statement, [(n, given[n], oids[n]) for n in open_places])
    for place in open_places:
        # A float's text depends on a setting; its bytes do not.
        formats[place] = BINARY_FORMAT if oids[place] in (FLOAT4, FLOAT8) else TEXT_FORMAT
    (query,) = parse(f"{_HEAD}{', '.join(casts)})")
    (row,) = await inquiry.ask(query, tuple(formats[place] for place in open_places))
    for place, value in zip(open_places, row, strict=True):
        values[place] = value
    return Arguments(tuple(values), tuple(formats))


def _literal(node: tree.Node, oid: int) -> tuple[bytes | None] | None:
    """The value of a bare literal that the parameter's type reads as it stands, else None."""
    if not node.HasField("a_const"):
        return None
    constant = node.a_const
    if constant.isnull:
        return (None,)
    kind = constant.WhichOneof("val")
    if kind == "sval" or oid in _TAKES.get(kind, ()):
        return (constant_text(constant).encode(),)
    return None


def _refuse(statement: Statement, node: tree.Node) -> None:
    for one in tree.walk(node):
        if one.DESCRIPTOR.name == "SubLink":
            raise Fault(
                "cannot use subquery in EXECUTE parameter",
                sqlstate="0A000",
                position=statement.position(one.location) + statement.offset,
            )
        if one.DESCRIPTOR.name == "ParamRef":
            place = statement.position(one.location) + statement.offset
            raise undefined(one.number, place)


async def _described(inquiry: Inquiry, statement: Statement) -> tuple[int, ...]:
    """The types that the expressions have of themselves. VALUES forbids what EXECUTE forbids."""
    query = _of_their_text(statement)
    try:
        return await inquiry.describe(query)
    except Fault as fault:
        told = fault.message.replace(" in VALUES", " in EXECUTE parameters")
        if told == fault.message:
            raise
        changed = Fault(told, sqlstate=fault.sqlstate, position=fault.position)
        changed.is_on_record = fault.is_on_record
        raise changed from fault


def _of_their_text(statement: Statement) -> Statement:
    """The arguments as one row, in the client's own words where that can be proven, so that
    positions point into what they wrote."""
    wanted, text = statement.node.params, statement.text
    end, start = text.rfind(")"), 0
    for _ in range(CANDIDATES_MAX):
        start = text.find("(", start) + 1
        if start == 0:
            break
        try:
            (query,) = parse(_HEAD + text[start:end] + ")")
        except (Fault, ValueError):
            continue
        lists = query.node.values_lists
        found = lists[0].list.items if len(lists) == 1 else ()
        if len(found) == len(wanted) and all(map(tree.same_tree, found, wanted)):
            return replace(query, offset=statement.offset + start - len(_HEAD))
    (query,) = parse(f"{_HEAD}{', '.join(map(_printed, wanted))})")
    return query


async def _casts(
    inquiry: Inquiry, statement: Statement, places: list[tuple[int, int, int]]
) -> list[str]:
    """The expressions at these places, as their parameters' types. `places` are (index, type given,
    type wanted)."""
    pairs = ", ".join(f"({n}, {given}::oid, {wanted}::oid)" for n, given, wanted in places)
    (query,) = parse(_TYPES.format(pairs=pairs))
    casts = []
    rows = await inquiry.ask(query, ())
    for (place, _, _), (given, wanted, is_assignable) in zip(places, rows, strict=True):
        node = statement.node.params[place]
        assert given is not None, "format_type gives a text"
        assert wanted is not None, "format_type gives a text"
        if is_assignable != b"t":
            first = min(_locations(node))
            raise Fault(
                f"parameter ${place + 1} of type {given.decode()} cannot be coerced to the expected"
                f" type {wanted.decode()}",
                sqlstate="42804",
                hint="You will need to rewrite or cast the expression.",
                position=statement.position(first) + statement.offset,
            )
        casts.append(f"CAST(({_printed(node)}) AS {wanted.decode()})")
    return casts


def _locations(node: tree.Node) -> list[int]:
    # No argument stands at the very beginning: 0 is for nodes that do not know.
    found = (getattr(one, "location", -1) for one in tree.walk(node))
    return [place for place in found if place > 0] or [0]


def _printed(node: tree.Node) -> str:
    query = tree.select()
    query.target_list.append(tree.target(node))
    return text_of(query).removeprefix("SELECT ")
