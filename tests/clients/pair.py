"""The two ends that every client is driven against: a Postgres with TLS, and a gate with TLS before it.

Both ends know the same user with the same password: a token of more than four kilobytes, which the
gate reads as an identity and Postgres as any other password.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from tests.fidelity.pair import DATABASE, ROLE, serving
from tests.servers import certificate
from tests.servers.postgres import Server

USER = "reader"
TOKEN_CHARACTERS_MIN = 4096
PADDING = {"groups": [f"department-{number:04}" for number in range(200)]}
"""What identity providers put into tokens: groups, and groups of groups."""

INHERITED = ("HOME", "PATH", "LD_LIBRARY_PATH", "SSL_CERT_DIR", "XDG_CACHE_HOME")


@dataclass(frozen=True, slots=True)
class End:
    """One server as a client reaches it."""

    name: str
    port: int
    password: str = field(repr=False)
    certificate: Path

    def environment(self) -> dict[str, str]:
        """The variables by which every program is told where to go; libpq reads them itself."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {
            **inherited,
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": self.password,
            "PGDATABASE": DATABASE,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.certificate),
            "PGGSSENCMODE": "disable",
        }


@dataclass(frozen=True, slots=True)
class Ends:
    """The source itself, and the gate before it."""

    direct: End
    gate: End


@asynccontextmanager
async def both(server: Server) -> AsyncIterator[Ends]:
    """Fill a database of `server` and put a gate before it that withholds nothing."""
    with tempfile.TemporaryDirectory(prefix="sallyport-clients-") as name:
        public, private = certificate.write(Path(name), "gate")
        listen = {"tls": {"certificate": str(public), "key": str(private)}}
        async with serving(server, listen=listen, claims=PADDING) as pair:
            token = pair.gate.password
            assert len(token) >= TOKEN_CHARACTERS_MIN
            _create_reader(server, token)
            try:
                yield Ends(
                    End("direct", server.port, token, server.root_certificate),
                    End("gate", pair.gate.port, token, public),
                )
            finally:
                with server.connect(DATABASE) as owner:
                    owner.execute(f"DROP OWNED BY {USER}; DROP ROLE {USER}")


def _create_reader(server: Server, token: str) -> None:
    """The same user as behind the gate, with what the gate's own role may read."""
    with server.connect(DATABASE) as owner:
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}")
        owner.execute(
            statement.format(sql.Identifier(USER), sql.Literal(token), sql.Identifier(ROLE))
        )
        # The gate's own default; the server's comes from the machine.
        owner.execute(f"ALTER ROLE {USER} SET TimeZone = 'UTC'")
