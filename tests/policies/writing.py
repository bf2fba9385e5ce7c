"""Small policies, identities and answers, written the way a test reads best."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from policies.claims import ClaimValue
from policies.decide import PolicySet
from policies.errors import PolicyLoadError, Problem
from policies.identity import Identity
from policies.load import load_texts
from policies.model import RelationDecision, RelationKey
from policies.secret import Secret

NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z, a Sunday
ORDERS = RelationKey("main", "public", "orders")
MASTER = Secret(b"0123456789abcdef0123456789abcdef")
KEYS = {"pseudonym": MASTER, "k": MASTER}

HEADER = """\
version: 1
roles: {analyst: Analyst, support: Support, auditor: Auditor}
claims:
  tenant: {type: text, pointer: /tenant}
  regions: {type: "text[]", pointer: /regions}
  level: {type: bigint, pointer: /level}
  purpose: {type: text, pointer: /purpose}
purpose_claim: purpose
keys: [pseudonym]
lookups:
  hr.members: [email, region]
masks:
  last_two: {partial: {last: 2}}
  last_four: {partial: {last: 4}}
  hidden: {constant: {value: hidden}}
  hashed: {hash: {key: pseudonym}}
tags:
  personal: {mask: last_two}
"""


def policy(tables: str, *, header: str = HEADER, file: str = "p.yaml") -> PolicySet:
    """The policy of a header and a `tables` block, written with any indent."""
    return load_texts({file: header + textwrap.dedent(tables)}, KEYS)[0]


def problems(tables: str, *, header: str = HEADER, file: str = "p.yaml") -> tuple[Problem, ...]:
    """Why the same is refused."""
    try:
        load_texts({file: header + textwrap.dedent(tables)}, KEYS)
    except PolicyLoadError as error:
        return error.problems
    raise AssertionError("the policy loads")


def identity(
    *roles: str, claims: Mapping[str, ClaimValue] | None = None, expires_at: float = NOW + 600
) -> Identity:
    """Somebody with these roles and claims."""
    return Identity.create(
        subject="alice",
        issuer="https://issuer.example",
        roles=frozenset(roles),
        claims=claims or {},
        expires_at=expires_at,
    )


def decide(policies: PolicySet, who: Identity, now: float = NOW) -> RelationDecision:
    """The decision about `public.orders`."""
    return policies.decide(who, ORDERS, now)


def column(decision: RelationDecision, name: str) -> str | None:
    """The expression of one column, None: clear."""
    return next(c.expression for c in decision.columns if c.name == name)
