"""Figures without a peer: what counts as met, and how they are told."""

from __future__ import annotations

import pytest

from bench.figure import Figure
from bench.table import lines


@pytest.mark.parametrize(
    ("value", "reach", "at_least", "is_met"),
    [(3.0, 2.0, True, True), (3.0, 2.0, False, False), (2.0, 2.0, False, True), (1, None, 0, None)],
)
def test_the_better_side_is_known(
    value: float, reach: float | None, at_least: bool, is_met: bool | None
) -> None:
    assert Figure("f", "a figure", "ms", value, reach, at_least=at_least).is_met is is_met


def test_the_table_names_what_is_only_told() -> None:
    told = lines([], [Figure("f", "a figure", "MB", 58.1), Figure("g", "another", "s", 1.0, 2.0)])
    assert "told" in told[2]
    assert "≤ 2" in told[3]
    assert len({len(line) for line in told}) == 1


def test_rounds_on_both_sides_of_the_reach_are_noise() -> None:
    def figure(lowest: float, highest: float) -> Figure:
        return Figure("f", "a figure", "ms", 1.5, 2.0, lowest=lowest, highest=highest)

    assert figure(1.0, 3.0).is_noisy
    assert not figure(1.0, 1.9).is_noisy
    assert "no" not in lines([], [figure(1.0, 3.0)])[2].split("|")[10].replace("noisy", "")


def test_a_peer_has_its_place_in_the_table() -> None:
    (row,) = lines([], [Figure("f", "a figure", "ms", 3.0, peer=2.0, peer_name="another")])[2:]

    assert "another" in row
    assert "1.50×" in row
