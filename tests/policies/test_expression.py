"""Folding in three-valued logic, and printing that means the same under every setting."""

from __future__ import annotations

import itertools

import pytest

from policies import expression as tree
from policies.expression import FALSE, NULL, TRUE, Column, Connective, Expression, Not, Role
from tests.policies.conftest import Execute

A, B = Column("a"), Column("b")


@pytest.mark.parametrize(
    ("node", "folded"),
    [
        (Connective("AND", (TRUE, A)), A),
        (Connective("AND", (FALSE, A)), FALSE),
        (Connective("OR", (TRUE, A)), TRUE),
        (Connective("OR", (FALSE, A)), A),
        (Connective("OR", (FALSE, FALSE)), FALSE),
        (Connective("AND", (TRUE, TRUE)), TRUE),
        (Connective("AND", (A, A)), A),
        (Connective("AND", (A, NULL)), Connective("AND", (A, NULL))),
        (Not(TRUE), FALSE),
        (Not(FALSE), TRUE),
        (Not(NULL), Not(NULL)),
        (tree.Case(((FALSE, A),), B), B),
        (tree.Case(((TRUE, A),), B), A),
        (tree.Case(((A, TRUE), (TRUE, B)), NULL), tree.Case(((A, TRUE),), B)),
    ],
)
def test_folding(node: Expression, folded: Expression) -> None:
    assert tree.simplify(node, frozenset()) == folded


def test_roles_are_decided_everywhere() -> None:
    node = tree.Case(((Role("x"), A),), Not(Connective("OR", (B, Role("y")))))
    assert tree.simplify(node, frozenset({"x"})) == A
    assert tree.simplify(node, frozenset({"y"})) == FALSE
    assert tree.simplify(node, frozenset()) == Not(B)
    with pytest.raises(ValueError, match="decided before printing"):
        tree.to_sql(node)


def test_connectives_are_flattened() -> None:
    nested = tree.conjunction((A, tree.conjunction((B, A)), tree.disjunction((A, B))))
    assert nested == Connective("AND", (A, B, Connective("OR", (A, B))))


def random_formulas() -> list[Expression]:
    leaves: list[Expression] = [A, B, TRUE, FALSE, Role("x"), NULL]
    pairs = list(itertools.product(leaves, repeat=2))
    level: list[Expression] = []
    level += [Connective("AND", p) for p in pairs] + [Connective("OR", p) for p in pairs]
    level += [Not(leaf) for leaf in leaves]
    deeper: list[Expression] = [Not(node) for node in level]
    deeper += [
        Connective("OR", (one, Not(other))) for one, other in zip(level, level[7:], strict=False)
    ]
    return level + deeper


def test_folding_keeps_three_valued_meaning(execute: Execute) -> None:
    for roles in (frozenset({"x"}), frozenset[str]()):
        sides = []
        for node in random_formulas():
            plain = tree.to_sql(_roles_as_constants(node, roles))
            sides.append(
                f"({plain}) IS NOT DISTINCT FROM ({tree.to_sql(tree.simplify(node, roles))})"
            )
        rows = execute(
            f"SELECT {' AND '.join(sides)} FROM (VALUES (true), (false), (NULL)) AS x(a),"
            " (VALUES (true), (false), (NULL)) AS y(b)"
        )
        assert rows == [(True,)] * 9


def _roles_as_constants(node: Expression, roles: frozenset[str]) -> Expression:
    match node:
        case Role(name):
            return TRUE if name in roles else FALSE
        case Connective(keyword, operands):
            return Connective(keyword, tuple(_roles_as_constants(o, roles) for o in operands))
        case Not(operand):
            return Not(_roles_as_constants(operand, roles))
        case _:
            return node


@pytest.mark.parametrize(
    "text", ["", "a", "it's", 'q"', "back\\slash", "\\'", "E'x'", "$1", "--", "/*", "ä€😀", "\n"]
)
def test_text_literals_under_both_settings(execute: Execute, text: str) -> None:
    for setting in ("on", "off"):
        execute(f"SET standard_conforming_strings = {setting}")
        assert execute(f"SELECT {tree.quote_text(text)}::text") == [(text,)]
    execute("SET standard_conforming_strings = on")


@pytest.mark.parametrize("name", ["a", "A", "select", 'q"q', "with blank", "ä", "a.b"])
def test_identifiers(execute: Execute, name: str) -> None:
    quoted = tree.quote_identifier(name)
    assert execute(f"SELECT {quoted} FROM (SELECT 1 AS {quoted}) AS t") == [(1,)]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_current_date_does_not_follow_the_session(execute: Execute, zone: str) -> None:
    sql = tree.to_sql(tree.Current("current_date"))
    execute("SET TIME ZONE 'UTC'")
    before = execute(f"SELECT {sql}::text, current_date::text")
    execute(f"SET TIME ZONE '{zone}'")
    shown = execute(f"SELECT {sql}::text")
    execute("SET TIME ZONE 'UTC'")
    after = execute("SELECT current_date::text")
    assert shown[0][0] in (before[0][1], after[0][0])


def test_a_negative_number_is_not_an_operator() -> None:
    minus = tree.Operator("<", A, tree.Literal("number", "-1"))
    assert tree.to_sql(minus) == '("a" < (-1))'


def test_casts_name_types_in_their_schema(execute: Execute) -> None:
    for type_name in tree.TYPE_NAMES:
        sql = tree.cast("NULL", type_name)
        assert execute(f"SELECT pg_typeof({sql})::text") == [(type_name,)]
    assert tree.cast("x", "text[]") == "(x)::pg_catalog.text[]"


def test_renaming_leaves_lookups_alone() -> None:
    node = Connective("AND", (Column("value"), Column("value", of_lookup=True), B))
    assert tree.rename_column(node, "value", "c") == Connective(
        "AND", (Column("c"), Column("value", of_lookup=True), B)
    )


def test_what_an_expression_reads() -> None:
    node = Connective("AND", (A, tree.Operator("=", B, tree.Claim("c"))))
    assert tree.columns_of(node) == {"a", "b"}
    assert tree.claims_of(node) == {"c"}
    assert tree.lookups_of(node) == frozenset()
    assert len(list(tree.walk(node))) == 5
