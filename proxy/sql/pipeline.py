"""The steps between a judged statement and its fragment, in their one order.

    Classified -> (settle identities) -> bind -> fence -> guard -> verify -> Fragment

Pure: the shadow has been asked before (its parameter types come in), the source is asked
afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from policies.claims import to_text
from policies.model import RelationDecision, RelationKey
from proxy.catalog import route
from proxy.catalog.virtual import ClassCatalog, VisibleRelation
from proxy.faults import InternalFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.bind import bind
from proxy.sql.classify import Classified
from proxy.sql.fence import place_fences
from proxy.sql.guard import Rewritten, guard
from proxy.sql.identity import SessionFacts, settle
from proxy.sql.safety import Safety
from proxy.sql.verify import Verified, verify

Decide = Callable[[RelationKey], RelationDecision]


@dataclass(frozen=True, slots=True)
class Guarded:
    """A verified statement with what its execution needs to know.

    `source` the one source of its relations, "" for a statement without relations;
    `pattern_parameters` the client's parameters (1-based) that must be well-formed LIKE patterns.
    """

    verified: Verified
    source: str

    @property
    def rewritten(self) -> Rewritten:
        return self.verified.rewritten


def rewrite(
    classified: Classified,
    catalog: ClassCatalog,
    decide: Decide,
    *,
    facts: SessionFacts,
    parameter_oids: Sequence[int],
    claim_literals: Callable[[str, RelationDecision], str | None] | None = None,
) -> Guarded:
    """Guard and verify a DATA statement. Its tree is copied: it may have to be decided again.

    `parameter_oids`: the client's parameter types as the shadow described them. `claim_literals`:
    for COPY, the text of a claim to print in place of a parameter. Raises: NotFoundFault,
    UnsupportedFault, DeniedFault, InternalFault, and what `decide` raises.
    """
    node = tree.copy(classified.query)
    settle(node, facts, type_schemas(catalog))
    bound = bind(
        node, resolver(catalog, facts.schemas, facts.database), classified.statement.position
    )
    safety = Safety(bound, tuple(parameter_oids))
    fences = place_fences(bound, safety)
    literals = None
    decisions: dict[RelationKey, RelationDecision] = {}

    def decide_once(key: RelationKey) -> RelationDecision:
        if key not in decisions:
            decisions[key] = decide(key)
        return decisions[key]

    keys = {item.relation.relation.key for item in bound.items if item.relation is not None}
    if claim_literals is not None:
        literals = {
            name: claim_literals(name, decide_once(key))
            for key in keys
            for name in decide_once(key).claims
        }
    rewritten = guard(
        bound,
        fences,
        decide_once,
        parameter_count=len(parameter_oids),
        pattern_parameters=frozenset(safety.pattern_parameters),
        claim_literals=literals,
    )
    sources = {key.source for key in keys}
    if len(sources) > 1:
        raise UnsupportedFault("a statement over several sources is not supported")
    return Guarded(verify(rewritten), sources.pop() if sources else "")


def catalog_sql(classified: Classified, facts: SessionFacts) -> str:
    """The text of a CATALOG statement for the shadow: reviewed, redirected and printed, never
    relayed."""
    node = tree.copy(classified.query)
    settle(node, facts, {}, is_catalog=True)
    redirected = route.redirect(node)
    text = tree.print_tree(redirected)
    again = tree.parse_tree(text).stmts
    if len(again) != 1 or not tree.same_tree(tree.inner(again[0].stmt), redirected):
        raise InternalFault("the printed statement reads back as another one")
    return text


def resolver(
    catalog: ClassCatalog, search_path: Sequence[str], database: str
) -> Callable[[str, str], VisibleRelation | None]:
    """Relation names as this session means them: qualified, or by its virtual search path."""

    def resolve(schema: str, name: str) -> VisibleRelation | None:
        return catalog.resolve(schema or None, name, search_path)

    return resolve


def type_schemas(catalog: ClassCatalog) -> Mapping[str, str]:
    """Where the types outside pg_catalog live that this class may name, by type name."""
    return {
        definition.name: definition.schema
        for by_oid in catalog.types.values()
        for definition in by_oid.values()
    }


def claim_text(decision: RelationDecision, name: str, value: object) -> str | None:
    """A claim's value as Postgres text for a typed literal."""
    return to_text(value, decision.claim_types[name])  # type: ignore[arg-type]
