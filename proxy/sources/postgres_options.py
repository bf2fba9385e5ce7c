"""How to reach one Postgres source, and how to treat it: plain values, checked when they are made.

It must not know sockets or files' contents (the TLS context is built in `postgres_dial.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from proxy.runtime.credential import PasswordSource
from proxy.sources.pool import PoolLimits

DEFAULT_PORT = 5432
CONNECT_SECONDS_MAX = 10.0
# PostgreSQL cuts it there (NAMEDATALEN - 1).
APPLICATION_NAME = "sallyport"
STATEMENT_TIMEOUT_MS = 60_000
# On top of statement_timeout: what a busy network and server may add before the source is called
# silent.
SILENCE_GRACE_SECONDS = 30.0
# PostgreSQL server memory per cached statement is some 10 kB and up; 16 connections of 200 stay
# under 100 MB.
STATEMENTS_CACHED_MAX = 200
HOSTS_MAX = 16


class TlsMode(Enum):
    """As libpq's sslmode, without the modes that fall back to plain text silently."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_FULL = "verify-full"


class Pooling(Enum):
    """What stands between us and the server: nothing, or a pooler in transaction mode."""

    SESSION = "session"
    TRANSACTION = "transaction"


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port, or a directory (starting with `/`) that holds a Unix socket."""

    host: str
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65_536:
            raise ValueError("an address needs a host and a port from 1 to 65535")

    @property
    def is_unix_socket(self) -> bool:
        return self.host.startswith("/")

    @property
    def socket_path(self) -> str:
        """PostgreSQL documentation, 20.3 unix_socket_directories: `.s.PGSQL.<port>` in the
        directory.
        """
        assert self.is_unix_socket
        return f"{self.host}/.s.PGSQL.{self.port}"


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """`certificate_authority_file` None: the system's. `require` encrypts without proof of
    identity.
    """

    mode: TlsMode = TlsMode.VERIFY_FULL
    certificate_authority_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """One source. `addresses` are tried in order, the last one that worked first.

    `allows_cleartext_password`: answer AuthenticationCleartextPassword, which some clouds' token
    logins use; only ever inside TLS. `jit` False spares short queries the compiler's start-up cost.
    `extension_schemas` hold the extensions that the operator trusts, whose operators are found by
    search path.
    """

    name: str
    addresses: tuple[Address, ...]
    database: str
    user: str
    password: PasswordSource | None = field(default=None, repr=False)
    tls: TlsOptions = TlsOptions()
    pooling: Pooling = Pooling.SESSION
    pool: PoolLimits = field(default_factory=PoolLimits)
    allows_cleartext_password: bool = False
    jit: bool = False
    row_security: bool = True
    application_name: str = APPLICATION_NAME
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS
    connect_seconds_max: float = CONNECT_SECONDS_MAX
    statements_cached_max: int = STATEMENTS_CACHED_MAX
    extension_schemas: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.addresses) <= HOSTS_MAX:
            raise ValueError(f"a source needs 1 to {HOSTS_MAX} addresses")
        if self.statement_timeout_ms < 1:
            raise ValueError("statement_timeout_ms must be at least 1: no limit is not a choice")
        if self.allows_cleartext_password and self.tls.mode is TlsMode.DISABLE:
            raise ValueError("a cleartext password is sent inside TLS only")
        for text in (self.database, self.user, self.application_name):
            if not text or "\0" in text:
                raise ValueError(
                    "database, user and application_name must be given, without zero bytes"
                )

    @property
    def search_path(self) -> str:
        """Where operators are looked up: built-in ones, then those of trusted extensions."""
        quoted = ('"' + name.replace('"', '""') + '"' for name in self.extension_schemas)
        return ", ".join(("pg_catalog", *quoted))

    @property
    def silence_seconds_max(self) -> float:
        """How long the source may send nothing while it owes an answer."""
        return self.statement_timeout_ms / 1000 + SILENCE_GRACE_SECONDS
