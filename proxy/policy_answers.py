"""What policy answers about one person and one relation, in the words that others need.

This file must not know statements' texts, sources or sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from policies.errors import PolicyDenied
from policies.model import RelationDecision, RelationKey
from proxy.estate import Estate
from proxy.faults import DeniedFault
from proxy.session import Session
from proxy.sql.pipeline import claim_text


def decision_of(estate: Estate, session: Session, key: RelationKey, now: float) -> RelationDecision:
    """What a session gets of a relation at `now` (unix seconds).

    Raises DeniedFault, without the reason, which stands in its cause.
    """
    try:
        decision = estate.policy.decide(session.identity, key, now)
    except PolicyDenied as denied:
        raise DeniedFault(f"permission denied for table {key.name}") from denied
    # The guard looks claim types up in the decision itself.
    types = {name: estate.policy.claim_types[name] for name in decision.claims}
    return replace(decision, claim_types=types) if decision.claim_types != types else decision


def literals_of(estate: Estate, session: Session) -> Callable[[str, RelationDecision], str | None]:
    """The session's claims as texts of typed literals, for what takes no parameters."""

    def literal(name: str, decision: RelationDecision) -> str | None:
        value = estate.policy.claim_value(session.identity, name)
        return claim_text(decision, name, value)

    return literal
