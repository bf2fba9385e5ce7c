"""What the command line calls: `sallyport demo` and `sallyport token`.

This file must not parse arguments (`proxy/cli.py` does). It joins the demonstration to the real
gate and to the real clock.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import time
from pathlib import Path

from proxy import server
from proxy.demo.issuer import LIFETIME_S_DEFAULT, DemoIssuer
from proxy.demo.run import Options, run
from proxy.demo.state import default_directory


def demo(directory: Path | None = None, port: int | None = None) -> int:
    """Run the demonstration until SIGINT or SIGTERM; returns the exit code.

    `directory` None: the usual state directory. `port` None: the usual one, or any that is free.
    """
    options = Options(
        directory=(directory or default_directory(os.environ)).absolute(),
        token_command=token_command(directory),
        port=port,
    )
    return asyncio.run(run(options, functools.partial(server.opened, is_demonstration=True)))


def token(
    name: str,
    directory: Path | None = None,
    *,
    lifetime_s: int = LIFETIME_S_DEFAULT,
    agent: str | None = None,
) -> str:
    """A token of the demonstration's issuer for the principal `name`. Raises IssuerError."""
    issuer = DemoIssuer.existing(directory or default_directory(os.environ))
    return issuer.mint(name, now=time.time(), lifetime_s=lifetime_s, agent=agent)


def token_command(directory: Path | None) -> tuple[str, ...]:
    """The shell words before `--as NAME` that print a token, from whatever folder they are run."""
    script = Path(sys.executable).parent / "sallyport"
    program = (str(script),) if script.exists() else (sys.executable, "-m", "proxy.cli")
    chosen = directory or default_directory(os.environ)
    # Another terminal may lack this one's XDG_STATE_HOME: only the built-in default is left unsaid.
    if chosen == default_directory({}):
        return (*program, "token")
    return (*program, "token", "--state", str(chosen.absolute()))
