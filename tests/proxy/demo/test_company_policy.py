"""The company's policy: it loads without a warning, its cases hold, and it fits the live schema."""

from __future__ import annotations

import pytest

from policies.case import Case, run_case
from policies.check import check
from policies.decide import PolicySet
from policies.load import load
from policies.model import RelationKey
from proxy.catalog.introspect import introspect
from proxy.catalog.virtual import Column, SourceCatalog
from proxy.demo.configuration import POLICY_FILE, SOURCE
from proxy.demo.principal import PRINCIPALS

from .conftest import LoadedCompany

POLICY, WARNINGS = load([POLICY_FILE])


def type_name(column: Column, catalog: SourceCatalog) -> str:
    """The column's type, that under the domain where it has one."""
    definition = catalog.types.get(column.type_oid)
    return (definition and definition.base_type_name) or column.type_name


def test_it_loads_without_a_warning() -> None:
    assert WARNINGS == ()


@pytest.mark.parametrize("case", POLICY.cases, ids=lambda case: case.name)
def test_the_cases_beside_the_rules_hold(case: Case) -> None:
    assert run_case(POLICY, case).differences == ()


async def test_it_fits_the_live_schema(loaded_company: LoadedCompany) -> None:
    connection = await loaded_company.as_gate()
    try:
        catalog = await introspect(connection, SOURCE)
    finally:
        await connection.close()
    schema = {
        key: {column.name: type_name(column, catalog) for column in relation.columns}
        for key, relation in catalog.relations.items()
    }
    problems = [problem for problem in check(POLICY, schema) if not problem.is_warning]
    assert problems == []


def test_every_role_of_a_token_is_declared_and_used() -> None:
    held = {role for principal in PRINCIPALS.values() for role in principal.roles}
    assert held == set(POLICY.roles)
    assert POLICY.relevant_roles(frozenset(held)) == held


def visible_columns(policy: PolicySet, name: str, table: str) -> set[str]:
    schema, _, relation = table.partition(".")
    key = RelationKey(SOURCE, schema, relation)
    roles = frozenset(PRINCIPALS[name].roles)
    return {column.name for column in policy.visible_columns(roles, key)}


@pytest.mark.parametrize(
    ("name", "table", "never"),
    [
        ("alice", "hr.employees", {"salary", "national_id", "iban", "full_name", "home"}),
        ("alice", "sales.customers", {"phone", "address", "credit_limit"}),
        ("bob", "hr.employees", {"id", "salary"}),
        ("bob", "sales.orders", {"discount", "sold_by"}),
        ("carol", "sales.customers", {"email", "phone", "address", "national_id"}),
        ("dave", "sales.customers", {"id"}),
    ],
)
def test_what_a_person_must_never_know_of(name: str, table: str, never: set[str]) -> None:
    assert not visible_columns(POLICY, name, table) & never


def test_what_the_gates_account_cannot_read_is_not_granted() -> None:
    assert RelationKey(SOURCE, "hr", "investigations") not in POLICY.tables
