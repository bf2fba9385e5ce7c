"""The command as it is typed: help that teaches, exit codes, nothing secret, no traceback."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import cli
from proxy.cli import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, main
from proxy.commands import policy_test
from proxy.commands.language import language
from proxy.commands.outcome import EXIT_USAGE, CommandError

ROOT = Path(__file__).resolve().parents[2]


def parsers() -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}

    def walk(parser: argparse.ArgumentParser) -> None:
        found[parser.prog] = parser
        for action in parser._actions:
            if isinstance(action.choices, dict):
                for child in action.choices.values():
                    walk(child)

    walk(language({"XDG_STATE_HOME": "/state"}))
    return found


@pytest.mark.parametrize("prog", parsers())
def test_each_help_teaches_by_examples_and_tells_exit_codes(
    prog: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*prog.split()[1:], "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "examples:\n  " in text
    assert "exit codes: 0" in text


@pytest.mark.parametrize("prog", parsers())
def test_examples_are_of_this_language(prog: str) -> None:
    known = parsers()
    for line in (parsers()[prog].epilog or "").splitlines():
        words = line.split()
        if words[:1] == ["sallyport"]:
            assert any(" ".join(words[:length]) in known for length in range(2, 5)), line


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["check", "--nonsense"], ["token", "create"], ["policy", "explain", "x"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == EXIT_USAGE
    assert "usage: sallyport" in capsys.readouterr().err


def test_up_and_gate_cannot_be_told_to_accept_the_demonstration() -> None:
    for name in ("sallyport up", "sallyport gate"):
        options = {o for action in parsers()[name]._actions for o in action.option_strings}
        assert options == {"-h", "--help", "-c", "--configuration", "--take-over"}


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (CommandError("no such thing", 1), 1, "sallyport: no such thing\n"),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, ""),
        (FileNotFoundError(2, "No such file", "x.yaml"), EXIT_USAGE, "sallyport: No such file: x.yaml\n"),
        (OSError("without a number"), EXIT_USAGE, "sallyport: without a number\n"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(
    raised: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise raised

    monkeypatch.setattr(policy_test, "run", fail)
    assert main(["policy", "test"]) == code
    assert capsys.readouterr().err == told


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`sallyport … | head -1`: the pipe is closed before anything is read."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "proxy.cli", "completion", "bash"],
            cwd=ROOT,
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.returncode == EXIT_BROKEN_PIPE
    assert ended.stderr == b""


def test_help_and_tokens_do_not_wait_for_a_gate_to_be_imported() -> None:
    script = (
        "import sys, proxy.cli, proxy.commands.token\n"
        "heavy = {'asyncpg', 'aiohttp', 'postgast', 'proxy.server'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_the_entry_point_is_this_function() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert 'sallyport = "proxy.cli:main"' in text
    assert callable(cli.main)
