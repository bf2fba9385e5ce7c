"""Configuration files: one that works, and every mistake with line, field and advice as a row."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from proxy.runtime.config import (
    Configuration,
    ConfigurationError,
    is_loopback,
    load,
    loads,
)
from proxy.runtime.demonstration import DEMO_ISSUER
from tests.proxy.runtime.configurations import MINIMAL, write_files


def _load(directory: Path, text: str) -> Configuration:
    return loads(text.encode(), directory / "sallyport.yaml")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_files(tmp_path)
    return tmp_path


def test_a_minimal_file_gets_the_defaults(directory: Path) -> None:
    found = load(directory / "sallyport.yaml")
    [issuer] = found.identity.issuers
    [source] = found.sources
    assert issuer.jwks.file == directory / "jwks.json"
    assert issuer.algorithms == ("RS256", "PS256", "ES256", "EdDSA")
    assert found.policies == (directory / "policies",)
    assert (source.name, source.tls.mode, source.pooling) == ("main", "verify-full", "session")
    assert source.password is not None
    assert source.password.environment == "DATABASE_PASSWORD"
    assert (found.listen.host, found.listen.port, found.listen.tls) == ("127.0.0.1", 6432, None)
    assert (found.audit.mode, found.audit.directory) == ("strict", directory / "audit")
    assert found.limits.sessions_max == 500
    assert found.version == hashlib.sha256(MINIMAL.encode()).hexdigest()
    assert found.file == directory / "sallyport.yaml"


def test_everything_can_be_set(directory: Path) -> None:
    text = MINIMAL.replace("user: sallyport", "user: sallyport\n    pool: {connections_max: 5}")
    found = _load(
        directory,
        text
        + """
  mode: fast
  redact_literals: true
  segment_bytes_max: 2_000_000
listen:
  host: 0.0.0.0
  port: 5432
  workers: 4
  drain_seconds_max: 2.5
  tls: {certificate: server.crt, key: server.key, minimum_version: 1.3}
