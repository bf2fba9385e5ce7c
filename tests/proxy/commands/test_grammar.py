"""What subcommands are made of."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from proxy.commands import grammar
from proxy.commands.outcome import EXIT_CODES


@pytest.fixture
def commands() -> grammar.Subcommands:
    return argparse.ArgumentParser(prog="x").add_subparsers()


def test_a_command_teaches_and_names_its_module(commands: grammar.Subcommands) -> None:
    parser = grammar.add_command(commands, "look", "looker", "summary", "It looks.", "x look\nx")

    assert parser.parse_args([]).module == "looker"
    help_text = parser.format_help()
    assert "It looks." in help_text
    assert "  x look\n  x\n" in help_text
    assert EXIT_CODES in help_text


def test_a_group_leads_on_and_nothing_else(
    commands: grammar.Subcommands, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = grammar.add_group(commands, "many", "several things", "x many one")
    grammar.add_command(inner, "one", "first", "s", "E.", "x")
    parser = commands.choices["many"]

    assert parser.parse_args(["one"]).module == "first"
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert "Several things." in parser.format_help()
    capsys.readouterr()


def test_a_configuration_or_the_demonstration_not_both(
    commands: grammar.Subcommands, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = grammar.add_command(commands, "look", "looker", "s", "E.", "x")
    grammar.add_looking(parser, Path("state"))
    grammar.add_json(parser)

    given = parser.parse_args([])
    assert (given.configuration, given.demo) == (grammar.CONFIGURATION_DEFAULT, False)
    assert (given.state, given.json) == (Path("state"), False)
    with pytest.raises(SystemExit):
        parser.parse_args(["--demo", "-c", "x.yaml"])
    capsys.readouterr()
