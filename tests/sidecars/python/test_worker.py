"""The worker process, spoken to by hand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sidecars.python import frames
from sidecars.python.artifact import Environment
from sidecars.python.worker import MODULE

ROOT = Path(__file__).resolve().parents[3]


def started(told: dict[str, str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    ours.settimeout(50)
    with theirs:
        command = [sys.executable, "-m", MODULE, str(theirs.fileno()), json.dumps(told)]
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env={"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
    return process, ours


def test_it_runs_programs_until_its_socket_closes(environment: Environment, tmp_path: Path) -> None:
    told = {name: str(getattr(environment, name)) for name in ("native", "stdlib", "site")}
    process, connection = started(told)
    with connection:
        assert "resource limits" in frames.receive(connection)["ready"]
        for name in ("work", "exchange"):
            (tmp_path / name).mkdir()
        message = {
            **{"code": "print(1)\n2", "arguments": "{}", "seed": None, "keep": False},
            **{"wall_seconds": 20, "cpu_seconds": 20, "memory_bytes": 512 * 1024 * 1024},
            **{"output_bytes": 100, "files_bytes": 100, "host_calls": 0},
            **{"work": str(tmp_path / "work"), "exchange": str(tmp_path / "exchange")},
        }
        connection.sendall(frames.encode(message))
        assert frames.receive(connection) == {"out": [1, "1\n"]}
        ended = frames.receive(connection)["ended"]
        assert (ended["error"], json.loads(ended["value"])["value"]) == ("", 2)
        assert ended["memory_bytes"] > 0
    assert process.wait(20) == 0


@pytest.mark.parametrize("content", [b"", os.urandom(4096)])
def test_it_ends_when_its_environment_is_damaged(tmp_path: Path, content: bytes) -> None:
    native = tmp_path / "native"
    native.write_bytes(content)
    process, connection = started({"native": str(native), "stdlib": "/", "site": "/"})
    with connection, pytest.raises(frames.FrameError):
        frames.receive(connection)
    assert process.wait(20) == 1
