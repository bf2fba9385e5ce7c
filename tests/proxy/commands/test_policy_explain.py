"""What somebody gets and why, over a real source and a real shadow."""

from __future__ import annotations

import json

import pytest

from tests.proxy.commands.conftest import POLICY, Ending, Run, Workplace

CLAIMS = {"sub": "zoe", "roles": ["analyst"], "region": "emea"}


@pytest.fixture
def explain(workplace: Workplace, sallyport: Run) -> Run:
    def explained(statement: str, *arguments: str, **claims: object) -> Ending:
        file = workplace.directory / "claims.json"
        file.write_text(json.dumps({**CLAIMS, **claims}))
        return sallyport("policy", "explain", "--claims", file, *arguments, statement)

    return explained


def test_rules_filters_masks_and_the_guarded_sql(explain: Run) -> None:
    ended = explain("select id, min(email) from shop.orders group by id")
    assert ended.code == 0
    assert ended.lines[0].startswith("zoe (analyst), policy ")
    for line in (
        "shop.shop.orders: granted by own region",
        "  grant own region: applied",
        "  rows: region = claim('region')",
        "  column id: clear",
        "  column email: masked by email",
        "  column note: absent: listed as absent",
        "SQL for source shop:",
    ):
        assert line in ended.lines
    assert "FROM shop.orders WHERE region = $1" in ended.lines[-1]
    assert "'emea'" not in ended.out  # the value travels as a parameter
    assert "shadow Postgres" in ended.err


def test_why_a_column_is_hidden(explain: Run) -> None:
    ended = explain("select note from shop.orders", "--json")
    assert ended.code == 1
    (told,) = ended.objects
    assert told["refused"]["sqlstate"] == "42703"
    assert told["guarded_sql"] is None
    columns = {one["name"]: one["shown"] for one in told["relations"][0]["columns"]}
    assert columns["note"] == "absent: listed as absent"
    assert told["remarks"] == []


def test_a_column_that_exists_nowhere(explain: Run) -> None:
    ended = explain("select nte from shop.orders")
    assert ended.code == 1
    assert "nte: no table named here has a column of this name" in ended.lines


def test_a_table_that_is_not_granted_and_one_that_is_absent(explain: Run) -> None:
    hidden = explain("select * from shop.people")
    absent = explain("select * from shop.peeple")
    assert (hidden.code, absent.code) == (1, 1)
    # Told alike to the principal, apart to the operator.
    assert 'refused with 42P01: relation "shop.people" does not exist' in hidden.lines
    assert 'refused with 42P01: relation "shop.peeple" does not exist' in absent.lines
    assert any("no table of this name in the policy" in line for line in hidden.lines)
    assert "shop.peeple: no source has a table of this name" in absent.lines


def test_a_role_without_grant_and_a_missing_claim(explain: Run) -> None:
    ended = explain("select * from shop.orders", roles=["nobody"])
    assert any("denied, no_rule" in line for line in ended.lines)
    assert "  grant own region: not applied: for roles analyst" in ended.lines
    ended = explain("select * from shop.orders", region=None)
    assert "refused with 42501: permission denied for table orders" in ended.lines
    assert any("missing_claim" in line for line in ended.lines)


def test_a_schema_that_was_left_out(explain: Run) -> None:
    ended = explain("select * from orders")
    assert "orders: its schema is not on the search path, write shop.orders" in ended.lines


def test_writes_and_forbidden_functions(explain: Run) -> None:
    ended = explain("delete from shop.orders")
    assert ended.code == 1
    assert "refused with 42501: permission denied: this gate is read-only" in ended.lines
    ended = explain("select pg_sleep(1)")
    assert "shadow" not in ended.err  # the allow-list needs none
    assert ended.code == 1
    assert "pg_sleep" in ended.out


def test_a_catalog_statement(explain: Run) -> None:
    ended = explain("select relname from pg_class")
    assert ended.code == 0
    assert "answered from the visible catalog:" in ended.lines


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("selec 1", 'not SQL: syntax error at or near "selec" at character 1'),
        ("select 1; select 2", "exactly one statement"),
        ("", "exactly one statement"),
        ("begin", "the gate answers this statement itself"),
    ],
)
def test_what_cannot_be_explained(statement: str, told: str, explain: Run) -> None:
    ended = explain(statement)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


def test_a_source_that_is_down_and_a_policy_that_does_not_load(
    workplace: Workplace, explain: Run
) -> None:
    workplace.configure(hosts=["127.0.0.1:1"])
    ended = explain("select 1")
    assert ended.code == 1
    assert "cannot be reached" in ended.err
    workplace.policy.write_text(POLICY.replace("where:", "wehre:"))
    ended = explain("select 1")
    assert ended.code == 1
    assert "policy.yaml:17" in ended.err
