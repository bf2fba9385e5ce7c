"""The values that decisions are made of."""

from __future__ import annotations

import dataclasses

import pytest

from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn

KEY = RelationKey("main", "public", "orders")


def test_a_key_reads_as_people_write_it_and_sorts() -> None:
    assert str(KEY) == "main.public.orders"
    assert sorted([KEY, RelationKey("a", "z", "z")])[0].source == "a"
    assert {KEY: 1}[RelationKey("main", "public", "orders")] == 1


def test_keys_are_exact() -> None:
    assert RelationKey("main", "public", "Orders") != KEY


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        VisibleColumn("a", None),
        ColumnDecision("a", None, None, None),
        RelationDecision(KEY, (), "true", frozenset(), ()),
    ],
)
def test_decisions_cannot_be_changed(value: object) -> None:
    assert dataclasses.is_dataclass(value)
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, "other")


def test_a_decision_without_more_caps_nothing() -> None:
    decision = RelationDecision(KEY, (), "false", frozenset(), ())
    assert decision.row_limit is decision.byte_limit is decision.valid_until is None
    assert decision.lookups == frozenset()
