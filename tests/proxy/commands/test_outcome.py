"""Exit codes, and what goes to which stream."""

from __future__ import annotations

import json

import pytest

from proxy.commands.outcome import (
    EXIT_CODES,
    EXIT_OK,
    EXIT_PROBLEMS,
    EXIT_USAGE,
    CommandError,
    give,
    give_json,
    tell,
)


def test_results_and_remarks_go_to_different_places(capsys: pytest.CaptureFixture[str]) -> None:
    give("result")
    tell("remark")
    assert capsys.readouterr() == ("result\n", "remark\n")


def test_an_object_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    content = {"text": "two\nlines, an é and a \u2028", "none": None}
    give_json(content)
    written = capsys.readouterr().out
    assert written.count("\n") == 1
    assert "é" in written
    assert json.loads(written) == content


def test_an_error_is_usage_unless_it_says_otherwise() -> None:
    assert CommandError("x").exit_code == EXIT_USAGE
    assert CommandError("x", EXIT_PROBLEMS).exit_code == EXIT_PROBLEMS


def test_the_codes_are_the_documented_ones() -> None:
    for code in (EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE):
        assert f"{code} " in EXIT_CODES
