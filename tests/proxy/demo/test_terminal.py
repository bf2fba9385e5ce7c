"""What the terminal shows: steps with their times, and lines that a shell really understands."""

from __future__ import annotations

import io
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.demo.principal import PRINCIPALS, SHOWN
from proxy.demo.terminal import Entrance, Progress, introduction


def ticking() -> Callable[[], float]:
    """A clock that moves on by one second each time it is read."""
    seconds = iter(range(1_000))
    return lambda: float(next(seconds))


def test_a_step_is_announced_before_it_runs_and_timed_after() -> None:
    stream = io.StringIO()
    with Progress(stream, ticking()).step("the gate"):
        assert stream.getvalue().startswith("  the gate ...")
        assert not stream.getvalue().endswith("\n")
    assert stream.getvalue().endswith(". 1.0 s\n")


def test_each_of_several_steps_ends_where_the_next_begins() -> None:
    stream = io.StringIO()
    with Progress(stream, ticking()).steps() as begin:
        begin("first")
        begin("second")
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["first", "second"]
    assert all(line.endswith(" 1.0 s") for line in lines)


def test_no_step_no_line() -> None:
    stream = io.StringIO()
    with Progress(stream).steps():
        pass
    assert stream.getvalue() == ""


def test_a_step_that_fails_says_so_and_hides_nothing() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError, match="no disk"), Progress(stream).step("loading"):
        raise RuntimeError("no disk")
    assert stream.getvalue().endswith(" failed\n")


@pytest.fixture
def entrance(tmp_path: Path) -> Entrance:
    """A psql and a token command that only show what they were given, in a path with a space."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    for name, script in (
        ("psql", 'echo "$PGPASSWORD|$*"'),
        ("sallyport", 'echo "token of $3"'),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return Entrance(
        "127.0.0.1", 15432, "company", folder / "psql", (f"{folder}/sallyport", "token")
    )


@pytest.mark.parametrize("name", SHOWN)
def test_a_pasted_line_runs(entrance: Entrance, name: str) -> None:
    line = entrance.line(PRINCIPALS[name])
    assert "\n" not in line
    output = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert output == f"token of {name}|-h 127.0.0.1 -p 15432 -U {name} company\n"


def test_the_greeting_has_a_line_and_a_view_for_each_person(entrance: Entrance) -> None:
    shown = [PRINCIPALS[name] for name in SHOWN]
    text = introduction(entrance, shown)
    for principal in shown:
        assert entrance.line(principal) in text
        assert principal.example in text
        for sentence in principal.sees:
            assert sentence in text
    assert text.count("PGPASSWORD=") == len(SHOWN)
    assert shlex.quote(str(entrance.psql)) in text
