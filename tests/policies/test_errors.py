"""What refusals carry, and how a problem reads."""

from __future__ import annotations

import pytest

from policies.errors import (
    ClaimRefused,
    DeniedReason,
    PolicyDenied,
    PolicyError,
    PolicyLoadError,
    Problem,
    TokenReason,
    TokenRefused,
)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("p.yaml", 7, "is wrong"), "p.yaml:7: is wrong"),
        (Problem("p.yaml", 0, "is empty"), "p.yaml: is empty"),
        (
            Problem("p.yaml", 7, "is unknown", "s.t / own", "where", "tenant"),
            'p.yaml:7: s.t / own / where: is unknown; did you mean "tenant"?',
        ),
        (Problem("p.yaml", 7, "is unknown", field="roles"), "p.yaml:7: roles: is unknown"),
    ],
)
def test_a_problem_names_place_rule_field_and_near_miss(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_load_error_lists_every_problem() -> None:
    problems = (Problem("a", 1, "one"), Problem("b", 2, "two"))
    error = PolicyLoadError(problems)
    assert error.problems == problems
    assert str(error) == "a:1: one\nb:2: two"
    with pytest.raises(AssertionError):
        PolicyLoadError(())


@pytest.mark.parametrize("reason", DeniedReason)
def test_only_two_reasons_hide_the_relation(reason: DeniedReason) -> None:
    hides = PolicyDenied(reason, "text").hides_relation
    assert hides is (reason in (DeniedReason.NO_RULE, DeniedReason.DENIED))


def test_all_are_policy_errors() -> None:
    assert issubclass(PolicyLoadError, PolicyError)
    assert isinstance(TokenRefused(TokenReason.EXPIRED, "x"), PolicyError)
    assert str(ClaimRefused("tenant", "is missing")) == 'claim "tenant": is missing'
