"""The process: its instructions, and the ways in which it refuses to start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sidecars.mcp.app import EXIT_USAGE, Instructions, main
from sidecars.mcp.limits import ToolLimits
from tests.proxy.runtime.configurations import write_files
from tests.servers.demonstration import ROOT
from tests.sidecars.mcp.agent import over_stdio, read_error


def test_instructions_travel_as_text() -> None:
    told = Instructions(
        gate="postgresql://h/d", token_command=("print", "it"), limits=ToolLimits(rows_max=5)
    )

    assert Instructions.from_json(told.as_json()) == told


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"gate": "http://h/d", "token_file": "/x"}, "postgresql://"),
        ({"gate": "postgresql://h/d"}, "exactly one place"),
        ({"gate": "postgresql://h/d", "token_file": "a", "token_environment": "B"}, "exactly one"),
    ],
)
def test_what_cannot_be_followed_is_said(
    told: dict[str, object], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([json.dumps(told)]) == EXIT_USAGE
    assert said in capfd.readouterr().err


def test_a_configuration_without_the_section(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_files(tmp_path)
    assert main([json.dumps({"configuration": str(tmp_path / "sallyport.yaml")})]) == EXIT_USAGE
    assert "no section `mcp`" in capfd.readouterr().err


async def test_without_a_token_the_model_is_told(tmp_path: Path) -> None:
    instructions = Instructions(gate="postgresql://127.0.0.1:1/d")
    async with over_stdio(instructions, "") as client:
        error = read_error(await client.call_tool("describe", {}))

    assert "no token" in error["message"]


def test_it_ends_with_standard_input() -> None:
    told = Instructions(gate="postgresql://127.0.0.1:1/d", token_environment="NONE")
    ran = subprocess.run(
        [sys.executable, "-m", "sidecars.mcp", told.as_json()],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (0, b"")
