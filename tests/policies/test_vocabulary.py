"""The words of the condition language exist in Postgres and are what they are said to be."""

from __future__ import annotations

import pytest

from policies import expression as tree
from policies.claims import ClaimType
from policies.vocabulary import (
    BOOLEAN_OPERATORS,
    FUNCTION_NAMES,
    FUNCTIONS,
    VALUE_OPERATORS,
    could_be_boolean,
)
from tests.policies.conftest import Execute


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_immutable_and_built_in(execute: Execute, name: str) -> None:
    fewest, most, *_ = FUNCTIONS[name]
    rows = execute(
        "SELECT bool_and(provolatile = 'i' AND prokind = 'f' AND NOT prosecdef) FROM pg_proc"
        f" WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = '{name}'"
        f" AND pronargs BETWEEN {fewest} AND {most}"
    )
    assert rows == [(True,)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_the_arguments_they_say(execute: Execute, name: str) -> None:
    fewest, most, numbers, smallest = FUNCTIONS[name]
    rows = execute(
        "SELECT min(pronargs)::int, max(pronargs)::int FROM pg_proc"
        f" WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = '{name}'"
    )
    found = rows[0]
    assert isinstance(found[0], int)
    assert isinstance(found[1], int)
    assert found[0] <= fewest <= most <= found[1]
    assert all(position < most for position in numbers)
    assert smallest >= 0


@pytest.mark.parametrize("operator", sorted(BOOLEAN_OPERATORS))
def test_boolean_operators_give_booleans(execute: Execute, operator: str) -> None:
    rows = execute(
        "SELECT bool_and(oprresult = 'boolean'::regtype) FROM pg_operator"
        f" WHERE oprname = '{operator}' AND oprnamespace = 'pg_catalog'::regnamespace"
        # tsquery && tsquery is a tsquery: as a condition the source refuses it at once
        " AND oprleft <> 'tsquery'::regtype"
    )
    assert rows == [(True,)]


def test_value_operators_are_no_conditions() -> None:
    for operator in VALUE_OPERATORS:
        node = tree.Operator(operator, tree.Column("a"), tree.Literal("text", "b"))
        assert not could_be_boolean(node, {})


@pytest.mark.parametrize(
    ("node", "could"),
    [
        (tree.Column("a"), True),
        (tree.NULL, True),
        (tree.Literal("number", "1"), False),
        (tree.TypedLiteral("boolean", "true"), True),
        (tree.TypedLiteral("date", "2025-01-01"), False),
        (tree.Claim("flag"), True),
        (tree.Claim("name"), False),
        (tree.Call("starts_with", ()), True),
        (tree.Call("lower", ()), False),
        (tree.Operator("IS DISTINCT FROM", tree.NULL, tree.NULL), True),
        (tree.Case(((tree.TRUE, tree.TRUE),), tree.NULL), True),
        (tree.Case(((tree.TRUE, tree.Literal("text", "x")),), tree.NULL), False),
        (tree.Current("now"), False),
    ],
)
def test_could_be_boolean(node: tree.Expression, could: bool) -> None:
    types = {"flag": ClaimType.parse("boolean"), "name": ClaimType.parse("text")}
    assert could_be_boolean(node, types) is could


def test_near_misses_know_the_special_names() -> None:
    assert {"claim", "role", "now", "coalesce"} <= set(FUNCTION_NAMES)
