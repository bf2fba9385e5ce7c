"""From words to the demonstration; the demonstration itself is tested in tests/proxy/demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proxy.commands import demo
from tests.proxy.commands.conftest import Run

ROOT = Path(__file__).resolve().parents[3]
Call = tuple[Path | None, int | None]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    found: list[Call] = []

    def called(directory: Path | None = None, port: int | None = None) -> int:
        found.append((directory, port))
        return 1

    monkeypatch.setattr(demo, "demo", called)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    return found


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ((), (None, None)),
        (("--port", "0"), (None, 0)),
        (("--state", "/state/sallyport/demo"), (None, None)),
        (("--state", "/elsewhere", "--port", "5"), (Path("/elsewhere"), 5)),
    ],
)
def test_words_become_arguments(
    arguments: tuple[str, ...], call: Call, calls: list[Call], sallyport: Run
) -> None:
    assert sallyport("demo", *arguments).code == 1
    assert calls == [call]


def test_a_state_that_cannot_be_had_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "demo", "--state", str(tmp_path / "file" / "state")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: cannot use ")
    assert ended.stderr.count("\n") == 1
