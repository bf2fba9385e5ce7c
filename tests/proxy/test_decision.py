"""The promise between who decides and who runs: what is shared may not change."""

from __future__ import annotations

import dataclasses

import pytest

from proxy.decision import Runnable, Target


def test_something_to_run_cannot_be_changed_afterwards() -> None:
    runnable = Runnable(shadow_sql="SELECT 1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        runnable.shadow_sql = "SELECT 2"  # type: ignore[misc]


def test_nothing_is_told_of_a_source_unless_it_was_proven() -> None:
    assert not Runnable().is_text_visible
    assert Runnable().arguments is None


def test_there_are_three_who_answer() -> None:
    assert {target.name for target in Target} == {"SOURCE", "SHADOW", "GATE"}
