"""What a locked process cannot do any more, tried in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, socket, sys
from pathlib import Path
from proxy.files import lockdown

inside, scratch = Path(sys.argv[1]), Path(sys.argv[2])
lockdown.limit_resources(1 << 26)
confined = lockdown.confine_files((inside, *lockdown.libraries()), (scratch,))
lockdown.refuse_system_calls()
TRIALS = {
    "read inside": lambda: (inside / "a").read_bytes(),
    "write scratch": lambda: (scratch / "b").write_bytes(b"x"),
    "write inside": lambda: (inside / "b").write_bytes(b"x"),
    "through a link": lambda: (inside / "link").read_bytes(),
    "read outside": lambda: Path("/etc/passwd").read_bytes(),
    "list outside": lambda: os.listdir("/"),
    "socket": lambda: socket.socket(),
    "pair": lambda: socket.socket(socket.AF_UNIX),
    "run": lambda: os.execv("/bin/true", ["true"]),
    "memory": lambda: bytearray(4 << 30),
}
print("confined", confined)
for name, trial in TRIALS.items():
    try:
        trial()
    except (OSError, MemoryError) as error:
        print(name, type(error).__name__)
    else:
        print(name, "done")
"""

ALWAYS = {
    "read inside": "done",
    "write scratch": "done",
    "socket": "PermissionError",
    "pair": "PermissionError",
    "run": "PermissionError",
    "memory": "MemoryError",
}
CONFINED = {
    "write inside": "PermissionError",
    "through a link": "PermissionError",
    "read outside": "PermissionError",
    "list outside": "PermissionError",
}


@pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")
def test_a_locked_process_reads_its_folder_and_nothing_else(tmp_path: Path) -> None:
    inside, scratch = tmp_path / "inside", tmp_path / "scratch"
    inside.mkdir()
    scratch.mkdir()
    (inside / "a").write_bytes(b"x")
    (inside / "link").symlink_to("/etc/hostname")
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(inside), str(scratch)],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    told = dict(line.rsplit(" ", 1) for line in ended.stdout.splitlines())
    is_confined = told.pop("confined") == "True"
    wanted = ALWAYS | CONFINED if is_confined else ALWAYS
    assert {name: told[name] for name in wanted} == wanted
