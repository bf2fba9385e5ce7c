"""Masks as they are written: defaults, and everything that is refused."""

from __future__ import annotations

import pytest

from policies import expression as tree
from policies.mask import (
    ConstantMask,
    CustomMask,
    DateMask,
    EmailMask,
    HashMask,
    JsonMask,
    Mask,
    NoiseMask,
    NullMask,
    NumberMask,
    PartialMask,
)
from tests.policies.writing import ORDERS, policy, problems

TABLES = """\
tables:
  public.orders:
    columns: {id: visible, c: {mask: m}}
    rules: [{grant: all, roles: everyone}]
"""
HEADER = "version: 1\nkeys: [k]\nroles: {r: R}\nmasks:\n  m: "

READ: list[tuple[str, Mask]] = [
    ('{"null": {}}', NullMask("m")),
    ("{constant: {value: x}}", ConstantMask("m", tree.TypedLiteral("text", "x"))),
    ("{constant: {value: 7, type: int}}", ConstantMask("m", tree.TypedLiteral("integer", "7"))),
    ('{constant: {value: ""}}', ConstantMask("m", tree.TypedLiteral("text", ""))),
    ("{partial: {last: 4}}", PartialMask("m", 0, 4, 4, "****")),
    ("{partial: {first: 2, hidden_min: 1, fill: x}}", PartialMask("m", 2, 0, 1, "x")),
    ("{email: {}}", EmailMask("m", True, "***")),
    ("{email: {domain: hide, fill: '-'}}", EmailMask("m", False, "-")),
    ("{hash: {key: k}}", HashMask("m", "k", None, 32)),
    ("{hash: {key: k, domain: d, characters: 64}}", HashMask("m", "k", "d", 64)),
    ("{generalise: {date: year}}", DateMask("m", "year", "date")),
    (
        "{generalise: {date: day, of: timestamptz}}",
        DateMask("m", "day", "timestamp with time zone"),
    ),
    ("{generalise: {number: 0.5}}", NumberMask("m", "0.5")),
    ("{noise: {key: k, amount: 5, row_key: [id]}}", NoiseMask("m", "k", "5", False, ("id",), 2)),
    (
        "{noise: {key: k, percent: 5, row_key: [id, c], digits: 0}}",
        NoiseMask("m", "k", "5", True, ("id", "c"), 0),
    ),
    ("{json: {remove: [[a, b]]}}", JsonMask("m", (("a", "b"),), ())),
    ("{json: {keep: [a]}}", JsonMask("m", (), ("a",))),
    (
        "{custom: {expression: upper(value)}}",
        CustomMask("m", tree.Call("upper", (tree.Column("value"),)), "text"),
    ),
]


@pytest.mark.parametrize(("text", "mask"), READ)
def test_masks_are_read(text: str, mask: Mask) -> None:
    table = policy(TABLES, header=HEADER + text + "\n").tables[ORDERS]
    assert table.columns["c"].mask == mask


REFUSED: list[tuple[str, str]] = [
    ("x", "block of keys"),
    ("{}", "exactly one kind"),
    ("{email: {}, partial: {last: 1}}", "exactly one kind"),
    ("{emial: {}}", "not a key here"),
    ("{constant: {}}", 'needs "value"'),
    ("{constant: {value: null}}", 'see the mask "null"'),
    ("{constant: {value: x, type: date}}", "not a date"),
    ("{constant: {value: x, type: money}}", "cannot be cast"),
    ("{partial: {}}", "shows nothing"),
    ("{partial: {first: 0, last: 0}}", "shows nothing"),
    ("{partial: {last: 4, hidden_min: 0}}", "from 1"),
    ("{partial: {last: x}}", "whole number"),
    (f"{{partial: {{last: 1, fill: {'x' * 101}}}}}", "at most 100"),
    ("{email: {domain: kepe}}", "not one of keep, hide"),
    ("{hash: {}}", 'needs "key"'),
    ("{hash: {key: kk}}", "not declared under keys"),
    ("{hash: {key: k, characters: 8}}", "from 12 to 64"),
    ("{generalise: {}}", 'either "date"'),
    ("{generalise: {date: year, number: 1}}", 'either "date"'),
    ("{generalise: {date: yaer}}", "not one of"),
    ("{generalise: {date: day}}", "already a day"),
    ("{generalise: {date: year, of: time}}", "not one of"),
    ("{generalise: {number: 0}}", "positive"),
    ("{generalise: {number: -1}}", "positive"),
    ("{generalise: {number: 1e5}}", "positive"),
    ("{generalise: {number: 5, of: date}}", 'goes with "date"'),
    ("{noise: {key: k, amount: 1}}", 'needs "row_key"'),
    ("{noise: {key: k, row_key: [id]}}", 'either "amount"'),
    ("{noise: {key: k, amount: 1, percent: 1, row_key: [id]}}", 'either "amount"'),
    ("{noise: {amount: 1, row_key: [id]}}", 'needs "key"'),
    ("{noise: {key: k, amount: 1, row_key: [id], digits: 11}}", "from 0 to 10"),
    ("{json: {}}", 'either "remove"'),
    ("{json: {remove: [], keep: []}}", 'either "remove"'),
    ("{json: {remove: []}}", "from 1 to"),
    ("{json: {remove: [[]]}}", "from 1 to"),
    ("{json: {remove: [a]}}", "expected a list"),
    ("{json: {keep: []}}", "from 1 to"),
    ("{custom: {}}", 'needs "expression"'),
    ("{custom: {expression: random()}}", "random is not allowed"),
    ("{custom: {expression: value, type: int}}", "not one of"),
    ("{custom: {expression: other, type: same}}", "value or NULL"),
    ("{custom: {expression: lower(value), type: boolean}}", "is a condition"),
    ("{custom: {expression: value::int}}", "casts can fail"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refused_masks(text: str, message: str) -> None:
    found = problems(TABLES, header=HEADER + text + "\n")
    assert any(message in problem.message for problem in found), found
    assert any(problem.line == 5 for problem in found)


def test_built_in_masks_need_no_declaration() -> None:
    text = TABLES.replace("mask: m", "mask: email") + ""
    header = "version: 1\n"
    assert policy(text, header=header).tables[ORDERS].columns["c"].mask == EmailMask(
        "email", True, "***"
    )
    null = policy(TABLES.replace("mask: m", "mask: null"), header=header)
    assert null.tables[ORDERS].columns["c"].mask == NullMask("null")
