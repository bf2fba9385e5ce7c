"""Verdicts combine to the strictest."""

from __future__ import annotations

import itertools

import pytest

from proxy.sql.classification.verdict import STRICTNESS, Kind, Verdict, strictest


def test_every_kind_has_a_strictness() -> None:
    assert set(STRICTNESS) == set(Kind)


@pytest.mark.parametrize(("weak", "strong"), [*itertools.combinations(STRICTNESS, 2)])
def test_the_stricter_of_two_wins_in_either_order(weak: Kind, strong: Kind) -> None:
    pair = [Verdict(weak, "a"), Verdict(strong, "b")]
    assert strictest(pair).kind is strong
    assert strictest(pair[::-1]).kind is strong


def test_only_allowed_is_allowed() -> None:
    assert [kind for kind in Kind if Verdict(kind, "").is_allowed] == [Kind.ALLOWED]
