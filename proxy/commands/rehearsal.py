"""A statement decided without a shadow and without being run: for `policy explain`.

Types come from the shadow in a gate; here parameters are unknown, so that a statement with
parameters is guarded as if each could be anything: the fence may be stricter than in a session.

This file must not print. It runs nothing at a source.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from policies.decide import PolicySet
from policies.errors import PolicyDenied
from policies.identity import Identity
from policies.model import RelationDecision, RelationKey
from proxy.catalog.virtual import SourceCatalog
from proxy.estate import Estate
from proxy.faults import DeniedFault, SyntaxFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.classify import Route, classify
from proxy.sql.identity import SessionFacts
from proxy.sql.parse import Kind, parse
from proxy.sql.pipeline import rewrite


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The guarded text, the source it would go to, and the relations it reads."""

    sql: str
    source: str
    relations: list[RelationKey]


def rehearse(
    policy: PolicySet, catalogs: tuple[SourceCatalog, ...], identity: Identity, text: str
) -> Rehearsal:
    """Decide one query as `identity`. Raises the Fault that a client would get."""
    statements = parse(text)
    if len(statements) != 1 or statements[0].kind not in (Kind.QUERY, Kind.EXPLAIN_POLICY):
        raise SyntaxFault("exactly one query is expected")
    classified = classify(statements[0])
    if classified.route is Route.CATALOG:
        raise UnsupportedFault("a statement about the catalog reads no table of a source")
    catalog = Estate(policy, catalogs).class_of(identity.roles)
    schemas = tuple(sorted({schema for schema, _ in catalog.relations}))
    now = time.time()

    def decide(key: RelationKey) -> RelationDecision:
        try:
            return policy.preview(identity, key, now)
        except PolicyDenied as denied:
            raise DeniedFault(f"permission denied for table {key.name}: {denied}") from denied

    numbers = [
        node.number for node in tree.walk(classified.query) if node.DESCRIPTOR.name == "ParamRef"
    ]
    guarded = rewrite(
        classified,
        catalog,
        decide,
        facts=SessionFacts(user=identity.subject, database="", schemas=schemas),
        parameter_oids=(0,) * max(numbers, default=0),
    )
    keys = sorted({one.key for one in guarded.rewritten.guards})
    return Rehearsal(guarded.rewritten.sql, guarded.source, keys)
