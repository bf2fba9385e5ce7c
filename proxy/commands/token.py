"""`sallyport token --as`: a token of the demonstration's own issuer, on standard output alone.

It signs with the key of one machine's demonstration, which no other configuration accepts.
"""

from __future__ import annotations

import argparse
import time

from proxy.commands.outcome import EXIT_OK, CommandError, give
from proxy.demo.issuer import LIFETIME_S_DEFAULT, DemoIssuer, IssuerError


def run(arguments: argparse.Namespace) -> int:
    """Print the token. Raises CommandError for an unknown person, or before the first `demo`."""
    if arguments.name is None:
        raise CommandError(
            "sallyport token create, list or revoke; --as NAME is for the demonstration's people"
        )
    seconds = LIFETIME_S_DEFAULT if arguments.seconds is None else arguments.seconds
    try:
        issuer = DemoIssuer.existing(arguments.state)
        token = issuer.mint(
            arguments.name, now=time.time(), lifetime_s=seconds, agent=arguments.agent
        )
    except IssuerError as error:
        raise CommandError(str(error)) from error
    give(token)
    return EXIT_OK
