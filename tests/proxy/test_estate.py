"""Estates: who sees what of the catalogs, and the revision that tells two of them apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.decide import PolicySet
from proxy import estate
from proxy.catalog.virtual import CatalogError
from proxy.estate import Estate, told_to_the_operator
from proxy.faults import SourceFault
from tests.proxy import shop

ANALYST = frozenset({"analyst"})
AUDITOR = frozenset({"auditor"})


def made(version: str = "v1", *relations: shop.Relation) -> Estate:
    return Estate(shop.policy(version), (shop.catalog(*relations),))


def test_equal_policies_and_schemas_have_one_revision() -> None:
    assert made().revision == made().revision


def test_another_policy_or_schema_has_another_revision() -> None:
    changed = made("v1", shop.with_column(shop.ORDERS, "cost"), shop.ITEMS, shop.SECRETS)
    found = {
        made().revision,
        made("v2").revision,
        changed.revision,
        made("v1", shop.ORDERS, shop.ITEMS).revision,
        Estate(shop.policy(), ()).revision,
    }
    assert len(found) == 5


def test_a_class_sees_what_its_roles_are_granted_and_no_more() -> None:
    seen = made().class_of(ANALYST)

    assert set(seen.relations) == {("shop", "orders"), ("shop", "items")}
    orders = seen.relations["shop", "orders"]
    assert tuple(column.name for column in orders.columns) == shop.VISIBLE
    note = orders.column("note")
    assert note is not None
    assert note.is_masked


def test_a_new_column_of_the_source_is_hidden_until_the_policy_names_it() -> None:
    changed = made("v1", shop.with_column(shop.ITEMS, "cost"))

    items = changed.class_of(ANALYST).relations["shop", "items"]
    assert [column.name for column in items.columns] == ["id", "order_id", "sku"]


@pytest.mark.parametrize("roles", [(), ("nobody",), ("Analyst",)])
def test_without_a_known_role_nothing_exists(roles: tuple[str, ...]) -> None:
    assert made().class_of(frozenset(roles)).relations == {}


def test_roles_that_no_rule_mentions_share_a_class() -> None:
    found = made()

    assert found.class_of(ANALYST) is found.class_of(ANALYST | {"on call", "intern"})
    assert found.class_of(ANALYST) is not found.class_of(AUDITOR)


def test_classes_are_forgotten_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(estate, "CLASSES_MAX", 1)
    found = made()
    first = found.class_of(ANALYST)
    found.class_of(AUDITOR)

    again = found.class_of(ANALYST)
    assert again is not first
    assert again.key == first.key


def test_a_source_that_was_not_read_has_no_tables() -> None:
    assert Estate(shop.policy(), ()).class_of(ANALYST).relations == {}


def test_printed_form_is_short() -> None:
    found = made()
    assert repr(found) == f"Estate({found.revision[:12]}, 1 sources)"


def test_whoever_is_bound_to_sources_sees_no_other() -> None:
    found = made()
    assert found.class_of(ANALYST, frozenset({"another"})).relations == {}
    bound = found.class_of(ANALYST, frozenset({"main"}))
    assert set(bound.relations) == set(found.class_of(ANALYST).relations)


def test_a_catalog_that_cannot_be_made_is_refused_without_its_names() -> None:
    with pytest.raises(SourceFault) as caught, told_to_the_operator():
        raise CatalogError("`hr.salaries` exists in two sources")
    assert (caught.value.sqlstate, caught.value.detail) == ("57P03", None)
    assert "salaries" not in caught.value.message


def test_a_policy_may_list_columns_in_any_order() -> None:
    """Rows have the table's order; the decision and the catalog must agree on it."""
    policy = shop.policy()
    key = shop.ORDERS.key
    backwards = replace(
        policy.tables[key], columns=dict(reversed(policy.tables[key].columns.items()))
    )
    listed = PolicySet(
        version=policy.version, mapping=policy.mapping, roles=policy.roles,
        tables={**policy.tables, key: backwards},
    )  # fmt: skip
    found = Estate(listed, (shop.catalog(),))

    decision = found.policy.decide(shop.identity(), key, shop.NOW)
    seen = found.class_of(ANALYST).relations["shop", "orders"]
    assert [column.name for column in decision.columns] == [column.name for column in seen.columns]
    assert len(seen.columns) > 1
    assert found.policy.in_order({}) is found.policy
