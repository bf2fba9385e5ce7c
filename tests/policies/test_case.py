"""Running cases: what passes, and how a difference reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.case import readable, run_cases
from policies.load import load
from tests.policies.writing import policy

EXAMPLES = Path(__file__).resolve().parents[2] / "policies" / "examples"

TABLES = """\
tables:
  public.orders:
    row_limit: 9
    columns: {id: visible, phone: {mask: last_four}, mail: {mask: hashed}}
    rules:
      - grant: own
        roles: [analyst]
        where: tenant = claim('tenant') and not role('auditor')
        unmask: [phone]
      - deny: never
        roles: [support]
"""


def differences(expect: str, who: str = "{roles: [analyst], claims: {tenant: t}}") -> list[str]:
    case = f"cases:\n  - {{case: c, table: public.orders, as: {who}, expect: {expect}}}\n"
    (result,) = run_cases(policy(TABLES + case))
    assert result.has_passed is (not result.differences)
    return list(result.differences)


@pytest.mark.parametrize(
    "expect",
    [
        "{denied: false}",
        "{columns: [id, phone, mail]}",
        "{absent: [salary]}",
        "{masks: {phone: clear, mail: hashed, id: clear}}",
        "{filter: \"tenant = claim('tenant')\"}",
        "{filter: \"(tenant) = claim('tenant') and true\"}",
        "{rules: [own]}",
        "{row_limit: 9}",
    ],
)
def test_what_passes(expect: str) -> None:
    assert differences(expect) == []


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("denied", "expected denied, is granted by own"),
        ("{denied: missing_claim}", "expected denied, is granted"),
        ("{columns: [id]}", "columns: id expected, id, phone, mail visible"),
        ("{columns: [phone, id, mail]}", "columns:"),
        ("{absent: [id]}", 'column "id" is visible, expected absent'),
        ("{masks: {phone: last_four}}", 'column "phone": mask last_four expected, is clear'),
        ("{masks: {mail: clear}}", 'column "mail": mask clear expected, is hashed'),
        ("{masks: {salary: clear}}", 'column "salary" is absent'),
        ('{filter: "true"}', "filter: true expected, is tenant = claim('tenant')"),
        ('{filter: "tenant = "}', "not a condition"),
        ("{rules: []}", "rules: none expected, own apply"),
        ("{row_limit: 10}", "row_limit: 10 expected, is 9"),
        ("{row_limit: null}", "row_limit: None expected, is 9"),
    ],
)
def test_what_fails_and_how_it_reads(expect: str, message: str) -> None:
    (found,) = differences(expect)
    assert message in found


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("{}", "no_rule"),
        ("{roles: [analyst]}", "missing_claim"),
        ("{roles: [analyst, support], claims: {tenant: t}}", "denied"),
    ],
)
def test_reasons(who: str, reason: str) -> None:
    assert differences(f"{{denied: {reason}}}", who) == []
    assert differences("denied", who) == []
    assert "expected granted, is denied as" in differences("{columns: [id]}", who)[0]
    assert "expected denied as key_unavailable" in differences("{denied: key_unavailable}", who)[0]


@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_the_cases_of_the_examples_pass(file: str) -> None:
    policies, _ = load([EXAMPLES / file])
    results = run_cases(policies)
    assert results
    assert {result.case.name: result.differences for result in results if result.differences} == {}


def test_readable() -> None:
    assert (
        readable('(("a" = \'x\') AND (pg_catalog."lower"("b") = \'y\'))')
        == "a = 'x' AND lower(b) = 'y'"
    )
