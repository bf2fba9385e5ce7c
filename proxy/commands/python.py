"""`sallyport python`: starts the sandbox for agents' Python, as a process of its own.

This file must not know the sandbox, nor import it: a sidecar meets the gate over the wire only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import NoReturn

MODULE = "sidecars.python"


def run(arguments: argparse.Namespace) -> NoReturn:
    """Become the service: signals and the terminal are its own."""
    command = command_line({"configuration": str(arguments.configuration.absolute())})
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  our own interpreter, no shell


def command_line(told: dict[str, object]) -> list[str]:
    """How the service's process is started."""
    return [sys.executable, "-m", MODULE, json.dumps(told)]
