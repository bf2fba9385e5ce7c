"""What every subcommand's description is made of: a parser with help that teaches, and options that
many share.

This file must not know any subcommand.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Final, TypeAlias

from proxy.commands.outcome import EXIT_CODES

CONFIGURATION_DEFAULT: Final = Path("sallyport.yaml")

# What argparse gives for adding subcommands has no public name.
Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def epilog(examples: str) -> str:
    """The end of a help text: examples, then the exit codes."""
    return f"examples:\n{textwrap.indent(examples, '  ')}\n\n{EXIT_CODES}"


def add_command(
    commands: Subcommands, name: str, module: str, summary: str, explanation: str, examples: str
) -> argparse.ArgumentParser:
    """A subcommand that is run by `module` of this package."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(explanation, 88),
        epilog=epilog(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(module=module)
    return parser


def add_group(commands: Subcommands, name: str, summary: str, examples: str) -> Subcommands:
    """A word that only leads to further subcommands."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_configuration(parser: argparse.ArgumentParser) -> argparse._ActionsContainer:
    """`-c`; returns the group, for what may stand in its place."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-c",
        "--configuration",
        type=Path,
        default=CONFIGURATION_DEFAULT,
        metavar="FILE",
        help="the gate's configuration (default: %(default)s)",
    )
    return group


def add_state(parser: argparse.ArgumentParser, state: Path) -> None:
    """`--state`, the demonstration's folder; `state` is the default."""
    parser.add_argument(
        "--state",
        type=Path,
        default=state,
        metavar="DIRECTORY",
        help="where the demonstration keeps its files (default: %(default)s)",
    )


def add_looking(parser: argparse.ArgumentParser, state: Path) -> argparse._ActionsContainer:
    """Which gate a command looks at: a configuration's, or the demonstration's."""
    group = add_configuration(parser)
    group.add_argument("--demo", action="store_true", help="look at the demonstration's instead")
    add_state(parser, state)
    return group


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="for scripts: JSON, an object per line")
