"""Tokens of the demonstration's issuer."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from proxy.demo.issuer import LIFETIME_S_DEFAULT, DemoIssuer
from proxy.runtime.demonstration import DEMO_ISSUER
from tests.proxy.commands.conftest import Run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    DemoIssuer.open(tmp_path / "state")
    return tmp_path / "state"


def payload(text: str, state: Path) -> dict[str, object]:
    keys = jwt.PyJWKSet.from_json((state / "jwks.json").read_text())
    token = text.strip()
    key = keys[jwt.get_unverified_header(token)["kid"]]
    read: dict[str, object] = jwt.decode(token, key, ["EdDSA"], audience="sallyport")
    return read


def test_a_token_and_nothing_but_a_token(state: Path, sallyport: Run) -> None:
    ended = sallyport("token", "--as", "alice", "--state", state)
    assert (ended.code, ended.err) == (0, "")
    read = payload(ended.out, state)
    assert (read["iss"], read["sub"]) == (DEMO_ISSUER, "alice")
    assert read["exp"] - read["iat"] == LIFETIME_S_DEFAULT  # type: ignore[operator]
    assert "act" not in read


def test_an_agent_and_a_lifetime(state: Path, sallyport: Run) -> None:
    arguments = ("--agent", "claude", "--seconds", "60")
    read = payload(sallyport("token", "--as", "bob", "--state", state, *arguments).out, state)
    assert read["act"] == {"sub": "claude"}
    assert read["exp"] - read["iat"] == 60  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--as", "mallory"), 'nobody is called "mallory"'),
        (("--as", "alice", "--seconds", "0"), "a token lives between"),
    ],
)
def test_what_the_issuer_refuses(
    arguments: tuple[str, ...], told: str, state: Path, sallyport: Run
) -> None:
    ended = sallyport("token", *arguments, "--state", state)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


def test_before_the_first_demonstration(tmp_path: Path, sallyport: Run) -> None:
    ended = sallyport("token", "--as", "alice", "--state", tmp_path / "none")
    assert ended.code == 2
    assert "no demonstration has run" in ended.err


def test_the_word_alone_says_what_there_is(sallyport: Run) -> None:
    ended = sallyport("token")
    assert (ended.code, ended.out) == (2, "")
    assert "create, list or revoke" in ended.err
