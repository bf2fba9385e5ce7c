"""`sallyport demo`: from the words of the command line to the demonstration."""

from __future__ import annotations

import argparse
import os

from proxy.demo.command import demo
from proxy.demo.state import default_directory


def run(arguments: argparse.Namespace) -> int:
    """Run until Ctrl-C. Returns the exit code."""
    # The usual folder is left unsaid, so that the printed lines stay short.
    is_usual = arguments.state == default_directory(os.environ)
    return demo(None if is_usual else arguments.state, arguments.port)
