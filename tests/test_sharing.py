"""Goal: which worker gets which tests is decided by the cost of their servers; nothing is skipped.

Method: the functions of `sharing.py`, and a run of pytest over files made for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import sharing

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("nodeid", "unit"),
    [
        ("tests/test_readme.py::test_a", "tests/test_readme.py"),
        ("tests/proxy/test_run.py::TestIt::test_b[x::y]", "tests/proxy/test_run.py"),
        ("tests/sidecars/mcp/test_app.py::test_c", "tests/sidecars"),
        ("tests/live/catalog/test_hidden.py::test_d", "tests/live/catalog"),
        ("tests/live/test_wire.py::test_e", "tests/live/test_wire.py"),
    ],
)
def test_a_unit_is_a_file_or_a_folder_with_a_dear_fixture(nodeid: str, unit: str) -> None:
    assert sharing.unit_of(nodeid) == unit


def test_the_tables_name_what_is_there() -> None:
    for unit in (*sharing.TOGETHER, *sharing.FIRST, sharing.KEYCLOAK_TESTS):
        assert (ROOT / unit).exists(), unit
    for unit in sharing.FIRST:
        assert sharing.unit_of(f"{unit}/test_x.py::test_y" if "." not in unit else unit) == unit


def test_a_skipped_test_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(
        "import pytest\n\n\ndef test_it():\n    pytest.skip('no reason is good enough')\n"
    )
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-p", "tests.conftest", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no reason is good enough" in done.stdout
    assert "1 failed" in done.stdout
