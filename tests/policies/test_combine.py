"""The combination rule (pitfall 11): by hand, and against a reference on real rows."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from policies.errors import DeniedReason, PolicyDenied
from tests.policies.conftest import Execute
from tests.policies.writing import ORDERS, column, decide, identity, policy

TWO_ROLES = """\
tables:
  public.orders:
    columns: {id: visible, area: visible, phone: {mask: last_four}}
    rules:
      - grant: masked here
        roles: [analyst]
        where: area = 'north'
      - grant: clear there
        roles: [support]
        where: area = 'south'
        unmask: [phone]
"""


def test_a_value_is_clear_only_through_a_grant_that_admits_its_row() -> None:
    decision = decide(policy(TWO_ROLES), identity("analyst", "support"))
    assert decision.row_filter == "((\"area\" = 'north') OR (\"area\" = 'south'))"
    phone = column(decision, "phone")
    assert phone is not None
    assert phone.startswith('CASE WHEN ("area" = \'south\') THEN ("phone")::pg_catalog.text ELSE ')
    assert decision.rules == ("masked here", "clear there")


def test_one_role_alone_gets_its_own_treatment() -> None:
    policies = policy(TWO_ROLES)
    masked = decide(policies, identity("analyst"))
    assert 'CASE WHEN ("area"' not in (column(masked, "phone") or "")
    assert next(c.mask for c in masked.columns if c.name == "phone") == "last_four"
    clear = decide(policies, identity("support"))
    assert column(clear, "phone") is None
    assert next(c.mask for c in clear.columns if c.name == "phone") is None


def test_a_column_that_the_admitting_grant_does_not_list_is_null() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible, area: visible, salary: visible}
            rules:
              - grant: no salary
                roles: [analyst]
                columns: [id, area]
              - grant: salaries of the south
                roles: [support]
                where: area = 'south'
        """)
    decision = decide(policies, identity("analyst", "support"))
    assert decision.row_filter == "true"
    assert column(decision, "salary") == (
        'CASE WHEN ("area" = \'south\') THEN "salary" ELSE NULL END'
    )
    assert [c.name for c in decide(policies, identity("analyst")).columns] == ["id", "area"]


def test_restrictions_and_denials_narrow_every_grant() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible, area: visible, note: visible}
            rules:
              - grant: all
                roles: everyone
              - restrict: live ones
                where: deleted_at IS NULL
              - restrict: support only its tenant
                roles: [support]
                where: tenant = claim('tenant')
              - deny: secrets
                roles: [analyst]
                where: is_secret
              - deny: no notes
                roles: [analyst]
                columns: [note]
        """)
    everybody = decide(policies, identity())
    assert everybody.row_filter == '("deleted_at" IS NULL)'
    analyst = decide(policies, identity("analyst"))
    assert analyst.row_filter == '(("deleted_at" IS NULL) AND (NOT "is_secret"))'
    assert [c.name for c in analyst.columns] == ["id", "area"]
    support = decide(policies, identity("support", claims={"tenant": "t1"}))
    assert support.row_filter == '(("deleted_at" IS NULL) AND ("tenant" = claim(\'tenant\')))'
    assert support.claims == {"tenant"}


def test_a_condition_with_or_stays_one_operand() -> None:
    """Attack 86: an OR in a rule must not swallow the rules beside it."""
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible}
            rules:
              - grant: either
                roles: everyone
                where: a = 1 OR b = 2
              - restrict: or
                where: c = 3 OR d = 4
        """)
    assert decide(policies, identity()).row_filter == (
        '((("a" = 1) OR ("b" = 2)) AND (("c" = 3) OR ("d" = 4)))'
    )


