"""Findings as lines and as JSON."""

from __future__ import annotations

from proxy.commands.finding import Finding


def test_advice_stands_below() -> None:
    found = Finding("disk", "problem", "full", "free some")

    assert str(found).splitlines() == ["PROBLEM  disk: full", "         -> free some"]
    assert str(Finding("disk", "ok", "fine")) == "ok       disk: fine"
    assert found.as_json()["level"] == "problem"
