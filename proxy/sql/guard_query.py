"""The guard of one relation as a query: its visible and masked columns, its row filter, its fence.

It is the same for everybody whom policy gives the same decision: claims are parameters in it. So
its bytes are composed once for a decision and the numbers of its parameters, and remembered; a
statement with three tables is mostly guards.

This file must not know statements, nor where in one a guard stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from postgast import pg_query_pb2 as pb

from policies.claims import ClaimType
from policies.model import RelationDecision
from proxy.faults import InternalFault
from proxy.sql import tree
from proxy.sql.statistics import without_statistics

ClaimPlace = int | str | None
"""A parameter's number; or, where the protocol has no parameters, the value's text."""

PlaceOf = Callable[[str, ClaimType], ClaimPlace]


@dataclass(frozen=True, slots=True)
class GuardShape:
    """What a guard is beside its decision. `restless`: columns that it hides the statistics of."""

    schema: str
    name: str
    is_only: bool
    is_fenced: bool
    restless: frozenset[str]


@dataclass(slots=True)
class _Composed:
    """Guards of one decision and shape. `decision` is kept, so that its id() stays its own.

    `claims` in the order of their first use; `queries` by the numbers of their parameters.
    """

    decision: RelationDecision
    claims: tuple[str, ...]
    queries: dict[tuple[ClaimPlace, ...], bytes] = field(default_factory=dict)


_composed: dict[tuple[int, GuardShape], _Composed] = {}
_COMPOSED_MAX = 4_096  # decisions in use and their shapes; a guard is some kilobytes
_NUMBERINGS_MAX = 64  # numbers of parameters that stand before the claims


def guard_query(
    shape: GuardShape, decision: RelationDecision, place_of: PlaceOf, *, is_shared: bool
) -> bytes:
    """The guard as a serialized SelectStmt.

    `place_of` is asked for each claim of the guard, in the order of their first use. `is_shared`
    False: it gives values, which are one person's own, and nothing is remembered. Raises:
    InternalFault for a policy expression that its decision does not fit.
    """
    if not is_shared:
        return _composed_bytes(shape, decision, place_of)
    known = _composed.get((id(decision), shape))
    if known is None or known.decision is not decision:
        asked: dict[str, ClaimPlace] = {}

        def noted(name: str, claim_type: ClaimType) -> ClaimPlace:
            asked[name] = place_of(name, claim_type)
            return asked[name]

        query = _composed_bytes(shape, decision, noted)
        if len(_composed) >= _COMPOSED_MAX:
            _composed.clear()
        known = _composed[id(decision), shape] = _Composed(decision, tuple(asked))
        known.queries[tuple(asked.values())] = query
        return query
    places = tuple([place_of(name, decision.claim_types[name]) for name in known.claims])
    found = known.queries.get(places)
    if found is None:
        if len(known.queries) >= _NUMBERINGS_MAX:
            known.queries.clear()
        found = known.queries[places] = _composed_bytes(shape, decision, place_of)
    return found


def _composed_bytes(shape: GuardShape, decision: RelationDecision, place_of: PlaceOf) -> bytes:
    query: bytes = _compose(shape, decision, place_of).SerializeToString()
    return query


def _compose(shape: GuardShape, decision: RelationDecision, place_of: PlaceOf) -> tree.Node:
    query = tree.select()
    for column in decision.columns:
        if column.expression is not None:
            mask = _expression(column.expression, decision, place_of)
            query.target_list.append(tree.target(mask, column.name))
        elif column.name in shape.restless:
            value = without_statistics(tree.column(column.name))
            query.target_list.append(tree.target(value, column.name))
        else:
            query.target_list.append(tree.target(tree.column(column.name)))
    relation = query.from_clause.add().range_var
    relation.schemaname, relation.relname = shape.schema, shape.name
    relation.inh, relation.relpersistence = not shape.is_only, "p"
    if decision.row_filter != "true":
        condition = _expression(decision.row_filter, decision, place_of)
        parts = [_kept_at_the_scan(part) for part in tree.conjuncts(condition)]
        query.where_clause.CopyFrom(tree.conjunction(parts))
    if shape.is_fenced:
        query.limit_offset.CopyFrom(tree.integer(0))
        query.limit_option = pb.LIMIT_OPTION_COUNT
    # Where our own texts had them, positions mean nothing.
    return tree.strip_locations(query)


def _kept_at_the_scan(part: tree.Node) -> tree.Node:
    """`x IN (SELECT …)` as `(x IN (SELECT …)) IS TRUE`: the same rows, and no join made of it.

    As a semi-join the filter takes part in the ordering of joins, and `ORDER BY key LIMIT 10` over
    an index becomes a sort of everything; kept at the scan it is a hashed lookup per row, the plan
    that native row-level security gets.
    """
    if not any(message.DESCRIPTOR.name == "SubLink" for message in tree.walk(part)):
        return part
    return pb.Node(boolean_test=pb.BooleanTest(arg=part, booltesttype=pb.IS_TRUE))


def _expression(text: str, decision: RelationDecision, place_of: PlaceOf) -> tree.Node:
    """A policy's filter or mask with the claims put in."""
    node = tree.expression(text)
    for call in _claim_calls(node):
        name = _claim_name(call.func_call)
        claim_type = decision.claim_types.get(name)
        if claim_type is None:
            raise InternalFault("a policy expression uses a claim that its decision does not list")
        place = place_of(name, claim_type)
        if isinstance(place, int):
            value = tree.parameter(place)
        else:
            value = tree.null() if place is None else tree.constant(place)
        call.Clear()
        call.CopyFrom(tree.cast(value, claim_type.name))
    return node


def _claim_calls(node: tree.Node) -> list[tree.Node]:
    """Every `Node` below (or at) `node` that is a call of `claim(…)`."""
    found: list[tree.Node] = []
    stack = [node]
    while stack:
        message = stack.pop()
        if message.DESCRIPTOR.name == "Node":
            if message.HasField("func_call") and tree.names(message.func_call.funcname) == (
                "claim",
            ):
                found.append(message)
                continue
            field_name = message.WhichOneof("node")
            if field_name is not None:
                stack.append(getattr(message, field_name))
            continue
        for one, value in message.ListFields():
            if one.message_type is not None:
                stack.extend(value if one.is_repeated else (value,))
    return found


def _claim_name(call: tree.Node) -> str:
    """The claim that a `claim('x')` call names. Raises InternalFault for anything else."""
    if len(call.args) != 1 or not call.args[0].a_const.HasField("sval"):
        raise InternalFault("a policy expression calls claim() without one literal name")
    name: str = call.args[0].a_const.sval.sval
    return name
