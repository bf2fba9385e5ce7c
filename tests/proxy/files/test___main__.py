"""The reader's process, spoken to over its pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.files import frames

Frame = tuple[bytes, bytes]


class Spoken:
    """A reader and its pipes."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "proxy.files"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, content: dict[str, object]) -> list[Frame]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(frames.request(content))
        self.process.stdin.flush()
        found: list[Frame] = []
        while not found or found[-1][0] == frames.ROWS:
            kind, length = frames.HEADER.unpack(self.process.stdout.read(frames.HEADER.size))
            found.append((kind, self.process.stdout.read(length)))
        return found


@pytest.fixture
def spoken(tmp_path: Path) -> Iterator[Spoken]:
    (tmp_path / "files").mkdir()
    (tmp_path / "scratch").mkdir()
    (tmp_path / "files/a.csv").write_text("n\n1\n2\n")
    made = Spoken()
    yield made
    made.process.kill()
    made.process.wait()
    for pipe in (made.process.stdin, made.process.stdout):
        assert pipe is not None
        pipe.close()


def start(tmp_path: Path) -> dict[str, object]:
    return {
        "root": str(tmp_path / "files"), "scratch": str(tmp_path / "scratch"),
        "memory": 1 << 27, "temporary": 1 << 24, "threads": 1,
    }  # fmt: skip


def test_it_answers_until_nobody_asks(spoken: Spoken, tmp_path: Path) -> None:
    assert spoken.ask(start(tmp_path)) == [(frames.READY, b"")]
    ((kind, content),) = spoken.ask({"do": "tables"})
    assert kind == frames.TABLES
    tables = [{"schema": "w", "table": one} for one in json.loads(content)]
    wish = {"do": "read", "sql": "SELECT n FROM w.a", "tables": tables, "values": []}
    assert spoken.ask(wish) == [
        (frames.ROWS, b"\0\0\0\x021\n2\n"),
        (frames.DONE, b'{"rows": 2}'),
    ]
    ((kind, content),) = spoken.ask({**wish, "sql": "SELECT nothing FROM w.a"})
    assert kind == frames.FAULT
    assert "nothing" not in content.decode()
    assert spoken.process.stdin is not None
    spoken.process.stdin.close()
    assert spoken.process.wait(timeout=30) == 0


def test_it_refuses_to_start_where_it_cannot(spoken: Spoken, tmp_path: Path) -> None:
    ((kind, _),) = spoken.ask({**start(tmp_path), "memory": "much"})
    assert kind == frames.FAULT
