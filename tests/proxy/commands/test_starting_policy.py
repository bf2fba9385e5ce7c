"""Everything denied, personal columns marked, and nothing that gets out of a comment."""

from __future__ import annotations

import pytest
import yaml

from policies.errors import PolicyLoadError
from policies.load import load_texts
from proxy.catalog.virtual import Column, Relation, SourceCatalog
from proxy.commands.right import Grant, Rights, RowPolicy
from proxy.commands.starting_policy import policy_name, starting_policy

NOTHING_GRANTED = "no rule grants anything: the policy would show nothing"


def relation(name: str, *columns: str, oid: int = 1, **more: object) -> Relation:
    made = tuple(
        Column(name=column, type_oid=25, type_name="text", position=number)
        for number, column in enumerate(columns, 1)
    )
    return Relation(
        source="main", schema="shop", name=name, kind=str(more.pop("kind", "r")), columns=made,
        oid=oid, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def written(*relations: Relation, rights: dict[int, Rights] | None = None) -> str:
    catalog = SourceCatalog(
        source="main",
        server_version=160_000,
        relations={one.key: one for one in relations},
        types={},
    )
    return starting_policy(catalog, rights or {})


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyLoadError) as refused:
        load_texts({"start.yaml": text})
    return [one.message for one in refused.value.problems]


def test_everything_is_denied_and_nothing_else_is_wrong() -> None:
    text = written(relation("orders", "id", "email"), relation("regions", "code", oid=2))
    assert problems(text) == [NOTHING_GRANTED]


def test_the_first_grant_does_not_show_what_looks_personal() -> None:
    text = written(relation("orders", "id", "email", "amount", "password"))
    text = text.replace("roles: {}", "roles: {reader: Reads}")
    text = text.replace("rules: []", "rules: [{grant: all rows, roles: [reader]}]")
    policy, _ = load_texts({"start.yaml": text})
    (key,) = policy.tables
    seen = [one.name for one in policy.visible_columns(frozenset({"reader"}), key)]
    assert seen == ["id", "amount"]


def test_what_looks_personal_is_marked_with_a_mask_that_fits() -> None:
    lines = written(relation("people", "id", "email", "iban", "password")).splitlines()
    marked = [line.strip() for line in lines if "# REVIEW: " in line]
    assert marked == [
        "email: absent  # REVIEW: looks like an e-mail address; or {mask: email}",
        "iban: absent  # REVIEW: looks like an account or card number; or {mask: last_four}",
        "password: absent  # REVIEW: looks like a secret",
    ]


def test_a_table_of_nothing_but_personal_columns_waits_as_a_comment() -> None:
    text = written(relation("credentials", "login", "password"), relation("a", "id", oid=2))
    assert "# REVIEW shop.credentials: every column looks personal" in text
    assert list(yaml.safe_load(text)["tables"]) == ["shop.a"]
    assert problems(text) == [NOTHING_GRANTED]
    alone = written(relation("credentials", "login", "password"))
    assert yaml.safe_load(alone)["tables"] == {}


def test_what_the_source_grants_is_told_and_grants_nothing() -> None:
    rights = Rights(
        grants=(Grant("reader"), Grant("PUBLIC", ("id", "region"))),
        has_row_security=True,
        is_forced=True,
        row_policies=(
            RowPolicy("own", ("a", "b"), "(x = 1)"),
            RowPolicy("all", ("c",), None, is_permissive=False),
        ),
    )
    text = written(relation("orders", "id", "region"), rights={1: rights})
    for line in (
        "    # at the source: SELECT to reader",
        "    # at the source: SELECT (id, region) to PUBLIC",
        "    # row-level security at the source, forced on the owner too:",
        "      # own (to a, b): (x = 1)",
        "      # all (restrictive, to c): true",
    ):
        assert line in text.splitlines(), line
    assert problems(text) == [NOTHING_GRANTED]
    closed = written(relation("orders", "id"), rights={1: Rights(has_row_security=True)})
    assert "no policy for reading" in closed


@pytest.mark.parametrize(
    "name",
    ["plain", "Upper Case", "a: b", "null", "1", "yes", "#x", "'", '"', "- x", "é", "a\nb", "{}", "*a"],
)  # fmt: skip
def test_names_survive_yaml(name: str) -> None:
    text = written(relation(name, name, "id"))
    tables = yaml.safe_load(text)["tables"]
    table = 'shop.""""' if name == '"' else f"shop.{name}"
    assert list(tables) == [table]
    assert list(tables[table]["columns"]) == [name, "id"]
    assert problems(text) == [NOTHING_GRANTED]


HOSTILE = "x\n    rules: [{grant: all, roles: everyone}]\r\x85\u2028    # "


def test_no_name_or_expression_gets_out_of_its_comment() -> None:
    rights = Rights(
        grants=(Grant(HOSTILE, (HOSTILE,)),),
        has_row_security=True,
        row_policies=(RowPolicy(HOSTILE, (HOSTILE,), HOSTILE),),
    )
    partition = relation(f"{HOSTILE}p", "id", oid=2, is_partition=True)
    dotted = relation(f"{HOSTILE}.", "id", oid=3)
    personal = relation(f"{HOSTILE}q", "email", oid=4)
    text = written(
        relation("orders", "id"), partition, dotted, personal, rights={1: rights, 4: rights}
    )
    tables = yaml.safe_load(text)["tables"]
    assert list(tables) == ["shop.orders", f'shop."{HOSTILE}."']
    assert [table["rules"] for table in tables.values()] == [[], []]
    assert problems(text) == [NOTHING_GRANTED]


def test_partitions_are_left_to_their_parents_and_dots_are_quoted() -> None:
    text = written(
        relation("sales", "id", kind="p"),
        relation("sales_1", "id", oid=2, is_partition=True),
        relation("a.b", "id", oid=3),
    )
    assert list(yaml.safe_load(text)["tables"]) == ['shop."a.b"', "shop.sales"]
    assert "# partitions, reached through their parents: shop.sales_1" in text
    assert "    # partitioned\n" in text
    assert policy_name(relation("a.b", "id")) == 'shop."a.b"'
    assert policy_name(relation("ab", "id")) == "shop.ab"
