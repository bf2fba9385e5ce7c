"""Figures without a peer: what counts as met, and how they are told."""

from __future__ import annotations

import pytest

from bench.figure import Figure, lines


@pytest.mark.parametrize(
    ("value", "reach", "at_least", "is_met"),
    [(3.0, 2.0, True, True), (3.0, 2.0, False, False), (2.0, 2.0, False, True), (1, None, 0, None)],
)
def test_the_better_side_is_known(
    value: float, reach: float | None, at_least: bool, is_met: bool | None
) -> None:
    assert Figure("f", "a figure", "ms", value, reach, at_least=at_least).is_met is is_met


def test_the_table_names_what_is_only_told() -> None:
    told = lines([Figure("f", "a figure", "MB", 58.1), Figure("g", "another", "s", 1.0, 2.0)])
    assert "told" in told[2]
    assert "≤ 2" in told[3]
    assert len({len(line) for line in told}) == 1