def test_a_whole_denial_wins() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible}
            rules:
              - grant: all
                roles: everyone
              - deny: never
                roles: [support]
        """)
    with pytest.raises(PolicyDenied) as caught:
        decide(policies, identity("support", "analyst"))
    assert caught.value.reason is DeniedReason.DENIED
    assert caught.value.rule == "never"
    assert caught.value.hides_relation
    assert policies.visible(frozenset({"support"})) == frozenset()
    assert policies.visible(frozenset({"analyst"})) == {ORDERS}


def test_denying_every_column_denies_the_table() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible}
            rules:
              - grant: all
                roles: everyone
              - deny: columns
                roles: [support]
                columns: [id]
        """)
    with pytest.raises(PolicyDenied):
        decide(policies, identity("support"))
    assert policies.visible(frozenset({"support"})) == frozenset()


def test_the_strictest_mask_of_all_grants_applies_and_gives_the_type() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible, phone: {mask: last_four}}
            rules:
              - grant: a
                roles: [analyst]
              - grant: b
                roles: [support]
                masks: {phone: "null"}
              - grant: c
                roles: [auditor]
                unmask: [phone]
                where: id < 10
        """)
    both = decide(policies, identity("analyst", "support"))
    assert column(both, "phone") == 'CASE WHEN false THEN "phone" END'
    assert next(c.type_name for c in both.columns if c.name == "phone") is None
    three = decide(policies, identity("analyst", "auditor"))
    assert next(c.type_name for c in three.columns if c.name == "phone") == "text"


def test_types_do_not_change_with_the_time_of_day() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible, phone: {mask: last_four}}
            rules:
              - grant: later
                roles: [analyst]
                valid_from: 2099-01-01
              - grant: now
                roles: [support]
                unmask: [phone]
        """)
    who = identity("analyst", "support", expires_at=1e11)
    now, later = decide(policies, who), decide(policies, who, 5e9)
    assert [c.type_name for c in now.columns] == [c.type_name for c in later.columns]
    assert column(now, "phone") == '("phone")::pg_catalog.text'
    roles = frozenset({"analyst", "support"})
    visible = policies.visible_columns(roles, ORDERS)
    assert [c.type_name for c in visible] == [c.type_name for c in now.columns]


def test_a_closed_grant_unmasks_nothing() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible, phone: {mask: last_four}}
            rules:
              - grant: masked
                roles: [analyst]
              - grant: clear, but over
                roles: [support]
                unmask: [phone]
                where: id < 10
                valid_until: 2020-01-01
        """)
    decision = decide(policies, identity("analyst", "support"))
    assert decision.rules == ("masked",)
    assert column(decision, "phone") == column(decide(policies, identity("analyst")), "phone")


def test_a_grant_that_does_not_list_a_column_says_nothing_of_its_mask() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible, phone: {mask: last_four}}
            rules:
              - grant: ids
                roles: [analyst]
                columns: [id]
                where: id < 10
              - grant: clear
                roles: [support]
                unmask: [phone]
        """)
    decision = decide(policies, identity("analyst", "support"))
    phone = decision.columns[1]
    assert (phone.expression, phone.type_name, phone.mask) == (None, None, None)


def test_the_smallest_limit_counts() -> None:
    policies = policy("""\
        tables:
          public.orders:
            row_limit: 500
            columns: {id: visible}
            rules:
              - grant: all
                roles: everyone
                byte_limit: 1000
              - restrict: agents
                roles: [support]
                row_limit: 10
        """)
    assert decide(policies, identity()).row_limit == 500
    support = decide(policies, identity("support"))
    assert (support.row_limit, support.byte_limit) == (10, 1000)


# The reference: random rules over rows with every combination of three flags (NULL included),
# decided in Python by the text of the rule and compared with what Postgres makes of the decision's
# SQL.

