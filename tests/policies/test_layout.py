"""The loader, the published JSON Schema and the reference speak of the same keys."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from policies.errors import PolicyLoadError
from policies.layout import KEYS
from policies.load import load_texts

FOLDER = Path(__file__).resolve().parents[2] / "policies"
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

WHOLE = """
version: 1
source: main
roles: {analyst: Analyst, empty: null}
roles_pointer: /realm/roles
default_roles: [analyst]
claims:
  tenant: {type: text, pointer: /tenant, default: t0}
  regions: {type: "text[]", pointer: /regions}
  purpose: {type: text, pointer: /purpose}
  level: {type: bigint, lookup: {source: main, sql: "select 1", parameters: [subject, tenant]}}
  tier: {type: text, lookup: {stored: tier}}
purpose_claim: purpose
keys: [pseudonym]
lookups: {hr.members: [email, region]}
masks:
  nothing: {"null": {}}
  constant: {constant: {type: text, value: x}}
  partial: {partial: {first: 1, last: 2, hidden_min: 3, fill: "..."}}
  mail: {email: {domain: hide, fill: "-"}}
  hashed: {hash: {key: pseudonym, domain: person, characters: 16}}
  year: {generalise: {date: year, of: timestamptz}}
  tens: {generalise: {number: 10}}
  noisy: {noise: {key: pseudonym, percent: 5, row_key: [id], digits: 1}}
  loud: {noise: {key: pseudonym, amount: "2.5", row_key: [id]}}
  short: {json: {remove: [[a], [b, c]]}}
  kept: {json: {keep: [a]}}
  own: {custom: {expression: "lower(value)", type: text}}
mask_order: [hashed, partial]
tags: {personal: {mask: hashed, comment: About a person}, plain: {}}
tables:
  public.orders:
    comment: Orders
    row_limit: 1000
    byte_limit: 1000000
    columns:
      id: visible
      gone: absent
      also_gone: {absent: true}
      email: {mask: partial, tags: [personal], comment: Mail}
      note: {mask: null}
    rules:
      - grant: own
        roles: [analyst]
        where: tenant = claim('tenant')
        columns: [id, email]
        unmask: [email, "tag:plain"]
        masks: {id: constant}
        purpose: [billing]
        valid_from: 2025-01-01
        valid_until: "2099-01-01T00:00:00+00:00"
        hours: {days: [mon, fri], from: "08:00", until: "18:00", zone: Europe/Berlin}
        row_limit: 10
        byte_limit: 10
      - restrict: tenant
        roles: everyone
        where: true
        row_limit: 5
      - deny: mail
        roles: [empty]
        columns: [email]
cases:
  - case: denied
    table: public.orders
    expect: denied
  - case: all
    table: public.orders
    as: {roles: [analyst], claims: {tenant: t1, regions: [a], level: 3}}
    now: "2026-01-01T00:00:00+00:00"
    expect:
      {denied: false, columns: [id], absent: [x], masks: {id: clear}, filter: "true", rules: [own],
      row_limit: null}
"""


def properties(name: str) -> tuple[str, ...]:
    block = SCHEMA if name == "policy" else SCHEMA["$defs"][name]
    assert block["additionalProperties"] is False
    return tuple(block["properties"])


@pytest.mark.parametrize("name", KEYS)
def test_schema_and_loader_have_the_same_keys(name: str) -> None:
    assert properties(name) == KEYS[name]


def test_the_schema_has_no_other_blocks() -> None:
    assert set(SCHEMA["$defs"]) == set(KEYS) - {"policy"}
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_key_is_described_in_the_schema() -> None:
    for name in KEYS:
        block = SCHEMA if name == "policy" else SCHEMA["$defs"][name]
        for key, value in block["properties"].items():
            target = SCHEMA["$defs"][value["$ref"].split("/")[-1]] if "$ref" in value else value
            assert value.get("description") or target.get("description"), f"{name}.{key}"


def test_every_key_is_in_the_reference() -> None:
    reference = (FOLDER / "README.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z_]+):?`", reference))
    documented |= set(re.findall(r"\b([a-z_]+):", reference))
    missing = {key for keys in KEYS.values() for key in keys} - documented
    assert missing == set()


def loads(text: str) -> bool:
    try:
        load_texts({"p.yaml": text})
    except PolicyLoadError:
        return False
    return True


def validates(text: str) -> bool:
    return VALIDATOR.is_valid(_as_json(yaml.safe_load(text)))


def _as_json(value: Any) -> Any:
    """Dates become text, as editors see them."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


@pytest.mark.parametrize("file", sorted(path.name for path in (FOLDER / "examples").glob("*.yaml")))
def test_examples_satisfy_both(file: str) -> None:
    text = (FOLDER / "examples" / file).read_text(encoding="utf-8")
    assert loads(text)
    VALIDATOR.validate(_as_json(yaml.safe_load(text)))


