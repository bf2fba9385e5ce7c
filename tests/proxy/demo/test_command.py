"""What the command line calls; the whole of it is in test_run_as_a_stranger.py."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from proxy.demo.command import token, token_command
from proxy.demo.issuer import DemoIssuer, IssuerError


def test_the_token_command_works_from_any_folder(tmp_path: Path) -> None:
    words = token_command(tmp_path / "state")
    assert Path(words[0]).is_absolute()
    assert words[-3:] == ("token", "--state", str(tmp_path / "state"))


def test_the_usual_folder_is_left_unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert token_command(None)[-1] == "token"


def test_a_folder_that_another_terminal_would_not_guess_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/elsewhere")
    assert token_command(None)[-2:] == ("--state", "/var/elsewhere/sallyport/demo")


def test_a_token_is_valid_from_now_for_as_long_as_asked(tmp_path: Path) -> None:
    DemoIssuer.open(tmp_path)
    made = token("alice", tmp_path, lifetime_s=90, agent="triage")
    payload = jwt.decode(made, options={"verify_signature": False})
    assert payload["exp"] - payload["iat"] == 90
    assert payload["act"] == {"sub": "triage"}


def test_there_are_no_tokens_before_the_first_demonstration(tmp_path: Path) -> None:
    with pytest.raises(IssuerError, match="no demonstration has run"):
        token("alice", tmp_path)
