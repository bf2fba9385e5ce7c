"""Meson's Python describes the target, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sidecars.python.build import recipe


def test_paths_and_version_are_the_targets(tmp_path: Path) -> None:
    code = (
        "import numpy, sysconfig as s;"
        "print(s.get_path('include'), s.get_python_version(), numpy.get_include())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PYTHONPATH": str(recipe.HERE / "target"),
            "RUNNER_PYTHON_HEADERS": "/headers",
            "RUNNER_NUMPY_HEADERS": "/numpy",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.stdout.split() == ["/headers", "3.14", "/numpy"], ended.stderr
