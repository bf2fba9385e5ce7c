"""The `sallyport` command: reads the command line, runs one subcommand, ends with its exit code.

This file must not know what any subcommand does. How they are called is `commands/language.py`;
what goes wrong on purpose becomes lines on standard error here, in one place and without secrets.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from proxy.commands.language import PROGRAM, language
from proxy.commands.outcome import EXIT_USAGE, CommandError, tell

EXIT_INTERRUPTED: Final = 130
"""128 + SIGINT, as a shell reports a program that Ctrl-C ended."""

EXIT_BROKEN_PIPE: Final = 141
"""128 + SIGPIPE: whoever read the result (`head`, a pager) has left."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that `arguments` (default: the process's own) ask for.

    Returns the exit code. Raises SystemExit for `--help` and for wrong usage, as argparse does.
    """
    given = language(os.environ).parse_args(arguments)
    command = importlib.import_module(f"proxy.commands.{given.module}")
    try:
        code: int = command.run(given)
        sys.stdout.flush()
    except CommandError as error:
        tell(f"{PROGRAM}: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        tell(f"{PROGRAM}: {error.strerror or error}{_of(error.filename)}")
        return EXIT_USAGE
    return code


def _of(file: object) -> str:
    return f": {file}" if file else ""


if __name__ == "__main__":
    sys.exit(main())
