"""`sallyport deploy`: the example files for running the gate, printed to be copied and changed.

This file must not know what is in them.
"""

from __future__ import annotations

import argparse
from importlib.resources import files

from proxy.commands.examples import EXAMPLES
from proxy.commands.outcome import EXIT_OK, give


def run(arguments: argparse.Namespace) -> int:
    """List the files, or print one."""
    if arguments.name is None:
        width = max(len(name) for name in EXAMPLES)
        for name, meaning in EXAMPLES.items():
            give(f"{name:{width}}  {meaning}")
    else:
        give(text_of(arguments.name).rstrip("\n"))
    return EXIT_OK


def text_of(name: str) -> str:
    """One of EXAMPLES. Raises FileNotFoundError for anything else."""
    return (files("proxy") / "deploy" / name).read_text(encoding="utf-8")
