"""One relation's guard: composed once for a decision, with the claims where each statement has them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from postgast import pg_query_pb2 as pb

from policies.claims import ClaimType
from policies.model import RelationKey
from proxy.faults import InternalFault
from proxy.sql import tree
from proxy.sql.guard_query import ClaimPlace, GuardShape, guard_query
from tests.proxy.sql.fixture import decide, guarded

ORDERS = RelationKey("main", "public", "orders")
SHAPE = GuardShape("public", "orders", is_only=False, is_fenced=False, restless=frozenset())


def places(**known: ClaimPlace) -> tuple[list[str], str]:
    """The claims that were asked for, and the guard's text with these places."""
    asked: list[str] = []

    def place_of(name: str, claim_type: ClaimType) -> ClaimPlace:
        assert claim_type.name == "text"
        asked.append(name)
        return known[name]

    query = guard_query(SHAPE, decide(ORDERS), place_of, is_shared=True)
    return asked, tree.print_tree(pb.SelectStmt.FromString(query))


def test_a_remembered_guard_has_the_numbers_of_each_statement() -> None:
    first = places(home=1, sub=2)
    again = places(home=1, sub=2)
    other = places(home=8, sub=9)

    assert "$1::text" in first[1]
    assert "$2::text" in first[1]
    assert again == first
    assert other[0][:2] == ["home", "sub"]
    assert other[1] == first[1].replace("$1", "$8").replace("$2", "$9")


def test_one_person_s_values_are_never_remembered() -> None:
    def guard_of(value: str) -> str:
        query = guard_query(SHAPE, decide(ORDERS), lambda *_: value, is_shared=False)
        return tree.print_tree(pb.SelectStmt.FromString(query))

    assert "'alice'::text" in guard_of("alice")
    assert "'alice'" not in guard_of("bob")


def test_the_shape_is_part_of_what_is_remembered() -> None:
    plain = guarded("SELECT i.sku FROM items i").rewritten.sql
    only = guarded("SELECT i.sku FROM ONLY items i").rewritten.sql

    assert only == plain.replace("FROM public.items", "FROM ONLY public.items")


def test_a_claim_that_the_decision_does_not_list_is_refused() -> None:
    decision = replace(decide(ORDERS), claim_types={})

    with pytest.raises(InternalFault):
        guard_query(SHAPE, decision, lambda *_: 1, is_shared=True)
