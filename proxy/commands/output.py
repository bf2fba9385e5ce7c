"""What all subcommands share: exit codes, printing, and reading times.

This file must not know any subcommand.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

EXIT_OK = 0
EXIT_FAILED = 1
"""The thing asked about is not as it should be: a failing case, a broken log."""

EXIT_REFUSED = 2
"""It could not be done at all: a configuration that cannot be used, a source out of reach."""

Subparsers = Any
"""`argparse._SubParsersAction`, which has no public name."""


def say(text: str) -> None:
    """One line, or several, of the answer."""
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """One line, or several, about what went wrong, beside the answer."""
    sys.stderr.write(f"sallyport: {text}\n")


def say_json(value: object) -> None:
    """The answer for a script: one JSON document."""
    say(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def configuration_argument(parser: argparse.ArgumentParser) -> None:
    """`-c FILE`, as every subcommand has it that needs the configuration."""
    parser.add_argument(
        "-c",
        "--configuration",
        type=Path,
        default=Path("sallyport.yaml"),
        metavar="FILE",
        help="the configuration; default: %(default)s",
    )


def json_argument(parser: argparse.ArgumentParser) -> None:
    """`--json`, as every subcommand has it whose answer a script would read."""
    parser.add_argument("--json", action="store_true", help="answer as JSON, for a script")


def moment(text: str) -> float:
    """Unix seconds of an ISO 8601 date or time; UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a date or time like 2026-01-31 or 2026-01-31T08:00"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def readable_time(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
