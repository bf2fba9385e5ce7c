"""A command's way to the state database."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.commands.state_access import operator
from tests.proxy.commands.conftest import Run, Workplace


def test_without_a_state_section(workplace: Workplace, sallyport: Run) -> None:
    ended = sallyport("token", "list")
    assert ended.code == 2
    assert "there is no `state` section" in ended.err


def test_a_database_that_cannot_be_reached(workplace: Workplace, sallyport: Run) -> None:
    workplace.configure(state={"dsn": "postgresql://nobody@127.0.0.1:1/none"})
    ended = sallyport("token", "list")
    assert ended.code == 1
    assert "cannot be reached" in ended.err


def test_what_cannot_be_recorded_is_not_done(kept: Workplace, alice: Path, sallyport: Run) -> None:
    (kept.directory / "audit").rmdir()
    (kept.directory / "audit").write_text("no directory")
    ended = sallyport("token", "create", "x", "--claims", alice)
    assert (ended.code, ended.out) == (1, "")
    assert sallyport("token", "list", "--json").objects == []


def test_who_is_at_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "eve")
    assert operator().startswith("eve@")
