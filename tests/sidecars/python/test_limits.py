"""Limits: what a caller may ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecars.python.limits import LimitError, RunLimits, asked_for

MOST = replace(RunLimits(), wall_seconds=10.0, files=5)


def test_who_says_nothing_gets_the_defaults_within_what_is_allowed() -> None:
    found = asked_for({}, MOST)
    assert (found.wall_seconds, found.files) == (10.0, 5)
    assert found.cpu_seconds == RunLimits().cpu_seconds


def test_less_and_as_much_as_allowed_can_be_had() -> None:
    assert asked_for({"wall_seconds": 2, "files": 5}, MOST).wall_seconds == 2


@pytest.mark.parametrize(
    "wanted",
    [
        {"wall_seconds": 11},
        {"wall_seconds": 0},
        {"wall_seconds": float("nan")},
        {"wall_seconds": "1"},
        {"files": 2.0},
        {"files": True},
        {"files": None},
        {"memory_bytes": 1},
        {"wall": 1},
    ],
)
def test_anything_else_is_refused_by_name(wanted: dict[str, object]) -> None:
    with pytest.raises(LimitError, match=rf"limits\.{next(iter(wanted))}"):
        asked_for(wanted, MOST)
