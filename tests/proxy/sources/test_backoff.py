"""Delays grow, stay capped, spread, and begin anew after a success."""

from __future__ import annotations

import pytest

from proxy.sources.backoff import Backoff


def highest(low: float, high: float) -> float:
    return high


def lowest(low: float, high: float) -> float:
    return low


def test_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(first_s=0.1, max_s=1.0, uniform=highest)
    assert [backoff.next_delay_s() for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 1])


def test_jitter_takes_off_at_most_half() -> None:
    backoff = Backoff(first_s=0.1, max_s=1.0, uniform=lowest)
    assert [backoff.next_delay_s() for _ in range(3)] == pytest.approx([0.05, 0.1, 0.2])


def test_a_success_starts_over() -> None:
    backoff = Backoff(first_s=0.1, max_s=1.0, uniform=highest)
    backoff.next_delay_s()
    backoff.next_delay_s()
    backoff.reset()
    assert backoff.next_delay_s() == pytest.approx(0.1)


def test_a_year_of_failures_does_not_overflow() -> None:
    backoff = Backoff(uniform=highest, max_s=15.0)
    backoff.failures = 10_000_000
    assert backoff.next_delay_s() == 15.0


def test_real_chance_spreads() -> None:
    assert len({Backoff(first_s=1.0).next_delay_s() for _ in range(20)}) > 1
