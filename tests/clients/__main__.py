"""`python -m tests.clients install | table | compare [CLIENT…]`.

install    fetch and build every client, before the tests run
table      the table that README shows
compare    drive the named clients (default: all) and print every difference in full
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.clients import install
from tests.clients.pair import both
from tests.clients.report import table
from tests.clients.roster import CLIENTS, Client
from tests.clients.transcript import ClientFailed, differences, take
from tests.servers.install import ServerUnavailable
from tests.servers.postgres import DEFAULT_MAJOR, Server, running

SHOWN_CHARACTERS = 1200


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code, 1 when a client cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("command", choices=["install", "table", "compare"])
    parser.add_argument("clients", nargs="*", choices=[[], *(one.name for one in CLIENTS)])
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "install":
                install.everything()
            case "table":
                print("\n".join(table()))
            case _:
                wanted = [one for one in CLIENTS if one.name in (options.clients or [one.name])]
                with running(DEFAULT_MAJOR) as server:
                    asyncio.run(_compare(server, wanted))
    except ServerUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _compare(server: Server, clients: list[Client]) -> None:
    async with both(server) as ends:
        for client in clients:
            print(f"# {client.name}")
            command = await asyncio.to_thread(client.command)
            taking = (
                take(command, end, is_text=client.is_text) for end in (ends.direct, ends.gate)
            )
            try:
                direct, gate = await asyncio.gather(*taking)
            except ClientFailed as error:
                print(error)
                continue
            for step, said in differences(direct, gate).items():
                first = next(
                    (n for n, pair in enumerate(zip(*said, strict=False)) if pair[0] != pair[1]), 0
                )
                begin = max(0, first - 80)
                shown = (text[begin : begin + SHOWN_CHARACTERS] for text in said)
                print(
                    f"## {step}, from character {begin}\n-- direct\n{{}}\n-- gate\n{{}}".format(
                        *shown
                    )
                )
            for step in direct.errors:
                print(f"## {step} fails without the gate: {direct.steps[step]}")
            print(gate.remarks)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
