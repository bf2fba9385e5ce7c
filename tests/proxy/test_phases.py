"""The stopwatch: each moment is counted once, in the phase that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.phases import Phase, Phases, Stretch
from proxy.runtime.log import Latency


def phases(*seconds: float) -> Phases:
    readings: Iterator[float] = iter(seconds)
    return Phases(lambda: next(readings))


def test_a_phase_ends_where_the_next_begins() -> None:
    found = phases(1, 2, 4, 7, 100, 103)
    for phase in (Phase.PARSE, Phase.DECIDE, Phase.SOURCE, None, Phase.RELAY, None):
        found.enter(phase)

    assert found.latency() == Latency(1000, 2000, 3000, 3000)
    assert found.latency().total_ms == 9000


def test_what_fails_is_counted_too() -> None:
    found = phases(1, 3)
    with pytest.raises(ValueError), found.during(Phase.DECIDE):
        raise ValueError
    assert found.latency() == Latency(decide_ms=2000)


def test_nothing_is_counted_before_the_first() -> None:
    assert Phases().latency() == Latency()


def test_a_phase_that_goes_on_and_off_is_one_stretch() -> None:
    found = phases(1, 2, 4, 7, 8)
    for phase in (Phase.SOURCE, Phase.RELAY, Phase.SOURCE, Phase.RELAY, None):
        found.enter(phase)
    assert found.stretches() == {
        Phase.SOURCE: Stretch(1, 7, 4000),
        Phase.RELAY: Stretch(2, 8, 3000),
    }
