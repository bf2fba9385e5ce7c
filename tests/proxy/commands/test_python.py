"""`sallyport python`: from the command line to the service's process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from proxy.commands import python

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_line_is_our_own_interpreter() -> None:
    command = python.command_line({"configuration": "/x"})
    assert command[:3] == [sys.executable, "-m", "sidecars.python"]
    assert json.loads(command[3]) == {"configuration": "/x"}


def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sallyport.yaml"
    file.write_text("nothing: 1\n")
    ended = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "python", "-c", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 2
    assert str(file) in ended.stderr
    assert "Traceback" not in ended.stderr
