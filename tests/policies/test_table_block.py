"""Tables and rules as they are written: what they become, and what could only be a mistake."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

import pytest

from policies import expression as tree
from policies.mask import HashMask, PartialMask
from policies.rule import TablePolicy
from policies.window import WeeklyHours, Window
from tests.policies.writing import ORDERS, policy, problems


def table(rules: str, columns: str = "{id: visible, phone: {mask: last_two}}") -> TablePolicy:
    return policy(
        f"tables:\n  public.orders:\n    columns: {columns}\n    rules: {rules}\n"
    ).tables[ORDERS]


def refused(rules: str, columns: str = "{id: visible, phone: {mask: last_two}}") -> str:
    text = f"tables:\n  public.orders:\n    columns: {columns}\n    rules: {rules}\n"
    return "\n".join(str(problem) for problem in problems(text))


ALL = "{grant: all, roles: everyone}"


def test_a_grant_lists_all_columns_by_default() -> None:
    found = table(f"[{ALL}]").grants[0]
    assert found.roles is None
    assert found.columns == {"id", "phone"}
    assert found.where.node == tree.TRUE
    assert found.window == Window()


def test_tags_bring_the_strictest_mask() -> None:
    columns = "{id: visible, a: {tags: [personal]}, b: {mask: hidden, tags: [personal]}}"
    found = table(f"[{ALL}]", columns)
    assert isinstance(found.columns["a"].mask, PartialMask)
    assert found.columns["a"].tags == {"personal"}
    assert found.columns["b"].mask is not None
    assert found.columns["b"].mask.name == "hidden"


def test_masks_that_cannot_be_ordered_are_a_load_error() -> None:
    for columns, rules in [
        ("{id: visible, a: {mask: hashed, tags: [personal]}}", f"[{ALL}]"),
        # The last two show less than the last four, but of shorter values already.
        ("{id: visible, a: {mask: last_four, tags: [personal]}}", f"[{ALL}]"),
        ("{id: visible, a: {mask: hashed}}", "[{grant: g, roles: everyone, masks: {a: last_two}}]"),
        (
            "{id: visible, a: visible}",
            "[{grant: g, roles: [analyst], masks: {a: last_two}},"
            " {grant: h, roles: [support], masks: {a: hashed}}]",
        ),
    ]:
        text = refused(rules, columns)
        assert "cannot be ordered by strictness: list them in mask_order" in text


def test_mask_order_settles_it() -> None:
    header = """\
version: 1
keys: [pseudonym]
masks:
  last_two: {partial: {last: 2}}
  hashed: {hash: {key: pseudonym}}
mask_order: [hashed, last_two]
tags: {personal: {mask: last_two}}
"""
    text = """\
tables:
  public.orders:
    columns: {id: visible, a: {mask: hashed, tags: [personal]}}
    rules: [{grant: g, roles: everyone}]
