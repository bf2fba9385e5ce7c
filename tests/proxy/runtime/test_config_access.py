"""The configuration of state and sign-on: what is taken, and every mistake with its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime.config import Configuration, ConfigurationError, loads
from tests.proxy.runtime.configurations import MINIMAL, write_files


def read(folder: Path, more: str) -> Configuration:
    write_files(folder)
    text = MINIMAL + more
    if more.startswith("  oauth"):
        text = MINIMAL.replace("policies:\n", more + "policies:\n", 1)
    return loads(text.encode(), folder / "sallyport.yaml")


def test_without_a_section_there_is_none(tmp_path: Path) -> None:
    found = read(tmp_path, "")
    assert (found.state, found.identity.oauth) == (None, None)


@pytest.mark.parametrize(
    "state",
    [
        "{directory: state}",
        "{dsn: 'postgresql://me@db.example/state?sslmode=verify-full'}",
        "{dsn: 'postgresql://me@127.0.0.1/state', password: {environment: P}}",
        "{dsn: 'postgresql:///state?host=/run/postgresql', silence_seconds_max: 5}",
    ],
)
def test_what_is_taken(tmp_path: Path, state: str) -> None:
    assert read(tmp_path, f"state: {state}\n").state is not None


def test_directories_are_relative_to_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, "state: {directory: state}\n").state
    assert found is not None
    assert found.directory == tmp_path / "state"


@pytest.mark.parametrize(
    ("state", "field", "told"),
    [
        ("{}", "state", "exactly one of"),
        ("{directory: a, dsn: 'postgresql://a@localhost/b'}", "state", "exactly one of"),
        ("{directory: a, password: {file: b}}", "state", "goes with `dsn`"),
        ("{dsn: 'postgresql://a@localhost/b', password: {}}", "state.password", "exactly one of"),
        ("{dsn: 'mysql://a@b/c'}", "state.dsn", "must be postgresql://"),
        ("{dsn: 'postgresql://a@localhost'}", "state.dsn", "must be postgresql://"),
        ("{dsn: 'postgresql://a:secret@localhost/b'}", "state.dsn", "must not hold a password"),
        ("{dsn: 'postgresql://a@localhost/b?password=x'}", "state.dsn", "must not hold a password"),
        ("{dsn: 'postgresql://a@db.example/b'}", "state.dsn", "sslmode=verify-full"),
        ("{dsn: 'postgresql://a@db.example/b?sslmode=prefer'}", "state.dsn", "sslmode=verify-full"),
        (
            "{dsn: 'postgresql://a@db.example.com/company?sslmode=require'}",
            "state.dsn",
            "is the data",
        ),
        ("{directory: s}\nshadow: {directory: s}", "state.directory", "is the shadow's"),
        ("{directory: a, silence_seconds_max: 1}", "state.silence_seconds_max", "at least 2"),
    ],
)
def test_mistakes(tmp_path: Path, state: str, field: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, f"state: {state}\n")
    (problem,) = caught.value.problems
    assert problem.field == field
    assert told in problem.message
    assert "secret@" not in str(caught.value)


def test_clients_are_sent_to_a_trusted_issuer_only(tmp_path: Path) -> None:
    good = read(tmp_path, "  oauth: {issuer: 'https://login.example.com', scope: openid email}\n")
    assert good.identity.oauth is not None
    assert good.identity.oauth.scope == "openid email"


def test_another_issuer_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, "  oauth: {issuer: 'https://evil.example.com'}\n")
    (problem,) = caught.value.problems
    assert (problem.field, "none of" in problem.message) == ("identity.oauth.issuer", True)
