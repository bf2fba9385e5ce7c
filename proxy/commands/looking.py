"""Which gate a command looks at: the one of `-c`, or the demonstration's.

For commands that look and change nothing. They may read the demonstration's configuration, whose
issuer no serving gate accepts; `up` and `gate` do not come here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from proxy.commands.outcome import CommandError
from proxy.demo.state import State
from proxy.runtime.config import Configuration, ConfigurationError, load


def configuration_file(arguments: argparse.Namespace) -> Path:
    """The file to look at. Raises CommandError before the first demonstration."""
    if not arguments.demo:
        file: Path = arguments.configuration
        return file
    file = State(arguments.state).configuration
    if not file.exists():
        raise CommandError(f"no demonstration has run in {arguments.state} yet: `sallyport demo`")
    return file


def is_demonstration(arguments: argparse.Namespace, file: Path) -> bool:
    """Whether `file` is the demonstration's own, however it was named."""
    return file.resolve() == State(arguments.state).configuration.resolve()


def configuration(arguments: argparse.Namespace) -> Configuration:
    """The configuration to look at. Raises CommandError with every problem in it."""
    file = configuration_file(arguments)
    try:
        return load(file, is_demonstration=is_demonstration(arguments, file))
    except ConfigurationError as error:
        raise CommandError(str(error)) from error


def audit_directory(arguments: argparse.Namespace) -> Path:
    """Where the audit logs lie. Raises CommandError when there is no such directory."""
    found: Path = arguments.directory or configuration(arguments).audit.directory
    if not found.is_dir():
        raise CommandError(f"there is no directory {found}")
    return found
