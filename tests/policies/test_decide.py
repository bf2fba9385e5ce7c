"""PolicySet: what depends on the person and the moment, and what never may."""

from __future__ import annotations

from datetime import datetime

import pytest

from policies import decide as decide_module
from policies.claims import KEY_TYPE
from policies.decide import PolicySet
from policies.errors import DeniedReason, PolicyDenied
from policies.keyed import is_key_slot
from policies.load import load_texts
from policies.model import RelationKey
from tests.policies.writing import HEADER, NOW, ORDERS, decide, identity, policy

TENANTS = """\
tables:
  public.orders:
    columns: {id: visible, phone: {mask: hashed}}
    rules:
      - grant: own tenant
        roles: [analyst]
        where: tenant = claim('tenant')
        unmask: [phone]
      - grant: own regions
        roles: [support]
        where: region = ANY(claim('regions'))
  public.other:
    columns: {id: visible}
    rules: [{grant: all, roles: [auditor]}]
"""


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    return policy(TENANTS)


def denied(policies: PolicySet, *roles: str, now: float = NOW, **arguments: object) -> PolicyDenied:
    with pytest.raises(PolicyDenied) as caught:
        decide(policies, identity(*roles, **arguments), now)  # type: ignore[arg-type]
    return caught.value


def test_deny_by_default(policies: PolicySet) -> None:
    assert denied(policies).reason is DeniedReason.NO_RULE
    assert denied(policies, "stranger").reason is DeniedReason.NO_RULE
    unknown = RelationKey("main", "public", "nothing")
    with pytest.raises(PolicyDenied) as caught:
        policies.decide(identity("analyst"), unknown, NOW)
    assert caught.value.hides_relation
    assert policies.visible(frozenset()) == frozenset()
    assert policies.visible_columns(frozenset({"analyst"}), unknown) == ()


def test_a_missing_claim_denies_and_an_empty_list_does_not(policies: PolicySet) -> None:
    missing = denied(policies, "analyst")
    assert (missing.reason, missing.claim) == (DeniedReason.MISSING_CLAIM, "tenant")
    assert denied(policies, "analyst", claims={"tenant": ""}).claim == "tenant"
    assert denied(policies, "analyst", claims={"tenant": None}).claim == "tenant"
    assert decide(policies, identity("support", claims={"regions": ()})).claims >= {"regions"}


def test_one_missing_claim_denies_even_beside_another_grant(policies: PolicySet) -> None:
    found = denied(policies, "analyst", "support", claims={"regions": ("north",)})
    assert found.claim == "tenant"


def test_values_of_claims_are_in_no_text(policies: PolicySet) -> None:
    injection = "t1' OR '1'='1"
    one = decide(policies, identity("analyst", claims={"tenant": injection}))
    other = decide(policies, identity("analyst", claims={"tenant": "t2"}))
    assert one == other
    assert injection not in repr(one)


def test_visibility_follows_roles_alone(policies: PolicySet) -> None:
    roles = frozenset({"analyst"})
    assert policies.visible(roles) == {ORDERS}
    assert [c.name for c in policies.visible_columns(roles, ORDERS)] == ["id", "phone"]
    assert policies.relevant_roles(roles | {"stranger"}) == roles


def test_an_expired_identity_is_denied(policies: PolicySet) -> None:
    expired = denied(policies, "analyst", claims={"tenant": "t"}, expires_at=NOW)
    assert expired.reason is DeniedReason.IDENTITY_EXPIRED
    assert not expired.hides_relation


def test_key_slots_have_types_and_values_but_no_text(policies: PolicySet) -> None:
    who = identity("support", claims={"regions": ("north",)})
    decision = decide(policies, who)
    slots = {name for name in decision.claims if is_key_slot(name)}
    assert len(slots) == 2
    assert all(decision.claim_types[name] == KEY_TYPE for name in slots)
    assert set(decision.claim_types) == decision.claims
    values = {policies.claim_value(who, name) for name in slots}
    assert all(isinstance(value, str) and len(value) == 2 + 128 for value in values)
    assert not any(str(value) in repr(decision) for value in values)
    assert policies.claim_value(who, "regions") == ("north",)
    assert "0123456789abcdef" not in repr(policies)


def test_without_the_key_nothing_that_needs_it_runs() -> None:
    policies, _ = load_texts({"p.yaml": HEADER + TENANTS}, None)
    who = identity("support", claims={"regions": ("north",)})
    with pytest.raises(PolicyDenied) as caught:
        policies.decide(who, ORDERS, NOW)
    assert caught.value.reason is DeniedReason.KEY_UNAVAILABLE
    assert policies.preview(who, ORDERS, NOW).key == ORDERS
    slot = next(name for name in policies.claim_types if is_key_slot(name))
    with pytest.raises(PolicyDenied):
        policies.claim_value(who, slot)