"""
    assert isinstance(policy(text, header=header).tables[ORDERS].columns["a"].mask, HashMask)


def test_unmask_by_tag() -> None:
    columns = "{id: visible, a: {tags: [personal]}, b: {tags: [personal]}, c: {mask: last_two}}"
    found = table('[{grant: g, roles: everyone, unmask: ["tag:personal", c]}]', columns)
    assert found.grants[0].unmask == {"a", "b", "c"}


def test_windows() -> None:
    found = table(
        "[{grant: g, roles: everyone, valid_from: 2025-01-01,"
        ' valid_until: "2025-01-01T12:00:00+02:00",'
        ' hours: {days: [mon, sun], from: "22:00", until: "06:00", zone: Europe/Berlin}}]'
    )
    assert found.grants[0].window == Window(
        1_735_689_600.0,
        1_735_725_600.0,
        WeeklyHours(frozenset({0, 6}), time(22), time(6), ZoneInfo("Europe/Berlin")),
    )


def test_purpose_is_sql_over_the_claim() -> None:
    found = table("[{grant: g, roles: everyone, purpose: [billing, audit], where: id = 1}]")
    condition = found.grants[0].where
    assert tree.to_sql(condition.node) == (
        "((\"id\" = 1) AND (claim('purpose') IN ('billing', 'audit')))"
    )
    assert condition.text == "id = 1 [purpose: billing, audit]"


def test_absent_columns_are_known_and_hidden() -> None:
    found = table(f"[{ALL}]", "{id: visible, a: absent, b: {absent: true}}")
    assert set(found.columns) == {"id"}
    assert found.absent == {"a", "b"}


def test_mentioned_roles() -> None:
    found = table(
        "[{grant: g, roles: [analyst]}, {restrict: r, where: \"role('auditor') or id = 1\"},"
        " {deny: d, roles: [support], columns: [phone]}]"
    )
    assert found.mentioned_roles() == {"analyst", "auditor", "support"}


REFUSED: list[tuple[str, str]] = [
    ("x", "expected a list"),
    ("[x]", "block of keys"),
    ("[{roles: everyone}]", "exactly one of grant, restrict, deny"),
    ("[{grant: a, deny: b, roles: everyone}]", "exactly one of"),
    ("[{grant: [a], roles: everyone}]", "expected text"),
    ("[{grant: a}]", 'needs "roles"'),
    ("[{grant: a, roles: []}]", "names no role"),
    ("[{grant: a, roles: all}]", "or everyone"),
    ("[{grant: a, roles: [nobody]}]", 'role "nobody" is not declared'),
    (f"[{ALL}, {{deny: all}}]", "names two rules"),
    ("[{grant: a, roles: everyone, wehre: id = 1}]", 'did you mean "where"'),
    ("[{grant: a, roles: everyone, where: [x]}]", "expected text"),
    ("[{grant: a, roles: everyone, where: }]", "expected text"),
    ("[{grant: a, roles: everyone, where: id = }]", "syntax error"),
    ("[{grant: a, roles: everyone, columns: []}]", "grants no column"),
    ("[{grant: a, roles: everyone, columns: [phnoe]}]", 'did you mean "phone"'),
    ("[{grant: a, roles: everyone, columns: [id], unmask: [phone]}]", "not granted here"),
    ("[{grant: a, roles: everyone, unmask: ['tag:persona']}]", 'did you mean "personal"'),
    ("[{grant: a, roles: everyone, masks: {fone: last_two}}]", "not granted here"),
    ("[{grant: a, roles: everyone, masks: {phone: last_too}}]", 'did you mean "last_two"'),
    ("[{grant: a, roles: everyone, purpose: []}]", "needs purpose_claim"),
    ("[{grant: a, roles: everyone, row_limit: 0}]", "whole number from 1"),
    ("[{grant: a, roles: everyone, byte_limit: 1MB}]", "whole number from 1"),
    ("[{grant: a, roles: everyone, valid_from: soon}]", "expected a date"),
    ("[{grant: a, roles: everyone, valid_from: 2025-02-30}]", "expected a date"),
    ('[{grant: a, roles: everyone, valid_from: "2025-01-01T00:00:00"}]', "offset from UTC"),
    (
        "[{grant: a, roles: everyone, valid_from: 2025-01-02, valid_until: 2025-01-02}]",
        "not after valid_from",
    ),
    ("[{grant: a, roles: everyone, hours: {from: '08:00'}}]", "needs until, zone"),
    (
        "[{grant: a, roles: everyone, hours: {from: '8', until: '18:00', zone: UTC}}]",
        "time of day",
    ),
    (
        "[{grant: a, roles: everyone, hours: {from: '25:00', until: '18:00', zone: UTC}}]",
        "time of day",
    ),
    (
        "[{grant: a, roles: everyone, hours: {from: '08:00', until: '18:00', zone: Mars/Base}}]",
        "time zone",
    ),
    (
        "[{grant: a, roles: everyone, hours: {from: '08:00', until: '18:00', zone: ../x}}]",
        "time zone",
    ),
    (
        "[{grant: a, roles: everyone, hours:"
        " {days: [monday], from: '08:00', until: '18:00', zone: UTC}}]",
        "days are mon",
    ),
    (f"[{ALL}, {{restrict: r}}]", "restricts nothing"),
    (f"[{ALL}, {{restrict: r, columns: [id]}}]", "not a key here"),
    (f"[{ALL}, {{deny: d, where: id = 1, columns: [id]}}]", "not both"),
    (f"[{ALL}, {{deny: d, columns: []}}]", "names no column"),
    (f"[{ALL}, {{deny: d, valid_from: 2025-01-01}}]", "not a key here"),
]


@pytest.mark.parametrize(("rules", "message"), REFUSED)
def test_refused_rules(rules: str, message: str) -> None:
    assert message in refused(rules)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("{}", "lists no column"),
        ("{a: absent}", "lists no column"),
        ("[a]", "block of keys"),
        ("{a: visble}", 'did you mean "visible"'),
        ("{a: null}", '"visible", "absent"'),
        ("{a: {absent: false}}", "true or left out"),
        ("{a: {mask: ghost}}", 'mask "ghost" is not declared'),
        ("{a: {tags: [ghost]}}", 'tag "ghost" is not declared'),
        ("{a: {maks: email}}", 'did you mean "mask"'),
        ("{a: visible, a: absent}", "written twice"),
    ],
)
def test_refused_columns(columns: str, message: str) -> None:
    assert message in refused(f"[{ALL}]", columns)


def test_a_table_needs_columns_and_a_full_name() -> None:
    for name, message in [
        ("orders", "schema.table"),
        ("a.b.c.d", "schema.table"),
        ("a.", "schema"),
    ]:
        found = problems(f"tables:\n  {name}:\n    columns: {{id: visible}}\n    rules: [{ALL}]\n")
        assert any(message in problem.message for problem in found)
    found = problems(f"tables:\n  public.orders:\n    rules: [{ALL}]\n")
    assert any('needs "columns"' in problem.message for problem in found)


def test_unmasking_what_has_no_mask_is_a_warning_only() -> None:
    assert table("[{grant: a, roles: everyone, unmask: [id]}]").grants[0].unmask == frozenset()


def test_a_mask_that_looks_up_another_source() -> None:
    header = """\
version: 1
lookups: {hr.members: [email]}
masks:
  own: {custom: {expression: "case when exists (select 1 from hr.members) then value end", type:
  same}}
"""
    text = """\
tables:
  other.public.orders:
    columns: {id: {mask: own}}
    rules: [{grant: g, roles: everyone}]
"""
    assert any("another source" in p.message for p in problems(text, header=header))
