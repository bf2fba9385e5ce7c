"""Rules: whom they are meant for, and which masks and roles matter."""

from __future__ import annotations

import pytest

from policies.errors import Place
from policies.expression import FALSE
from policies.rule import Condition, Denial, Restriction, Rule
from tests.policies.writing import ORDERS, policy

PLACE = Place("p", 1)


@pytest.mark.parametrize(
    ("meant", "roles", "applies"),
    [
        (None, set(), True),
        (None, {"a"}, True),
        ({"a"}, {"a", "b"}, True),
        ({"a"}, {"b"}, False),
        ({"a"}, set(), False),
        (set(), {"a"}, False),
    ],
)
def test_whom_a_rule_is_meant_for(meant: set[str] | None, roles: set[str], applies: bool) -> None:
    rule = Restriction("r", PLACE, frozenset(meant) if meant is not None else None)
    assert rule.applies_to(frozenset(roles)) is applies
    assert isinstance(rule, Rule)


def test_a_denial_is_whole_without_rows_and_columns() -> None:
    assert Denial("d", PLACE, None).is_whole
    assert not Denial("d", PLACE, None, columns=frozenset({"c"})).is_whole
    assert not Denial("d", PLACE, None, where=Condition(FALSE, "false")).is_whole


def test_masks_that_anybody_may_get() -> None:
    table = policy("""\
        tables:
          public.orders:
            columns: {id: visible, a: {mask: last_two}, b: visible}
            rules:
              - grant: g
                roles: [analyst]
                masks: {a: "null", b: hidden}
              - grant: h
                roles: [support]
                masks: {a: last_two}
        """).tables[ORDERS]
    found = {name: [mask.name for mask in masks] for name, masks in table.masks().items()}
    assert found == {"a": ["last_two", "null"], "b": ["hidden"]}


def test_roles_in_custom_masks_matter() -> None:
    header = """\
version: 1
roles: {analyst: A, auditor: B, other: C}
masks:
  own: {custom: {expression: "case when role('auditor') then value end", type: same}}
"""
    policies = policy(
        "tables: {public.orders: {columns: {id: {mask: own}},"
        " rules: [{grant: g, roles: [analyst]}]}}\n",
        header=header,
    )
    assert policies.tables[ORDERS].mentioned_roles() == {"analyst", "auditor"}
    assert policies.relevant_roles(frozenset({"auditor", "other"})) == {"auditor"}
