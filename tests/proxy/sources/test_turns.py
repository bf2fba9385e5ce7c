"""Fairness of the queue alone: turns, bounds, and leaving it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.sources.turns import Turns


def queue(*items: str) -> Turns[str]:
    """Items named by owner and number, such as `a1`."""
    found: Turns[str] = Turns()
    for item in items:
        found.add(item[0], item)
    return found


def drained(turns: Turns[str]) -> list[str]:
    found = []
    while (item := turns.take()) is not None:
        found.append(item)
    return found


def test_one_owner_is_served_in_order() -> None:
    assert drained(queue("a1", "a2", "a3")) == ["a1", "a2", "a3"]


def test_owners_are_served_in_turn() -> None:
    assert drained(queue("a1", "a2", "a3", "b1", "b2", "c1")) == [
        "a1", "b1", "c1", "a2", "b2", "a3",
    ]  # fmt: skip


def test_who_comes_back_waits_for_the_others() -> None:
    turns = queue("a1", "b1", "b2")
    assert turns.take() == "a1"
    turns.add("a", "a2")
    assert drained(turns) == ["b1", "a2", "b2"]


def test_the_longest_line_gives_way() -> None:
    turns = queue("a1", "a2", "a3", "b1")
    assert turns.give_way("c") == "a3"
    assert turns.give_way("b") is None, "it would have as many as the longest"
    assert turns.give_way("a") is None
    assert queue("a1", "b1").give_way("c") is None
    assert queue().give_way("a") is None
    assert drained(turns) == ["a1", "b1", "a2"]


def test_leaving() -> None:
    turns = queue("a1", "a2", "b1")
    turns.remove("b", "b1")
    turns.remove("b", "b1")
    turns.remove("a", "b1")
    assert len(turns) == 2
    assert drained(turns) == ["a1", "a2"]


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_nobody_is_passed_by_more_than_once(owners: list[str]) -> None:
    turns: Turns[str] = Turns()
    for number, owner in enumerate(owners):
        turns.add(owner, f"{owner}{number}")
    order = [item[0] for item in drained(turns)]

    assert sorted(order) == sorted(owners)
    for owner in set(owners):
        places = [place for place, one in enumerate(order) if one == owner]
        # Between two turns of an owner every other one comes at most once.
        for before, after in pairwise(places):
            between = order[before + 1 : after]
            assert len(between) == len(set(between))
        first = order[: places[0]]
        assert len(first) == len(set(first))