Flags = tuple[bool | None, bool | None, bool | None]
FLAGS: list[Flags] = [
    (a, b, c) for a in (True, False, None) for b in (True, False, None) for c in (True, False)
]
CONDITIONS: dict[str, Callable[[Flags], bool | None]] = {
    "true": lambda row: True,
    "a": lambda row: row[0],
    "b": lambda row: row[1],
    "NOT a": lambda row: None if row[0] is None else not row[0],
    "a AND b": lambda row: _and(row[0], row[1]),
    "b OR c": lambda row: _or(row[1], row[2]),
    "c": lambda row: row[2],
}
ROLES = ("analyst", "support", "auditor")


def _and(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: bool | None, other: bool | None) -> bool | None:
    if one is True or other is True:
        return True
    return None if one is None or other is None else False


def random_rules(chance: random.Random) -> list[dict[str, object]]:
    rules: list[dict[str, object]] = []
    for number in range(chance.randint(1, 4)):
        listed = chance.random() < 0.75
        rule: dict[str, object] = {
            "grant": f"g{number}",
            "roles": chance.sample(ROLES, chance.randint(1, 2)),
            "where": chance.choice(list(CONDITIONS)),
            "columns": ["id", "v"] if listed else ["id"],
        }
        if listed and chance.random() < 0.5:
            rule["unmask"] = ["v"]
        rules.append(rule)
    for effect in ("restrict", "deny"):
        if chance.random() < 0.4:
            conditions = [text for text in CONDITIONS if text != "true"]
            rules.append({effect: effect, "where": chance.choice(conditions)})
    return rules


def expected_rows(rules: list[dict[str, object]], roles: set[str]) -> list[tuple[int, str | None]]:
    grants = [r for r in rules if "grant" in r and roles & set(r["roles"])]  # type: ignore[call-overload]
    shown = []
    for number, row in enumerate(FLAGS):
        holds = {r["grant"]: CONDITIONS[str(r["where"])](row) is True for r in grants}
        admitting = [r for r in grants if holds[r["grant"]]]
        refused = any(
            ("restrict" in r and CONDITIONS[str(r["where"])](row) is not True)
            or ("deny" in r and CONDITIONS[str(r["where"])](row) is not False)
            for r in rules
        )
        if not admitting or refused:
            continue
        listing = [r for r in admitting if "v" in r["columns"]]  # type: ignore[operator]
        value = None
        if any("unmask" in r for r in listing):
            value = f"secret-{number:04}"
        elif listing:
            value = f"****{number:04}"
        shown.append((number, value))
    return shown


@pytest.mark.parametrize("seed", range(60))
def test_decisions_agree_with_the_reference(execute: Execute, seed: int) -> None:
    chance = random.Random(seed)
    rules = random_rules(chance)
    text = "\n".join(f"      - {flow(rule)}" for rule in rules)
    policies = policy(
        "tables:\n  public.orders:\n    columns: {id: visible, v: {mask: last_four}}\n"
        f"    rules:\n{text}\n"
    )
    roles = set(chance.sample(ROLES, chance.randint(1, 3)))
    expected = expected_rows(rules, roles)
    values = ", ".join(
        f"({n}, 'secret-{n:04}', {sql(a)}, {sql(b)}, {sql(c)})" for n, (a, b, c) in enumerate(FLAGS)
    )
    rows = f"(VALUES {values}) AS orders(id, v, a, b, c)"
    try:
        decision = decide(policies, identity(*roles))
    except PolicyDenied:
        assert expected == []
        return
    shown = [c.expression or f'"{c.name}"' for c in decision.columns]
    found = execute(
        f"SELECT {', '.join(shown)} FROM {rows} WHERE {decision.row_filter} ORDER BY id"
    )
    has_value = "v" in [c.name for c in decision.columns]
    assert found == [row if has_value else row[:1] for row in expected]


def flow(rule: dict[str, object]) -> str:
    items = (
        f"{key}: [{', '.join(value)}]" if isinstance(value, list) else f'{key}: "{value}"'
        for key, value in rule.items()
    )
    return "{" + ", ".join(items) + "}"


def sql(flag: bool | None) -> str:
    return "NULL::boolean" if flag is None else f"{flag}::boolean"
