"""`sallyport token create` and `sallyport service create`."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import time
from datetime import timedelta

from policies.errors import PolicyLoadError
from policies.load import load as load_policy
from proxy.commands import login_line, somebody, state_access
from proxy.commands.outcome import EXIT_OK, CommandError
from proxy.runtime.config import Configuration
from proxy.runtime.state import register
from proxy.runtime.state.login import Kind


def run(arguments: argparse.Namespace) -> int:
    """Make it and show its secret. Raises CommandError."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with state_access.opened(arguments) as access:
        wanted = _wanted(arguments, access.configuration, access.operator)
        login, secret = await register.create(access.connection, wanted, access.record)
        login_line.show_once(login, secret, is_json=arguments.json)
    return EXIT_OK


def _wanted(
    arguments: argparse.Namespace, configuration: Configuration, operator: str
) -> register.NewLogin:
    payload = somebody.payload(arguments)
    _check_claims(arguments, configuration)
    known = [source.name for source in configuration.sources]
    for name in arguments.source or ():
        if name not in known:
            raise CommandError(f'no source is called "{name}"; there are {", ".join(known)}')
    try:
        networks = [ipaddress.ip_network(text) for text in arguments.network or ()]
    except ValueError as error:
        raise CommandError(f"--network: {error}") from error
    # Times are the login's own, not those of whatever payload was given.
    kept = {name: value for name, value in payload.items() if name not in ("exp", "nbf", "iat")}
    return register.NewLogin(
        kind=Kind(arguments.kind),
        name=arguments.login,
        payload=kept,
        lifetime=timedelta(days=arguments.days),
        purpose=arguments.purpose,
        created_by=operator,
        sources=tuple(arguments.source) if arguments.source else None,
        networks=tuple(networks) or None,
    )


def _check_claims(arguments: argparse.Namespace, configuration: Configuration) -> None:
    """What the policy could not read would make a login that nobody can use."""
    try:
        policy, _ = load_policy(configuration.policies)
    except PolicyLoadError as error:
        raise CommandError(f"the policy does not load:\n{error}") from error
    somebody.identity(arguments, policy.mapping, time.time())
