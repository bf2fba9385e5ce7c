"""Comparing two sides: who is sampled when, what counts as met, and when a verdict is noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.measure import Compared, Measure, Reach, Sampler, compare

Order = list[str]


def measure_of(ours: list[float], peer: list[float], reach: Reach) -> Measure[Order]:
    """A measure whose samples are known; the stage notes who was sampled."""

    @contextmanager
    def opened(order: Order) -> Iterator[tuple[Sampler, Sampler]]:
        def sampler(name: str, figures: list[float]) -> Sampler:
            left = iter(figures)

            def sample(seconds: float) -> float:
                order.append(name)
                return next(left)

            return sample

        yield sampler("ours", ours), sampler("peer", peer)

    return Measure("m", "a measure", "peer", "ms", reach, opened)


def test_the_sides_alternate_and_take_turns_in_going_first() -> None:
    order: Order = []
    reach = Reach(Compared.RATIO_AT_MOST, 1.5)
    compare(measure_of([1.0] * 3, [1.0] * 3, reach), order, rounds=3)
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]


def test_the_result_is_the_median_of_the_rounds_not_the_ratio_of_the_medians() -> None:
    reach = Reach(Compared.RATIO_AT_MOST, 1.5)
    result = compare(measure_of([1.0, 20.0, 4.0], [1.0, 10.0, 1.0], reach), [], rounds=3)
    assert result.relation == 2.0
    assert (result.lowest, result.highest) == (1.0, 4.0)


@pytest.mark.parametrize(
    ("compared", "limit", "ours", "peer", "is_met"),
    [
        (Compared.RATIO_AT_MOST, 1.5, 1.5, 1.0, True),
        (Compared.RATIO_AT_MOST, 1.5, 1.6, 1.0, False),
        (Compared.RATIO_AT_LEAST, 0.8, 0.8, 1.0, True),
        (Compared.RATIO_AT_LEAST, 0.8, 0.7, 1.0, False),
        (Compared.ADDED_AT_MOST, 0.25, 1.25, 1.0, True),
        (Compared.ADDED_AT_MOST, 0.25, 1.5, 1.0, False),
    ],
)
def test_a_reach_is_met_on_its_own_side(
    compared: Compared, limit: float, ours: float, peer: float, is_met: bool
) -> None:
    result = compare(measure_of([ours], [peer], Reach(compared, limit)), [], rounds=1)
    assert result.is_met is is_met


@pytest.mark.parametrize(
    ("ours", "is_noisy"),
    [([1.0, 2.0, 1.1], True), ([1.0, 1.2, 1.1], False), ([2.0, 3.0, 4.0], False)],
)
def test_a_spread_across_the_reach_is_noise(ours: list[float], is_noisy: bool) -> None:
    reach = Reach(Compared.RATIO_AT_MOST, 1.5)
    result = compare(measure_of(ours, [1.0] * 3, reach), [], rounds=3)
    assert result.is_noisy is is_noisy
    assert result.as_json()["is_noisy"] is is_noisy


def test_rounds_that_differ_widely_are_noise_whatever_the_verdict() -> None:
    reach = Reach(Compared.RATIO_AT_MOST, 10.0)
    result = compare(measure_of([1.0, 2.1, 1.2], [1.0] * 3, reach), [], rounds=3)

    assert result.is_met
    assert result.is_noisy


def test_the_strict_side_is_compared_with_the_same_peer() -> None:
    order: Order = []
    strict: Order = []
    reach = Reach(Compared.RATIO_AT_MOST, 1.5)
    result = compare(measure_of([2.0] * 2, [1.0] * 2, reach), order, rounds=2, strict=strict)

    assert strict == ["ours", "ours"]
    assert order == ["ours", "peer", "peer", "ours"]
    assert (result.strict, result.strict_relation) == (2.0, 2.0)
