"""Cases beside the rules: passed, failed, absent."""

from __future__ import annotations

from pathlib import Path

from tests.proxy.commands.conftest import POLICY, Run, Workplace

EXAMPLES = Path(__file__).resolve().parents[3] / "policies" / "examples"


def test_cases_of_the_configured_policies(workplace: Workplace, sallyport: Run) -> None:
    ended = sallyport("policy", "test")
    assert ended.code == 0
    assert ended.lines == ["ok      an analyst sees the own region"]
    assert ended.err == "cases: 1, failed: 0\n"


def test_the_examples_hold_without_configuration_or_source(sallyport: Run) -> None:
    for name in ("company.yaml", "minimal.yaml"):
        ended = sallyport("policy", "test", EXAMPLES / name, "--json")
        assert ended.code == 0
        assert ended.objects
        assert all(one["passed"] for one in ended.objects)


def test_a_failing_case_is_told_with_its_place_and_what_is_different(
    workplace: Workplace, sallyport: Run
) -> None:
    workplace.policy.write_text(POLICY.replace("absent: [note]", "absent: [id]"))
    ended = sallyport("policy", "test", workplace.policy)
    assert ended.code == 1
    assert ended.lines[0].startswith("FAILED  an analyst sees the own region")
    assert f"{workplace.policy}:19" in ended.lines[0]
    assert ended.lines[1].strip() == 'column "id" is visible, expected absent'
    (told,) = sallyport("policy", "test", workplace.policy, "--json").objects
    assert told["line"] == 19
    assert told["differences"] == ['column "id" is visible, expected absent']


def test_a_policy_that_does_not_load(workplace: Workplace, sallyport: Run) -> None:
    workplace.policy.write_text(POLICY.replace("where:", "wehre:"))
    ended = sallyport("policy", "test")
    assert ended.code == 1
    assert "policy.yaml:17: " in ended.err
    assert 'did you mean "where"' in ended.err


def test_nothing_tested_is_not_success(workplace: Workplace, sallyport: Run) -> None:
    workplace.policy.write_text(POLICY.partition("cases:")[0])
    ended = sallyport("policy", "test")
    assert ended.code == 1
    assert "nothing was tested" in ended.err
