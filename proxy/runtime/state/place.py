"""Where the state database is: a connection string, and where its password is read from.

This file must not know tables. A place travels to worker processes as JSON, so it names the
password's place and never holds the password (I8).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import asyncpg

from proxy.runtime.config_model import State
from proxy.runtime.embedded import DEFAULT_PORT, SUPERUSER, socket_note

DATABASE: Final = "sallyport"
CONNECT_SECONDS_MAX: Final = 5.0
"""To connect and log in: somebody waits to be let in."""


class StateError(Exception):
    """The state cannot be used. The message is the operator's, and holds no secret."""


class StateUnreachable(StateError):
    """Nobody answers, or we are not let in: it may be better later."""


@dataclass(frozen=True, slots=True)
class StatePlace:
    """`dsn` without a password; the password comes from a file, a variable, or is not needed.

    For an embedded cluster `dsn` is empty and `directory` the cluster's: where its socket lies is
    noted there, and changes when another process takes the cluster over.
    """

    dsn: str
    password_file: str | None = None
    password_environment: str | None = None
    directory: str | None = None

    @classmethod
    def configured(cls, state: State) -> Self:
        """The place that a configuration names by `dsn`."""
        assert state.dsn is not None, "an embedded state has its place from its cluster"
        password = state.password
        if password is None:
            return cls(state.dsn)
        file = None if password.file is None else str(password.file)
        return cls(state.dsn, file, password.environment)

    @classmethod
    def of_cluster(cls, directory: Path) -> Self:
        """The place of an embedded cluster, whoever runs it."""
        whole = directory.absolute()
        return cls("", str(whole / "password"), directory=str(whole))

    def address(self) -> str:
        """The connection string as of now. Raises StateUnreachable."""
        if self.directory is None:
            return self.dsn
        try:
            sockets = socket_note(Path(self.directory)).read_text(encoding="utf-8")
        except OSError as error:
            raise StateUnreachable("the embedded state database does not run") from error
        host = quote(sockets)
        return f"postgresql:///{DATABASE}?host={host}&port={DEFAULT_PORT}&user={SUPERUSER}"

    def password(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """Read anew at each connect. Raises StateUnreachable."""
        try:
            if self.password_file is not None:
                return Path(self.password_file).read_text(encoding="utf-8").rstrip("\r\n")
            if self.password_environment is not None:
                return environment[self.password_environment]
        except (OSError, UnicodeDecodeError, KeyError) as error:
            raise StateUnreachable("the state database's password cannot be read") from error
        return None

    async def connect(self) -> asyncpg.Connection:
        """A connection; the caller closes it. Raises StateUnreachable."""
        try:
            return await asyncpg.connect(self.address(), **self.options())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            # asyncpg's own texts may quote the connection string.
            told = str(error) if isinstance(error, asyncpg.PostgresError) else type(error).__name__
            raise StateUnreachable(f"the state database cannot be reached: {told}") from error

    def options(self) -> dict[str, object]:
        """What asyncpg needs beside the string, for a connection or a pool."""
        return {
            "password": self.password(),
            "timeout": CONNECT_SECONDS_MAX,
            "server_settings": {"application_name": "sallyport", "search_path": "pg_catalog"},
        }
