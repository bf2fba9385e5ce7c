"""`sallyport claim set`, `unset` and `list`."""

from __future__ import annotations

import argparse
import asyncio

from proxy.commands import state_access
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, CommandError, give, give_json
from proxy.runtime.state import claims


def run(arguments: argparse.Namespace) -> int:
    """Do what `act` says. Raises CommandError."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with state_access.opened(arguments) as access:
        if arguments.act == "list":
            return await _list(arguments, access)
        subject, name = arguments.subject, arguments.claim
        if arguments.act == "set":
            try:
                await claims.put(
                    access.connection, subject, name, arguments.value, by=access.operator
                )
            except ValueError as error:
                raise CommandError(
                    f"the value is not JSON ({error}); text is '\"like this\"'"
                ) from error
        elif not await claims.remove(access.connection, subject, name):
            raise CommandError(f'nothing is kept for "{subject}" as "{name}"', EXIT_PROBLEMS)
    return EXIT_OK


async def _list(arguments: argparse.Namespace, access: state_access.Access) -> int:
    for one in await claims.listed(access.connection, arguments.subject):
        if arguments.json:
            give_json(
                {
                    "subject": one.subject,
                    "name": one.name,
                    "value": one.value,
                    "set_at": one.set_at.isoformat(timespec="seconds"),
                    "set_by": one.set_by,
                }
            )
        else:
            moment = one.set_at.isoformat(timespec="seconds")
            give(f"{one.subject}  {one.name}  {one.value}  set {moment} by {one.set_by}")
    return EXIT_OK
