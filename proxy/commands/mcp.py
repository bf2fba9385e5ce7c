"""`sallyport mcp`: starts the Model Context Protocol server, as a process of its own.

This file must not know the protocol, nor import the server: a sidecar meets the gate over the wire
only. No token is an argument of the process; it is told where to read one.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from proxy.commands.outcome import CommandError
from proxy.demo.command import token_command
from proxy.demo.state import State
from proxy.runtime.config import ConfigurationError, load

MODULE = "sidecars.mcp"


def run(arguments: argparse.Namespace) -> int:
    """Become the server. Raises CommandError when the arguments do not go together."""
    _become(command_line(instructions(arguments)))


def command_line(told: dict[str, object]) -> list[str]:
    """How the server's process is started."""
    return [sys.executable, "-m", MODULE, json.dumps(told)]


def instructions(arguments: argparse.Namespace) -> dict[str, object]:
    """What the server is told. Raises CommandError."""
    if arguments.http:
        return {"configuration": str(arguments.configuration.absolute())}
    if arguments.demo:
        return _demonstration(arguments.name, arguments.state)
    told: dict[str, object] = {"gate": arguments.gate}
    if arguments.token_file is not None:
        told["token_file"] = str(arguments.token_file.absolute())
    elif arguments.token_command is not None:
        told["token_command"] = shlex.split(arguments.token_command)
    else:
        told["token_environment"] = arguments.token_environment
    return told


def _demonstration(name: str | None, directory: Path) -> dict[str, object]:
    """The demonstration's gate, as one of its people."""
    if name is None:
        raise CommandError("--demo needs --as NAME: alice, bob, carol or dave")
    file = State(directory).configuration
    try:
        configuration = load(file, is_demonstration=True)
    except (ConfigurationError, OSError) as error:
        raise CommandError(f"no demonstration has run in {directory} yet") from error
    listen = configuration.listen
    database = configuration.database
    return {
        "gate": f"postgresql://{listen.host}:{listen.port}/{database}",
        "token_command": [*token_command(directory), "--as", name],
    }


def _become(command: Sequence[str]) -> NoReturn:
    """Replace this process: standard input and output, and signals, are the server's own."""
    sys.stdout.flush()
    os.execv(command[0], list(command))  # noqa: S606 - our own interpreter, no shell
