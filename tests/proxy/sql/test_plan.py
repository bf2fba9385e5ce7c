"""Fragments: the only thing that a source accepts, made of verified statements only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.identity import ClaimLookup
from policies.model import RelationDecision
from proxy.faults import Fault, InternalFault
from proxy.sql.claim import ClaimSlot
from proxy.sql.classify import classify
from proxy.sql.parse import parse
from proxy.sql.pipeline import rewrite
from proxy.sql.plan import Fragment, copy_fragment, lookup_fragment, query_fragment
from tests.proxy.sql.fixture import CATALOG, FACTS, decide, guarded

CLAIMS = {"sub": "alice", "home": "o'clock\\"}


def test_a_query_fragment_carries_claims_as_values() -> None:
    verified = guarded("SELECT secret FROM orders WHERE id = $1", (20,)).verified
    fragment = query_fragment(verified, "main", CLAIMS.__getitem__, parameter_oids=(20,))

    assert [slot.name for slot in fragment.claim_slots] == ["home", "sub"]
    assert fragment.claim_values == ("o'clock\\", "alice")
    assert "alice" not in fragment.sql
    assert "alice" not in repr(fragment)


def test_parameters_must_be_those_that_were_decided() -> None:
    verified = guarded("SELECT secret FROM orders WHERE id = $1", (20,)).verified

    with pytest.raises(InternalFault):
        query_fragment(verified, "main", CLAIMS.__getitem__, parameter_oids=())


def copy(sql: str) -> str:
    (statement,) = parse(sql)
    classified = classify(statement)
    assert classified.copy is not None

    def literal(name: str, decision: RelationDecision) -> str | None:
        return CLAIMS[name]

    done = rewrite(
        classified, CATALOG, decide, facts=FACTS, parameter_oids=(), claim_literals=literal
    )
    return copy_fragment(done.verified, "main", classified.copy).sql


def test_copy_has_claims_as_typed_literals() -> None:
    sql = copy("COPY orders TO STDOUT (FORMAT CSV, HEADER true)")

    assert sql.startswith("COPY (SELECT * FROM (SELECT id")
    assert "m.u = 'alice'::text" in sql
    assert "= E'o''clock\\\\'::text" in sql
    assert sql.endswith("TO STDOUT WITH (FORMAT CSV, HEADER true)")
    assert "$" not in sql


def test_copy_of_a_statement_guarded_with_parameters_is_refused() -> None:
    (statement,) = parse("COPY orders TO STDOUT")
    classified = classify(statement)
    assert classified.copy is not None

    with pytest.raises(InternalFault):
        copy_fragment(guarded("SELECT id FROM orders").verified, "main", classified.copy)


def test_the_strictest_cap_of_all_relations_counts() -> None:
    verified = guarded("SELECT o.id FROM orders o JOIN items i ON i.order_id = o.id").verified
    first, second = verified.rewritten.guards
    capped = replace(
        verified,
        rewritten=replace(
            verified.rewritten,
            guards=(
                replace(first, decision=replace(first.decision, row_limit=10, byte_limit=99)),
                replace(second, decision=replace(second.decision, row_limit=7)),
            ),
        ),
    )
    fragment = query_fragment(capped, "main", CLAIMS.__getitem__, parameter_oids=())

    assert (fragment.row_limit, fragment.byte_limit) == (7, 99)


def lookup(sql: str) -> Fragment:
    slots, values = (ClaimSlot("subject", "text", 25),), ("alice",)
    return lookup_fragment(
        ClaimLookup("main", sql, ("subject",)), slots, values, rows_max=3, bytes_max=99
    )


def test_a_lookup_is_the_policys_query_with_values_beside_it() -> None:
    fragment = lookup("SELECT level FROM hr.clearances WHERE login = $1 -- by login")

    assert fragment.sql == (
        "SELECT pg_catalog.to_jsonb(lookup.*) FROM"
        " (SELECT level FROM hr.clearances WHERE login = $1) lookup"
    )
    assert (fragment.source, fragment.claim_values) == ("main", ("alice",))
    assert (fragment.row_limit, fragment.byte_limit) == (3, 99)
    assert "alice" not in repr(fragment)


@pytest.mark.parametrize(
    "sql", ["", "SELECT 1; SELECT 2", "DELETE FROM t", "COPY t TO STDOUT", "SELECT ("]
)
def test_a_lookup_is_exactly_one_query(sql: str) -> None:
    with pytest.raises(Fault):
        lookup(sql)
