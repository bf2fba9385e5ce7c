"""How a command ends: exit codes, errors for the terminal, and results on standard output.

Results go to standard output, everything said about the work to standard error, so that a script
can read the one and a person the other. This file must not know what any command does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final

EXIT_OK: Final = 0
EXIT_PROBLEMS: Final = 1
EXIT_USAGE: Final = 2

EXIT_CODES: Final = (
    "exit codes: 0 all is well; 1 problems were found, they are listed; 2 wrong usage or\n"
    "configuration, nothing was done"
)


class CommandError(Exception):
    """The command cannot do what was asked. The message is for the terminal and holds no secret."""

    def __init__(self, message: str, exit_code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def tell(line: str) -> None:
    """A line about the work, on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def give(line: str) -> None:
    """A line of the result, on standard output."""
    sys.stdout.write(line + "\n")


def give_json(content: Mapping[str, object]) -> None:
    """One JSON object on one line of standard output."""
    give(json.dumps(content, ensure_ascii=False))
    sys.stdout.flush()
