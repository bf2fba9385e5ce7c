"""Counting: bounded labels, buckets at their bounds."""

from __future__ import annotations

import pytest

from proxy.counters import PHASES, SECONDS_BOUNDS, Counters, Histogram, sqlstate_class
from proxy.runtime.audit import SqlOutcome


def test_a_duration_on_a_bound_belongs_below_it() -> None:
    histogram = Histogram()
    for seconds in (SECONDS_BOUNDS[0], SECONDS_BOUNDS[0] * 1.01, 10_000.0):
        histogram.observe(seconds)

    assert histogram.counts[:2] == [1, 1]
    assert histogram.counts[-1] == 1
    assert sum(histogram.counts) == 3


@pytest.mark.parametrize(
    ("sqlstate", "told"),
    [("42P01", "42"), ("57014", "57"), ("XX000", "XX"), ("Zq999", "other"), ("", "other")],
)
def test_classes_are_those_of_postgres(sqlstate: str, told: str) -> None:
    assert sqlstate_class(sqlstate) == told


def test_how_sessions_end() -> None:
    counters = Counters()
    for reason in (
        "client",
        "connection lost",
        "drain",
        "57P01 terminating connection because the token has expired",
        "25P03 terminating connection due to idle-in-transaction timeout",
        "08P01 anything that a client may have sent",
        "anything else",
    ):
        counters.session_ended(reason)

    assert counters.sessions_ended == {
        "client": 1,
        "lost": 1,
        "drain": 1,
        "expired": 1,
        "idle": 1,
        "error": 2,
    }


def test_an_outcome_counts_everywhere() -> None:
    counters = Counters()
    durations = dict.fromkeys(PHASES, 2.0)
    counters.finished(SqlOutcome(rows=3, bytes=40, duration_ms=durations, is_truncated=True))
    counters.finished(SqlOutcome(rows=1, bytes=2, duration_ms=durations, sqlstate="22012"))

    assert counters.ended == {("completed", ""): 1, ("failed", "22"): 1}
    assert (counters.rows, counters.bytes, counters.cut) == (4, 42, 1)
    assert counters.latencies["source"].seconds == pytest.approx(0.004)


def test_an_unknown_name_cannot_be_counted_by_mistake() -> None:
    with pytest.raises(AttributeError):
        Counters().typo = 1  # type: ignore[attr-defined]


def test_a_flown_statement_counts_as_any_other() -> None:
    flown, usual = Counters(), Counters()
    flown.flown(3, 120, (0.1, 2.0, 2.1))
    spent = {"parse": 0.0, "decide": 0.1, "source": 2.0, "relay": 0.0, "total": 2.1}
    usual.finished(SqlOutcome(rows=3, bytes=120, duration_ms=spent))
    assert flown.ended == usual.ended
    assert (flown.rows, flown.bytes) == (usual.rows, usual.bytes)
    for phase, histogram in usual.latencies.items():
        assert flown.latencies[phase].counts == histogram.counts
        assert flown.latencies[phase].seconds == histogram.seconds
