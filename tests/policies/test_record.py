"""What is said about decisions: for audit, for operators, for principals."""

from __future__ import annotations

import json

import pytest

from policies.errors import PolicyDenied
from policies.model import RelationKey
from policies.record import describe, explain, record
from tests.policies.writing import NOW, ORDERS, decide, identity, policy

TABLES = """\
tables:
  public.orders:
    comment: Orders of customers
    row_limit: 100
    columns:
      id: {comment: The number}
      phone: {mask: last_four}
      salary: visible
      note: visible
      gone: absent
    rules:
      - grant: own
        roles: [analyst]
        where: tenant = claim('tenant')
        columns: [id, phone, note]
      - grant: clear
        roles: [auditor]
        where: is_open
        columns: [id, phone]
        unmask: [phone]
      - grant: later
        roles: [analyst]
        valid_from: 2099-01-01
      - deny: notes
        roles: [analyst]
        columns: [note]
  public.secret:
    columns: {id: visible}
    rules: [{grant: g, roles: [support]}]
"""
POLICIES = policy(TABLES)
ALICE = identity("analyst", claims={"tenant": "tenant-secret"})


def test_a_granted_record() -> None:
    found = record(POLICIES, ALICE, ORDERS, decide(POLICIES, ALICE))
    assert found.verdict == "granted"
    assert found.relation == "main.public.orders"
    assert found.columns == ("id", "phone", "salary")
    assert found.masks == (("phone", "last_four"), ("salary", "null"))
    assert found.policy_version == POLICIES.version
    content = json.dumps(found.to_json())
    assert "tenant-secret" not in content
    assert ALICE.claims_digest in content
    assert json.loads(content)["masks"] == {"phone": "last_four", "salary": "null"}


def test_a_denied_record() -> None:
    nobody = identity()
    with pytest.raises(PolicyDenied) as caught:
        decide(POLICIES, nobody)
    found = record(POLICIES, nobody, ORDERS, caught.value)
    assert (found.verdict, found.reason, found.rules) == ("denied", "no_rule", ())
    assert found.row_filter is None


def test_an_explanation_says_which_rules_and_why_not() -> None:
    found = explain(POLICIES, ALICE, ORDERS, NOW, live_columns=("id", "brand_new"))
    verdicts = {note.name: note.verdict for note in found.rules}
    assert verdicts["own"] == "applied"
    assert verdicts["clear"] == "not applied: for roles auditor"
    assert verdicts["later"] == "not open now: outside its time window"
    shown = {note.name: note.shown for note in found.columns}
    assert shown["id"] == "clear"
    assert shown["phone"] == "masked by last_four"
    assert shown["note"] == "absent: denied by notes"
    assert shown["gone"] == "absent: listed as absent"
    assert shown["brand_new"] == "absent: not listed in the policy"
    assert found.row_filter == "tenant = claim('tenant')"
    text = "\n".join(found.lines())
    assert "where tenant = claim('tenant')" in text
    assert "at most 100 rows" in text
    assert "tenant-secret" not in text + json.dumps(found.to_json())


def test_a_conditional_mask_says_so() -> None:
    both = identity("analyst", "auditor", claims={"tenant": "t"})
    shown = {note.name: note for note in explain(POLICIES, both, ORDERS, NOW).columns}
    assert "unless a grant that admits the row shows it" in shown["phone"].shown
    assert "WHEN is_open THEN phone" in str(shown["phone"].expression)
    auditor = explain(POLICIES, identity("auditor"), ORDERS, NOW)
    reasons = {note.name: note.shown for note in auditor.columns}
    assert reasons["salary"] == "absent: no grant of these roles lists it"


def test_denials_are_explained_not_raised() -> None:
    assert "no_rule" in explain(POLICIES, identity(), ORDERS, NOW).verdict
    missing = explain(POLICIES, identity("analyst"), ORDERS, NOW)
    assert 'the claim "tenant" is missing' in missing.verdict
    unknown = RelationKey("main", "public", "nothing")
    assert "does not exist for anybody" in explain(POLICIES, ALICE, unknown, NOW).verdict


def test_a_principal_is_told_only_of_what_exists_for_them() -> None:
    text = json.dumps(describe(POLICIES, frozenset({"auditor"})))
    assert "Orders of customers" in text
    assert "The number" in text
    for hidden in ("salary", "note", "gone", "secret", "tenant", "is_open"):
        assert hidden not in text
