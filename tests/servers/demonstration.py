"""`sallyport demo` as a process of its own: the real company behind a real gate.

    with running(directory) as demonstration:
        psycopg.connect(host="127.0.0.1", port=demonstration.port, …)

Loading the company takes some ten seconds. This file must not know what anybody sees there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GREETING_END = "Ctrl-C ends the demonstration"
END_SECONDS_MAX = 30


@dataclass(frozen=True)
class Demonstration:
    """A running one: its process, its state, its port, and what it printed."""

    process: subprocess.Popen[str]
    directory: Path
    port: int
    text: str


@contextmanager
def running(directory: Path) -> Iterator[Demonstration]:
    """One with its state in `directory`, on a free port. Fails with what it said if it ends early."""
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy.cli", "demo", "--state", str(directory), "--port", "0"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        text = _greeting(process)
        found = re.search(r"127\.0\.0\.1:(\d+)", text)
        assert found, text
        yield Demonstration(process, directory, int(found[1]), text)
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS_MAX)
        finally:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


def _greeting(process: subprocess.Popen[str]) -> str:
    """Everything up to the greeting's end."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(GREETING_END):
            return "".join(lines)
    raise AssertionError("it ended early:\n" + "".join(lines))