def test_a_claim_that_nobody_has_has_no_value(policies: PolicySet) -> None:
    with pytest.raises(PolicyDenied):
        policies.claim_value(identity(), "tenant")


OFFICE = """\
tables:
  public.orders:
    columns: {id: visible, note: visible}
    rules:
      - grant: by day
        roles: [analyst]
        columns: [id]
        hours: {from: "08:00", until: "18:00", zone: UTC}
      - grant: until 2026
        roles: [support]
        valid_until: 2026-01-01
      - restrict: never on Sundays
        roles: [auditor]
        hours: {days: [mon, tue, wed, thu, fri, sat], from: "00:00", until: "00:00", zone: UTC}
      - grant: auditors
        roles: [auditor]
"""


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_windows_decide_rows_never_existence() -> None:
    policies = policy(OFFICE)
    day, night = at("2025-06-16T12:00:00+00:00"), at("2025-06-16T20:00:00+00:00")
    far = {"expires_at": 1e11}
    who = identity("analyst", **far)  # type: ignore[arg-type]
    open_now = decide(policies, who, day)
    assert open_now.valid_until == at("2025-06-16T18:00:00+00:00")
    with pytest.raises(PolicyDenied) as caught:
        decide(policies, who, night)
    assert caught.value.reason is DeniedReason.OUTSIDE_TIME_WINDOW
    assert caught.value.rule == "by day"
    assert policies.visible(frozenset({"analyst"})) == {ORDERS}
    both = identity("analyst", "support", **far)  # type: ignore[arg-type]
    assert decide(policies, both, night).rules == ("until 2026",)
    assert decide(policies, both, night).valid_until == at("2025-06-17T08:00:00+00:00")
    assert decide(policies, both, day).rules == ("by day", "until 2026")


def test_a_closed_restriction_denies() -> None:
    policies = policy(OFFICE)
    who = identity("auditor", expires_at=1e11)
    assert decide(policies, who, at("2025-06-16T12:00:00+00:00")).rules
    with pytest.raises(PolicyDenied) as caught:
        decide(policies, who, at("2025-06-15T12:00:00+00:00"))
    assert caught.value.rule == "never on Sundays"


def test_equal_keys_give_equal_decisions_and_edges_change_the_key() -> None:
    policies = policy(OFFICE)
    one, other = identity("analyst", "x"), identity("analyst", "y")
    day, night = at("2025-06-16T12:00:00+00:00"), at("2025-06-16T20:00:00+00:00")
    assert policies.decision_key(one, ORDERS, day) == policies.decision_key(other, ORDERS, day)
    assert policies.decision_key(one, ORDERS, day) != policies.decision_key(one, ORDERS, night)
    assert policies.decision_key(one, RelationKey("a", "b", "c"), day)[1] == frozenset()


def test_a_remembered_decision_is_not_used_past_its_time() -> None:
    policies = policy(OFFICE)
    who = identity("analyst", "support", expires_at=1e11)
    first = decide(policies, who, at("2025-06-16T12:00:00+00:00"))
    next_day = decide(policies, who, at("2025-06-17T12:00:00+00:00"))
    assert first.rules == next_day.rules
    assert next_day.valid_until == at("2025-06-17T18:00:00+00:00")


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide_module, "REMEMBERED_DECISIONS_MAX", 2)
    policies = policy(TENANTS)
    who = [
        identity("analyst", claims={"tenant": "t"}),
        identity("support", claims={"regions": ()}),
        identity("analyst", "support", claims={"tenant": "t", "regions": ()}),
    ]
    first = [decide(policies, person) for person in who]
    assert [decide(policies, person) for person in who] == first
    assert len(policies._remembered) == 2


def test_a_decision_is_remembered(policies: PolicySet) -> None:
    who = identity("analyst", claims={"tenant": "t"})
    assert decide(policies, who) is decide(policies, who)


def test_purpose_is_compared_by_the_source() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible}
            rules: [{grant: g, roles: everyone, purpose: [billing]}]
        """)
    decision = decide(policies, identity(claims={"purpose": "marketing"}))
    assert decision.row_filter == "(claim('purpose') IN ('billing'))"
    assert denied(policies).claim == "purpose"


def test_lookups_are_told() -> None:
    policies = policy("""\
        tables:
          public.orders:
            columns: {id: visible}
            rules:
              - grant: g
                roles: everyone
                where: region IN (SELECT region FROM hr.members)
        """)
    assert decide(policies, identity()).lookups == {RelationKey("main", "hr", "members")}


def test_a_login_that_is_bound_to_other_sources_is_denied(policies: PolicySet) -> None:
    bound = identity("support", claims={"regions": ("north",)}).limited_to(frozenset({"other"}))
    with pytest.raises(PolicyDenied) as caught:
        decide(policies, bound)
    assert caught.value.reason is DeniedReason.NO_RULE
    here = identity("support", claims={"regions": ("north",)}).limited_to(frozenset({"main"}))
    assert decide(policies, here).columns
