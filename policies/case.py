"""Tests that are written beside the rules, and how they are run."""

from __future__ import annotations

from dataclasses import dataclass, field

from policies.claims import ClaimValue
from policies.model import RelationKey
from policies.rule import Place


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects. None: not checked."""

    is_denied: bool | None = None
    columns: tuple[str, ...] | None = None
    absent: tuple[str, ...] | None = None
    masks: dict[str, str | None] | None = None
    row_filter: str | None = None
    rules: tuple[str, ...] | None = None
    row_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the policy with the expected answer. `now` in unix seconds."""

    name: str
    place: Place
    key: RelationKey
    roles: frozenset[str]
    claims: dict[str, ClaimValue]
    now: float
    expectation: Expectation = field(default_factory=Expectation)