limits: {sessions_max: 10, statement_ms_max: 1000}
shadow: {classes_max: 5, directory: /var/lib/shadow}
log: {level: debug, format: console}
mask_keys: [{name: pepper, environment: PEPPER}]
""",
    )
    assert [key.name for key in found.mask_keys] == ["pepper"]
    assert found.audit.redact_literals
    assert found.audit.segment_bytes_max == 2_000_000
    assert found.listen.tls is not None
    assert found.listen.tls.minimum_version == "1.3"
    assert found.listen.drain_seconds_max == 2.5
    assert found.sources[0].pool.connections_max == 5
    assert found.shadow.directory == Path("/var/lib/shadow")
    assert found.log.level == "debug"


def test_it_is_frozen(directory: Path) -> None:
    found = load(directory / "sallyport.yaml")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.policies = ()  # type: ignore[misc]


# Replace the first text by the second in MINIMAL: line, field and a part of the message.
# `<issuer>` and `<source>` stand for the only ones there are.
BASE = "\n    database:"
POOL = "\n    pool: {connections_max: "
JWKS = "\n      jwks:"
MISTAKES = [
    ("audience: sallyport", "audiense: sallyport", 4, "<issuer>.audiense", "`audience`"),
    ("audience: sallyport", "audiense: x", 3, "<issuer>.audience", "missing"),
    ("audience: sallyport", "audience:", 4, "<issuer>.audience", "no value"),
    ("audience: sallyport", "audience: 12", 4, "<issuer>.audience", "in quotes"),
    ("audience: sallyport", "audience: yes", 4, "<issuer>.audience", "in quotes"),
    ("audience: sallyport", 'audience: ""', 4, "<issuer>.audience", "at least 1"),
    ("audience: sallyport", "audience: [a]", 4, "<issuer>.audience", "must be text"),
    ("file: jwks.json", "file: absent.json", 6, "<issuer>.jwks.file", "no such file"),
    ("file: jwks.json", "cache_seconds: 5", 6, "<issuer>.jwks", "exactly one of"),
    ("file: jwks.json", "file: a\n        url: https://b", 6, "<issuer>.jwks", "not 2"),
    ("file: jwks.json", "url: http://a.example/", 6, "<issuer>.jwks.url", "https"),
    ("file: jwks.json", "url: https://u:p@a/", 6, "<issuer>.jwks.url", "no user name"),
    ("file: jwks.json", "url: ftp://127.0.0.1/", 6, "<issuer>.jwks.url", "https"),
    ("file: jwks.json", "url: https://[::1", 6, "<issuer>.jwks.url", "not a URL"),
    (JWKS, "\n      skew_seconds: 61" + JWKS, 5, "<issuer>.skew_seconds", "at most 60"),
    (JWKS, "\n      skew_seconds: .inf" + JWKS, 5, "<issuer>.skew_seconds", "a number"),
    (JWKS, "\n      algorithms: [HS256]" + JWKS, 5, "<issuer>.algorithms[0]", "RS256"),
    (JWKS, "\n      algorithms: [none]" + JWKS, 5, "<issuer>.algorithms[0]", "one of"),
    (JWKS, "\n      algorithms: []" + JWKS, 5, "<issuer>.algorithms", "at least 1"),
    ("https://login.example.com", DEMO_ISSUER, 3, "<issuer>.issuer", "demonstration"),
    ("  - policies", "  - elsewhere", 8, "policies[0]", "no such file"),
    ("  - policies", "  []", 8, "policies", "at least 1"),
    ("policies:\n  - policies", "policies: off", 7, "policies", "must be a list"),
    ("policies:\n  - policies", "policies: null", 7, "policies", "no value"),
    ("name: main", "name: Main", 10, "<source>.name", "lower-case"),
    ("kind: postgres", "kind: postgress", 11, "<source>.kind", "`postgres`"),
    ("kind: postgres", "kind: mysql", 11, "<source>.kind", "must be one of postgres"),
    ("hosts: [db.example.com]", "hosts: db", 12, "<source>.hosts", "must be a list"),
    ("hosts: [db.example.com]", "hosts: ['a:b']", 12, "<source>.hosts[0]", "host:port"),
    ("hosts: [db.example.com]", "hosts: ['a/b']", 12, "<source>.hosts[0]", "host:port"),
    ("hosts: [db.example.com]", "hosts: ['a:99999']", 12, "<source>.hosts[0]", "host:port"),
    (BASE, POOL + "0}" + BASE, 13, "<source>.pool.connections_max", "at least 1"),
    (BASE, POOL + "1.5}" + BASE, 13, "<source>.pool.connections_max", "whole number"),
    (BASE, POOL + "'7'}" + BASE, 0, "", ""),
    (BASE, "\n    tls: {mode: verify_full}" + BASE, 13, "<source>.tls.mode", "`verify-full`"),
    (BASE, "\n    tls: {mode: off}" + BASE, 13, "<source>.tls.mode", "one of"),
    (BASE, "\n    tls: {certificate: ca.pem}" + BASE, 13, "<source>.tls", "together"),
    (
        "environment: DATABASE_PASSWORD", "environmment: X",
        16, "<source>.password.environmment", "`environment`",
    ),
    (
        "password:\n      environment: DATABASE_PASSWORD", "password: hunter2",
        15, "<source>.password", "section",
    ),
    ("directory: audit", "directory: audit\n  mode: off", 19, "audit.mode", "strict, fast"),
    ("directory: audit", "directory: audit\n  enabled: false", 19, "audit.enabled", "unknown key"),
    (
        "directory: audit", "directory: audit\n  redact_literals: yes",
        19, "audit.redact_literals", "true or false",
    ),
    ("audit:\n  directory: audit", "audit: false", 17, "audit", "section"),
    ("audit:\n  directory: audit", "", 1, "audit", "missing"),
    ("policies:\n  - policies\n", "", 1, "policies", "missing"),
    ("audit:\n", "listen: {host: 0.0.0.0}\naudit:\n", 17, "listen.host", "listen.tls"),
    ("audit:\n", "listen: {host: db.internal}\naudit:\n", 17, "listen.host", "listen.tls"),
    ("audit:\n", "listen: {port: 70000}\naudit:\n", 17, "listen.port", "at most 65535"),
    ("audit:\n", "limts: {}\naudit:\n", 17, "limts", "`limits`"),
    (
        "audit:\n", "limits: {statement_timeout: 5}\naudit:\n",
        17, "limits.statement_timeout", "unknown",
    ),
    ("audit:\n", "log: {level: trace}\naudit:\n", 17, "log.level", "debug, info"),
    ("audit:\n", "log: [a]\naudit:\n", 17, "log", "section"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "field", "message"), MISTAKES)
def test_mistakes(directory: Path, old: str, new: str, line: int, field: str, message: str) -> None:
    assert old in MINIMAL
    field = field.replace("<issuer>", "identity.issuers[0]").replace("<source>", "sources[0]")
    text = MINIMAL.replace(old, new, 1)
    if not field:
        # A quoted number is a number: what counts is what was meant.
        assert _load(directory, text).sources[0].pool.connections_max == 7
        return
    with pytest.raises(ConfigurationError) as caught:
        _load(directory, text)
    [found] = [problem for problem in caught.value.problems if problem.field == field]
    assert found.line == line
    assert message in found.message
    assert str(found).startswith(f"{directory / 'sallyport.yaml'}:{line}: {field}: ")


@pytest.mark.parametrize("section", ["identity", "policies", "sources", "audit"])
def test_nothing_essential_can_be_left_out(directory: Path, section: str) -> None:
    lines = MINIMAL.splitlines()
    start = lines.index(f"{section}:")
    end = next(
        (i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines)
    )
    with pytest.raises(ConfigurationError) as caught:
        _load(directory, "\n".join(lines[:start] + lines[end:]))
    [problem] = caught.value.problems
    assert problem.field == section
    assert "required" in problem.message


def test_an_empty_file_names_everything_that_is_missing(directory: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(directory, "# nothing\n")
    assert {problem.field for problem in caught.value.problems} == {
        "identity",
        "policies",
        "sources",
        "audit",
    }


def test_all_mistakes_are_told_at_once_in_order(directory: Path) -> None:
    text = MINIMAL.replace("kind: postgres", "kind: x").replace("audience:", "audienc:")
    with pytest.raises(ConfigurationError) as caught:
        _load(directory, text + "  mode: loud\n")
    lines = [problem.line for problem in caught.value.problems]
    assert len(lines) == 4
    assert lines == sorted(lines)
    assert str(caught.value).count("\n") == 3


def test_names_are_unique(directory: Path) -> None:
    second = MINIMAL[MINIMAL.index("  - name: main") : MINIMAL.index("audit:")]
    with pytest.raises(ConfigurationError, match=r"sources\[1\]: 'main' is there twice"):
        _load(directory, MINIMAL.replace("audit:", second + "audit:"))


def test_no_environment_variable_changes_anything(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(directory / "sallyport.yaml")
    for name in ("SALLYPORT_POLICIES", "SALLYPORT_DISABLE_POLICY", "SALLYPORT_AUDIT", "POLICIES"):
        monkeypatch.setenv(name, "off")
    assert load(directory / "sallyport.yaml") == before
    assert (
        _load(directory, MINIMAL.replace("database: company", "database: $HOME"))
        .sources[0]
        .database
        == "$HOME"
    )


def test_only_the_demonstration_may_name_its_issuer(directory: Path) -> None:
    text = MINIMAL.replace("https://login.example.com", DEMO_ISSUER + "/")
    path = directory / "sallyport.yaml"
    with pytest.raises(ConfigurationError, match="demonstration"):
        loads(text.encode(), path)
    assert loads(text.encode(), path, is_demonstration=True).identity.issuers


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path)


def test_no_password_is_in_the_printed_form(directory: Path) -> None:
    # Where it is found may be printed; there is no key that could hold the password itself.
    with pytest.raises(ConfigurationError) as caught:
        _load(directory, MINIMAL.replace("environment: DATABASE_PASSWORD", "value: hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("2130706433", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
