"""Who is asked about: people of the demonstration, and payloads good and bad."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from policies.claims import ClaimType
from policies.identity import ClaimLookup, ClaimMapping, ClaimSource, Identity
from proxy.commands.outcome import CommandError
from proxy.commands.somebody import PAYLOAD_BYTES_MAX, VALIDITY_SECONDS, identity

NOW = 1_767_225_600.0
TEXT = ClaimType.parse("text")
MAPPING = ClaimMapping(
    {
        "region": ClaimSource(TEXT, "/region"),
        "regions": ClaimSource(ClaimType.parse("text[]"), "/regions"),
        "team": ClaimSource(TEXT, None, None, ClaimLookup("main", "select 1", ())),
    }
)


def somebody(*, name: str | None = None, claims: Path | None = None) -> Identity:
    return identity(argparse.Namespace(name=name, claims=claims), MAPPING, NOW)


def written(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "claims.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_a_person_of_the_demonstration() -> None:
    alice = somebody(name="alice")
    assert (alice.subject, alice.roles) == ("alice", frozenset({"analyst"}))
    assert alice.claims["regions"] == ("emea",)
    assert alice.expires_at == NOW + VALIDITY_SECONDS


def test_nobody_of_that_name() -> None:
    with pytest.raises(CommandError) as refused:
        somebody(name="mallory")
    assert "alice" in str(refused.value)
    assert "--claims" in str(refused.value)


def test_a_payload_from_a_file(tmp_path: Path) -> None:
    payload = {"sub": "zoe", "roles": ["a", "b"], "region": "emea", "act": {"sub": "bot"}}
    zoe = somebody(claims=written(tmp_path, payload))
    assert (zoe.subject, zoe.actor, zoe.roles) == ("zoe", "bot", frozenset({"a", "b"}))
    assert dict(zoe.claims) == {"region": "emea"}


def test_a_payload_says_itself_when_it_ends(tmp_path: Path) -> None:
    assert somebody(claims=written(tmp_path, {"sub": "zoe", "exp": 5})).expires_at == 5


def test_what_a_gate_would_look_up_is_taken_by_its_name(tmp_path: Path) -> None:
    zoe = somebody(claims=written(tmp_path, {"sub": "zoe", "team": "blue"}))
    assert zoe.claims["team"] == "blue"


def test_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"sub": "zoe"}'))
    assert somebody(claims=Path("-")).subject == "zoe"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "no usable subject"),
        ({"sub": "zoe", "region": 7}, 'claim "region"'),
        ({"sub": "zoe", "team": ["a"]}, 'claim "team"'),
        ([], "not a JSON object"),
        ('{"sub": "zoe"\n "x"}', "claims.json:2: not JSON"),
        ("eyJhbGciOiJIUzI1NiJ9.hunter2.x", "not JSON"),
        ("[" * 60_000, "not JSON"),
        (" " * (PAYLOAD_BYTES_MAX + 1), "larger than"),
    ],
    ids=["empty", "type", "looked up", "list", "broken", "token", "deep", "large"],
)
def test_what_cannot_be_used_is_told_without_its_content(
    content: object, told: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError) as refused:
        somebody(claims=written(tmp_path, content))
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)
