"""EXPLAIN POLICY: what a principal may be told of the rules that shaped their own answer.

Rules and masks are told by name, never by text: a row filter may speak of columns that do not exist
for the principal (I7). The operator's view with texts is `sallyport policy explain`.

This file must not know sessions or sources. Pure.
"""

from __future__ import annotations

from policies.model import RelationDecision
from proxy.rows import text_fields
from proxy.sql.guard import GuardedRelation
from proxy.sql.pipeline import Guarded

FIELDS = text_fields("policy")
"""The one column of the answer."""


def rows(guarded: Guarded, policy_version: str) -> tuple[tuple[str], ...]:
    """One line per fact, relations in name order."""
    lines = [f"policy {policy_version[:12]}"]
    seen = {str(one.key): one for one in guarded.guards}
    for name in sorted(seen):
        lines.extend(_relation(seen[name]))
    if not seen:
        lines.append("no table is read")
    if guarded.parts:
        lines.append("several sources: each is asked for a part, a Postgres of the gate merges")
        for part in guarded.parts:
            keys = f", with the keys of {part.keys.table} if few" if part.keys else ""
            lines.append(f"  {part.table} from {part.guarded.source}: {part.asked}{keys}")
    return tuple((line,) for line in lines)


def _relation(one: GuardedRelation) -> list[str]:
    decision = one.decision
    lines = [f"{one.key.schema}.{one.key.name}"]
    lines.append(f"  rules: {', '.join(decision.rules) or 'none'}")
    lines.append(f"  rows: {_rows(decision)}")
    for column in decision.columns:
        if column.mask is not None:
            lines.append(f"  column {column.name}: masked by {column.mask}")
    if decision.row_limit is not None:
        lines.append(f"  at most {decision.row_limit} rows")
    if decision.byte_limit is not None:
        lines.append(f"  at most {decision.byte_limit} bytes")
    return lines


def _rows(decision: RelationDecision) -> str:
    if decision.row_filter == "true":
        return "all"
    if decision.row_filter == "false":
        return "none"
    return "those that the rules admit"
