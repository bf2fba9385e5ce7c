"""Cases as they are written."""

from __future__ import annotations

import pytest

from policies.case import NOT_STATED, Expectation
from policies.case_block import DEFAULT_NOW
from tests.policies.writing import ORDERS, policy, problems

TABLES = """\
tables:
  public.orders:
    columns: {id: visible}
    rules: [{grant: all, roles: everyone}]
"""


def test_a_whole_case() -> None:
    (case,) = policy(
        TABLES
        + """\
cases:
  - case: c
    table: public.orders
    as: {roles: [analyst], claims: {tenant: t1, regions: [a], level: 3}}
    now: "2025-01-31T12:00:00+02:00"
    expect: {columns: [id], absent: [x], masks: {id: clear}, filter: "true", rules: [all],
    row_limit: null}
"""
    ).cases
    assert case.key == ORDERS
    assert case.roles == {"analyst"}
    assert case.claims == {"tenant": "t1", "regions": ("a",), "level": 3}
    assert case.now == 1_738_317_600.0
    assert case.expectation == Expectation(
        False, ("id",), ("x",), {"id": "clear"}, "true", ("all",), None
    )


def test_defaults() -> None:
    denied, granted = policy(
        TABLES
        + "cases:\n  - {case: a, table: public.orders, expect: denied}\n"
        + "  - {case: b, table: public.orders, expect: {denied: false}}\n"
    ).cases
    assert denied.expectation == Expectation(denied=True)
    assert (denied.roles, denied.claims, denied.now) == (frozenset(), {}, DEFAULT_NOW)
    assert granted.expectation.row_limit == NOT_STATED


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("x", "block of keys"),
        ("{case: c}", "needs table, expect"),
        ("{case: c, table: orders, expect: denied}", "schema.table"),
        ("{case: c, table: public.orders, expect: allowed}", 'expected "denied"'),
        ("{case: c, table: public.orders, expect: {}}", "expects nothing"),
        ("{case: c, table: public.orders, expect: {denied: [x]}}", "true, false or a reason"),
        ("{case: c, table: public.orders, expect: {denied: maybe}}", "true, false or a reason"),
        ("{case: c, table: public.orders, expect: {masks: {id: null}}}", "write clear"),
        ("{case: c, table: public.orders, expect: {colums: []}}", "not a key here"),
        ("{case: c, table: public.orders, as: {roles: [x]}, expect: denied}", "not declared"),
        ("{case: c, table: public.orders, as: {claims: {x: 1}}, expect: denied}", "not declared"),
        (
            "{case: c, table: public.orders, as: {claims: {level: high}}, expect: denied}",
            "not a valid bigint",
        ),
        ("{case: c, table: public.orders, now: noon, expect: denied}", "expected an instant"),
        (
            "{case: c, table: public.orders, now: 2025-01-01T00:00:00, expect: denied}",
            "expected an instant",
        ),
    ],
)
def test_refused_cases(case: str, message: str) -> None:
    found = problems(TABLES + f"cases:\n  - {case}\n")
    assert any(message in problem.message for problem in found), found


def test_a_case_of_an_unlisted_table_is_a_question_too() -> None:
    (case,) = policy(TABLES + "cases: [{case: c, table: public.ordres, expect: denied}]\n").cases
    assert case.key.name == "ordres"
