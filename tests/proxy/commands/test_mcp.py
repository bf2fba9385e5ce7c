"""`sallyport mcp`: from the command line to what the server is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.commands import mcp
from proxy.commands.language import language
from proxy.commands.outcome import CommandError

GATE = "postgresql://gate.example/shop"


def told(*arguments: str) -> dict[str, object]:
    return mcp.instructions(language({}).parse_args(["mcp", *arguments]))


def test_where_the_token_is() -> None:
    assert told("--gate", GATE) == {"gate": GATE, "token_environment": "SALLYPORT_TOKEN"}
    assert told("--gate", GATE, "--token-environment", "T")["token_environment"] == "T"
    assert told("--gate", GATE, "--token-file", "/t") == {"gate": GATE, "token_file": "/t"}
    found = told("--gate", GATE, "--token-command", "print 'my token'")
    assert found == {"gate": GATE, "token_command": ["print", "my token"]}


def test_http_needs_only_the_configuration() -> None:
    assert told("--http", "-c", "/etc/s.yaml") == {"configuration": "/etc/s.yaml"}


@pytest.mark.parametrize(
    "arguments",
    [[], ["--gate", GATE, "--http"], ["--gate", GATE, "--token-file", "a", "--token-command", "b"]],
)
def test_what_does_not_go_together(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        told(*arguments)


def test_the_demonstration_needs_a_name_and_a_first_run(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--as"):
        told("--demo")
    with pytest.raises(CommandError, match="no demonstration has run"):
        told("--demo", "--as", "alice", "--state", str(tmp_path))


def test_it_becomes_the_server() -> None:
    """The process is replaced: what the server says on standard error is the command's."""
    ran = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "mcp", "--gate", "http://x/y"],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "SALLYPORT_TOKEN": "x"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ran.returncode == 2
    assert "must begin with postgresql://" in ran.stderr
