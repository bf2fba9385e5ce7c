"""A login for the terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from policies.secret import Secret
from proxy.commands import login_line
from proxy.runtime.state.login import Kind
from proxy.runtime.state.register import Listed

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LOGIN = Listed(
    Kind.TOKEN, "bi", "alice", ("main",), ("10.0.0.0/8",), "boards", NOON, "op@host", NOON,
    "active", NOON, "10.1.2.3", ("abc",),
)  # fmt: skip


def test_everything_but_a_secret() -> None:
    line = login_line.line(LOGIN)
    for part in ("token.bi", "alice", "10.1.2.3", "sources main", "10.0.0.0/8", "boards"):
        assert part in line
    assert json.loads(json.dumps(login_line.as_json(LOGIN)))["last_used_from"] == "10.1.2.3"


def test_the_secret_once(capsys: pytest.CaptureFixture[str]) -> None:
    login_line.show_once(LOGIN, Secret("the secret"), is_json=False)
    shown = capsys.readouterr()
    assert shown.out == "the secret\n"
    assert "the secret" not in shown.err.replace("the password", "")
    login_line.show_once(LOGIN, Secret("the secret"), is_json=True)
    assert json.loads(capsys.readouterr().out)["secret"] == "the secret"
