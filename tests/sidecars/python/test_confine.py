"""What a worker process has given up, tried in processes of their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sidecars.python import confine

ROOT = Path(__file__).resolve().parents[3]


def confined(code: str) -> str:
    """What a process prints that confines itself and then runs `code`."""
    start = (
        "import os, socket, sys\nfrom sidecars.python import confine\nwalls = confine.confine()\n"
    )
    body = f"try:\n    {code}\nexcept OSError as error:\n    print(error.errno)\nelse:\n    print('done')"
    ended = subprocess.run(
        [sys.executable, "-c", start + body], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


needs_filter = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in confine.MACHINES,
    reason="system calls are filtered on these machines only",
)


@needs_filter
@pytest.mark.parametrize(
    "code",
    [
        "socket.socket()",
        "socket.socketpair()",
        "os.execv('/bin/true', ['true'])",
        "os.fork()",
        "os.unshare(0x10000000) if hasattr(os, 'unshare') else socket.socket()",
        "os.chroot('/')",
        "os.setuid(0)",
    ],
)
def test_system_calls_are_refused(code: str) -> None:
    assert confined(code) == "1"


@needs_filter
def test_threads_and_files_still_work() -> None:
    code = "import threading; t = threading.Thread(target=os.getpid); t.start(); t.join(); open('/dev/null')"
    assert confined(code) == "done"


def test_the_walls_are_told_by_name() -> None:
    assert "resource limits" in confined("print(','.join(walls))")


def test_an_unknown_machine_has_no_filter() -> None:
    assert confine.filter_program("pdp11") is None


@pytest.mark.parametrize("machine", confine.MACHINES)
def test_every_jump_of_the_filter_lands_inside(machine: str) -> None:
    program = confine.filter_program(machine)
    assert program is not None
    steps = [program[at : at + 8] for at in range(0, len(program), 8)]
    for index, step in enumerate(steps):
        if step[0] in (0x15, 0x45):
            assert index + 1 + max(step[2], step[3]) < len(steps)
    assert os.path.basename(steps[-1].hex()).startswith("0600")