def test_a_policy_with_every_key_satisfies_both() -> None:
    # `where: true` is a boolean to YAML: the schema wants it as text.
    text = WHOLE.replace("where: true", 'where: "true"')
    VALIDATOR.validate(_as_json(yaml.safe_load(text)))
    load_texts({"p.yaml": text})
    used = set(re.findall(r"\"?\b([a-z_]+)\"?:", text))
    assert {key for keys in KEYS.values() for key in keys} - used == set()


def mutations() -> list[tuple[str, Any]]:
    """The whole policy with an unknown key in one block at a time."""
    whole = _as_json(yaml.safe_load(WHOLE.replace("where: true", 'where: "true"')))
    table = ("tables", "public.orders")
    paths: list[tuple[Any, ...]] = [
        (),
        ("claims", "tenant"),
        ("claims", "level", "lookup"),
        *((("masks", name)) for name in whole["masks"]),
        *((("masks", name, next(iter(whole["masks"][name])))) for name in whole["masks"]),
        ("tags", "personal"),
        table,
        (*table, "columns", "email"),
        *((*table, "rules", number) for number in range(3)),
        (*table, "rules", 0, "hours"),
        ("cases", 0),
        ("cases", 1, "as"),
        ("cases", 1, "expect"),
    ]
    found = []
    for path in paths:
        changed = copy.deepcopy(whole)
        inner = changed
        for step in path:
            inner = inner[step]
        inner["unheard_of"] = "x"
        found.append((".".join(map(str, path)) or "top", changed))
    return found


@pytest.mark.parametrize(
    ("path", "changed"), mutations(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_unknown_key_is_refused_by_both(path: str, changed: Any) -> None:
    assert not VALIDATOR.is_valid(changed)
    text = yaml.safe_dump(changed, sort_keys=False)
    with pytest.raises(PolicyLoadError) as caught:
        load_texts({"p.yaml": text})
    assert any("unheard_of" in problem.message for problem in caught.value.problems), path


WRONG = [
    "version: 2",
    "roles: [analyst]",
    "default_roles: analyst",
    "keys: {a: b}",
    "claims: {c: {pointer: /a}}",
    "claims: {c: {type: text}}",
    "claims: {c: {type: json, pointer: /a}}",
    "claims: {c: {type: text, pointer: a}}",
    "claims: {c: {type: text, pointer: /a, lookup: {source: m, sql: s}}}",
    "claims: {c: {type: text, lookup: {stored: a, source: m, sql: s}}}",
    "masks: {m: {}}",
    "masks: {m: {email: {}, partial: {last: 1}}}",
    "masks: {m: {partial: {last: -1}}}",
    "masks: {m: {partial: {last: 101}}}",
    "masks: {m: {constant: {}}}",
    "masks: {m: {email: {domain: maybe}}}",
    "masks: {m: {hash: {characters: 16}}}",
    "masks: {m: {generalise: {date: decade}}}",
    "masks: {m: {generalise: {date: year, number: 5}}}",
    "masks: {m: {generalise: {number: 0}}}",
    "masks: {m: {generalise: {number: -5}}}",
    "masks: {m: {json: {}}}",
    "masks: {m: {json: {remove: [a]}}}",
    "masks: {m: {custom: {expression: value, type: integer}}}",
    "tables: {a.b: {}}",
    "tables: {a.b: {columns: {}}}",
    "tables: {a.b: {columns: {c: shown}}}",
    "tables: {a.b: {columns: {c: {absent: false}}}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{grant: g}]}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{roles: everyone}]}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{grant: g, deny: d, roles: everyone}]}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{grant: g, roles: everybody}]}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{grant: g, roles: everyone, row_limit: 0}]}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{deny: d, where: c, columns: [c]}]}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{deny: d, row_limit: 5}]}}",
    "tables: {a.b: {columns: {c: visible}, rules: [{restrict: r, hours: {from: '08:00'}}]}}",
    "cases: [{case: c, expect: denied}]",
    "cases: [{case: c, table: a.b, expect: allowed}]",
    "cases: [{case: c, table: a.b, expect: {}}]",
]
BASE = """
version: 1
keys: [k]
tables: {x.y: {columns: {c: visible}, rules: [{grant: g, roles: everyone}]}}
"""


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_wrong_for_both(wrong: str) -> None:
    merged = {**yaml.safe_load(BASE), **yaml.safe_load(wrong)}
    if "tables" in merged:
        merged["tables"] = {**yaml.safe_load(BASE)["tables"], **merged["tables"]}
    text = yaml.safe_dump(merged, sort_keys=False)
    assert loads(BASE)
    assert validates(BASE)
    assert not validates(text), "the schema accepts it"
    assert not loads(text), "the loader accepts it"
