"""A command's way to the state database and the audit log of the gate that it looks at.

This file must not know what is done there. A change is recorded before it is committed, in a log of
the commands' own beside those of the workers: one command at a time may have it.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from proxy.commands.looking import configuration as read_configuration
from proxy.commands.outcome import EXIT_PROBLEMS, CommandError
from proxy.runtime.audit import AuditFault, AuditLog, LoginChange
from proxy.runtime.config import Configuration
from proxy.runtime.state.cluster import reached
from proxy.runtime.state.database import prepare
from proxy.runtime.state.place import StateError
from proxy.runtime.state.register import Listed, LoginError

PROCESS: Final = "commands"
AUDIT_SECONDS_MAX: Final = 10.0
"""How long to wait for another command that has the log."""


@dataclass(frozen=True, slots=True)
class Access:
    """An open state database, and who is at the keyboard."""

    configuration: Configuration
    connection: asyncpg.Connection
    operator: str

    async def record(self, change: str, login: Listed) -> None:
        """Write a change into the audit log. Raises AuditFault."""
        audit = await _log(self.configuration)
        try:
            event = LoginChange(
                change=change,
                login=login.user,
                subject=login.subject,
                by=self.operator,
                purpose=login.purpose,
                sources=login.sources,
                networks=login.networks,
                expires_at=login.expires_at.timestamp(),
                secrets=login.secrets,
            )
            await audit.record(event)
        finally:
            await audit.close()


@asynccontextmanager
async def opened(arguments: argparse.Namespace) -> AsyncIterator[Access]:
    """The state of the gate that the command looks at. Raises CommandError for what goes wrong."""
    configuration = read_configuration(arguments)
    if configuration.state is None:
        raise CommandError(
            f"{configuration.file}: there is no `state` section; `state: {{directory: state}}`"
            " keeps access tokens in an embedded Postgres"
        )
    try:
        async with reached(configuration.state) as place:
            await prepare(place)
            connection = await place.connect()
            try:
                yield Access(configuration, connection, operator())
            finally:
                await connection.close()
    except (LoginError, ValueError) as error:
        raise CommandError(str(error)) from error
    except (StateError, AuditFault) as error:
        raise CommandError(str(error), EXIT_PROBLEMS) from error


def operator() -> str:
    """Who is at the keyboard, as the operating system knows them: `user@host`."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return f"{user}@{socket.gethostname()}"


async def _log(configuration: Configuration) -> AuditLog:
    audit, loop = configuration.audit, asyncio.get_running_loop()
    until = loop.time() + AUDIT_SECONDS_MAX
    while True:
        try:
            return await AuditLog.open(
                audit.directory,
                audit.mode,
                redact_literals=audit.redact_literals,
                process=PROCESS,
                segment_bytes_max=audit.segment_bytes_max,
            )
        except AuditFault:
            if loop.time() >= until:
                raise
            await asyncio.sleep(0.05)
