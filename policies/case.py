"""Tests that are written beside the rules, and how they are run: purely, without any source.

This file must not know YAML. A case asks for one table as one principal at one instant and compares
what the policy decides with what its author expected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import postgast

from policies import expression as tree
from policies.claims import ClaimValue
from policies.errors import Place, PolicyDenied
from policies.identity import Identity
from policies.model import RelationDecision, RelationKey
from policies.predicate import PredicateError, Scope, parse_condition

if TYPE_CHECKING:
    from policies.decide import PolicySet

NOT_STATED = -1
"""The case says nothing of a row limit; None is the expectation of none."""

_SUBJECT = "policy test"
_LIFETIME_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects; None: not checked.

    `denied` is False, True or the name of a reason. `columns` the exact visible columns in order,
    `absent` columns that must not exist, `masks` the mask of each masked column named (`clear`:
    none).
    """

    denied: bool | str = False
    columns: tuple[str, ...] | None = None
    absent: tuple[str, ...] | None = None
    masks: dict[str, str] | None = None
    row_filter: str | None = None
    rules: tuple[str, ...] | None = None
    row_limit: int | None = NOT_STATED


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the policy with the expected answer. `now` in unix seconds."""

    name: str
    place: Place
    key: RelationKey
    roles: frozenset[str]
    claims: dict[str, ClaimValue] = field(default_factory=dict)
    now: float = 0.0
    expectation: Expectation = field(default_factory=Expectation)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended: every difference as one sentence; none: passed."""

    case: Case
    differences: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """True without a difference."""
        return not self.differences


def run_cases(policies: PolicySet) -> tuple[CaseResult, ...]:
    """Run all cases of a policy, in the order of its files."""
    return tuple(run_case(policies, case) for case in policies.cases)


def run_case(policies: PolicySet, case: Case) -> CaseResult:
    """Run one case. Key material is not needed: a missing key is not a difference."""
    identity = Identity.create(
        subject=_SUBJECT,
        issuer=_SUBJECT,
        roles=case.roles,
        claims=case.claims,
        expires_at=case.now + _LIFETIME_SECONDS,
    )
    expected = case.expectation
    try:
        decision = policies.preview(identity, case.key, case.now)
    except PolicyDenied as denied:
        return CaseResult(case, _denied_differences(expected, denied))
    if expected.denied:
        return CaseResult(case, (f"expected denied, is granted by {', '.join(decision.rules)}",))
    differences = [
        *_column_differences(expected, decision),
        *_mask_differences(expected, decision),
        *_filter_differences(policies, case, decision),
    ]
    if expected.rules is not None and set(expected.rules) != set(decision.rules):
        differences.append(
            f"rules: {_list(expected.rules)} expected, {_list(decision.rules)} apply"
        )
    if expected.row_limit not in (NOT_STATED, decision.row_limit):
        differences.append(f"row_limit: {expected.row_limit} expected, is {decision.row_limit}")
    return CaseResult(case, tuple(differences))


def _denied_differences(expected: Expectation, denied: PolicyDenied) -> tuple[str, ...]:
    if expected.denied is True or expected.denied == denied.reason.value:
        return ()
    wanted = f"denied as {expected.denied}" if expected.denied else "granted"
    return (f"expected {wanted}, is denied as {denied.reason.value}: {denied}",)


def _column_differences(expected: Expectation, decision: RelationDecision) -> list[str]:
    visible = tuple(column.name for column in decision.columns)
    differences = []
    if expected.columns is not None and expected.columns != visible:
        differences.append(f"columns: {_list(expected.columns)} expected, {_list(visible)} visible")
    for name in expected.absent or ():
        if name in visible:
            differences.append(f'column "{name}" is visible, expected absent')
    return differences


def _mask_differences(expected: Expectation, decision: RelationDecision) -> list[str]:
    columns = {column.name: column for column in decision.columns}
    differences = []
    for name, wanted in (expected.masks or {}).items():
        if name not in columns:
            differences.append(f'column "{name}" is absent, expected mask {wanted}')
            continue
        found = columns[name].mask or "clear"
        if found != wanted:
            differences.append(f'column "{name}": mask {wanted} expected, is {found}')
    return differences


def _filter_differences(policies: PolicySet, case: Case, decision: RelationDecision) -> list[str]:
    wanted = case.expectation.row_filter
    if wanted is None:
        return []
    scope = Scope(
        case.key.source, policies.claim_types, frozenset(policies.roles), policies.lookups
    )
    try:
        node = tree.simplify(parse_condition(wanted, scope), case.roles)
    except PredicateError as error:
        return [f"the expected filter is not a condition: {error}"]
    if tree.to_sql(node) == decision.row_filter:
        return []
    return [f"filter: {wanted} expected, is {readable(decision.row_filter)}"]


def readable(sql: str) -> str:
    """A decision's SQL as people write it: no needless parentheses, quotes or schemas."""
    prefix = "SELECT "
    printed = postgast.deparse(postgast.parse(prefix + sql))
    return str(printed).removeprefix(prefix).replace("pg_catalog.", "")


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
