"""Dates and times as people type them."""

from __future__ import annotations

import pytest

from proxy.commands import moment
from proxy.commands.outcome import CommandError

NEW_YEAR = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "beginning", "end"),
    [
        ("2026-01-01", NEW_YEAR, NEW_YEAR + 86_400),
        ("20260101", NEW_YEAR, NEW_YEAR + 86_400),
        ("2026-01-01T00:00", NEW_YEAR, NEW_YEAR),
        ("2026-01-01T02:00:00+02:00", NEW_YEAR, NEW_YEAR),
        ("2026-01-01 00:00:01.5", NEW_YEAR + 1.5, NEW_YEAR + 1.5),
    ],
)
def test_dates_and_times(text: str, beginning: float, end: float) -> None:
    assert moment.beginning(text) == beginning
    assert moment.end(text) == end


def test_nothing_asked_bounds_nothing() -> None:
    assert moment.beginning(None) is None
    assert moment.end(None) is None


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-02-30T00:00", "9999-12-32"])
def test_anything_else_is_wrong_usage(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        moment.beginning(text)
    assert refused.value.exit_code == 2


def test_written_and_read_again() -> None:
    assert moment.written(NEW_YEAR + 0.25) == "2026-01-01T00:00:00.250+00:00"
    assert moment.beginning(moment.written(NEW_YEAR + 0.25)) == NEW_YEAR + 0.25
