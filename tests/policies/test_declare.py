"""Roles, claims, lookups, keys, tags: what may be declared."""

from __future__ import annotations

import pytest
import yaml

from policies.declare import relation_key
from policies.document import Reporter, Value
from policies.identity import ClaimLookup, ClaimSource
from policies.model import RelationKey
from tests.policies.writing import policy, problems

TABLES = """\
tables:
  public.orders:
    columns: {id: visible}
    rules: [{grant: all, roles: everyone}]
"""


def test_claims_become_a_mapping() -> None:
    header = """\
version: 1
source: crm
roles: {analyst: A}
roles_pointer: /realm/roles
default_roles: [analyst]
claims:
  tenant: {type: text, pointer: /a~1b, default: t0}
  level: {type: bigint, lookup: {source: crm, sql: "select 1", parameters: [subject, tenant]}}
"""
    policies = policy(TABLES, header=header)
    mapping = policies.mapping
    assert mapping.roles_pointer == "/realm/roles"
    assert mapping.default_roles == {"analyst"}
    assert mapping.claims["tenant"].default == "t0"
    level = mapping.lookups["level"]
    assert isinstance(level, ClaimSource)
    assert level.lookup == ClaimLookup("crm", "select 1", ("subject", "tenant"))
    found = mapping.identify({"sub": "a", "exp": 1, "a/b": "t1", "realm": {"roles": "x"}})
    assert found.claims["tenant"] == "t1"
    assert found.roles == {"analyst", "x"}
    assert set(policies.tables) == {RelationKey("crm", "public", "orders")}


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("roles: {'': x}", "usable name"),
        ("roles: {null: x}", "expected text"),
        ("roles: {'a\\nb': x}", "usable name"),
        ("claims: {Tenant: {type: text, pointer: /t}}", "usable name"),
        ("claims: {'key:k:d:inner': {type: text, pointer: /t}}", "usable name"),
        ("claims: {c: {pointer: /t}}", 'needs "type"'),
        ("claims: {c: {type: txt, pointer: /t}}", "unknown claim type"),
        ("claims: {c: {type: bytea, pointer: /t}}", "unknown claim type"),
        ("claims: {c: {type: text}}", "either"),
        ("claims: {c: {type: text, pointer: t}}", "JSON pointer"),
        ("claims: {c: {type: bigint, pointer: /t, default: x}}", "not a valid bigint"),
        ("claims: {c: {type: 'text[]', pointer: /t, default: x}}", "not a list"),
        ("claims: {c: {type: text, lookup: {sql: x}}}", 'needs "source"'),
        ("claims: {c: {type: text, lookup: {stored: x, sql: y}}}", "stands alone"),
        (
            "claims: {c: {type: text, lookup: {source: s, sql: x, parameters: [subjekt]}}}",
            'lookup parameter "subjekt"',
        ),
        ("roles_pointer: roles", "JSON pointer"),
        ("default_roles: [ghost]", 'role "ghost" is not declared'),
        ("purpose_claim: purpose", "not a declared claim"),
        (
            "claims: {level: {type: bigint, pointer: /l}}\npurpose_claim: level",
            "not a declared claim of type text",
        ),
        ("keys: [A]", "usable name"),
        ("keys: [a, a]", "declared twice"),
        ("lookups: {members: [a]}", "schema.table"),
        ("lookups: {a.b.c.d: [a]}", "schema.table"),
        ("lookups: {hr.members: []}", "lists the columns"),
        (f"lookups: {{hr.{'x' * 64}: [a]}}", "longer than 63 bytes"),
        ("mask_order: [ghost]", 'mask "ghost" is not declared'),
        ("masks: {email: {email: {}}}", "declared twice"),
        ("tags: {t: {mask: ghost}}", 'mask "ghost" is not declared'),
    ],
)
def test_refused_declarations(declaration: str, message: str) -> None:
    found = problems(TABLES, header=f"version: 1\n{declaration}\n")
    assert any(message in problem.message for problem in found), found


def test_near_misses() -> None:
    header = "version: 1\nclaims: {tenant: {type: text, pointer: /t}}\npurpose_claim: tennant\n"
    assert problems(TABLES, header=header)[0].suggestion == "tenant"


def test_a_stored_claim_is_a_lookup() -> None:
    header = "version: 1\nclaims:\n  tier: {type: text, lookup: {stored: level}}\n"
    found = policy(TABLES, header=header).mapping.lookups["tier"].lookup
    assert found is not None
    assert (found.stored, found.source, found.parameters) == ("level", "", ())


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("shop.orders", ("main", "shop", "orders")),
        ("other.shop.orders", ("other", "shop", "orders")),
        ('shop."a.b"', ("main", "shop", "a.b")),
        ('"x.y"."say ""hi"""', ("main", "x.y", 'say "hi"')),
        ('shop.a"b', ("main", "shop", 'a"b')),
        ("shop.new\nline", ("main", "shop", "new\nline")),
        ("shop..orders", None),
        (".orders", None),
        ("shop.", None),
        ('shop."a"b', None),
        ('shop."a', None),
        ('shop.""', None),
        ("a.b.c.d", None),
        ("", None),
    ],
)
def test_relation_names(written: str, parts: tuple[str, str, str] | None) -> None:
    reporter = Reporter()
    value = Value(yaml.compose("x"), "policy.yaml", reporter)
    found = relation_key(value, written, "main")
    assert found == (None if parts is None else RelationKey(*parts))
    assert bool(reporter.problems) == (parts is None)
