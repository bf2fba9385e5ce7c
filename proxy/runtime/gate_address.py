"""Where the gate is: one URL, read strictly, because a token is sent to whatever it names.

This file must not connect. The form is libpq's connection URI (PostgreSQL documentation, 34.1.1.2)
without a password, and with two of its parameters: `sslmode=verify-full` and `sslrootcert`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from proxy.runtime.config import is_loopback

PORT_DEFAULT = 6432
"""The gate's own default (`listen.port`)."""

_SCHEMES = ("postgresql", "postgres")


class AddressError(ValueError):
    """The URL cannot be used; the message says why and quotes no part that may be secret."""


@dataclass(frozen=True, slots=True)
class GateAddress:
    """Host, port and database of a gate. `user`: as whom to log in, None to use the token's."""

    host: str
    port: int
    database: str
    user: str | None = None
    certificate_authority: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine: only then may it go unencrypted."""
        return is_loopback(self.host)

    def tls_context(self) -> ssl.SSLContext | None:
        """How to encrypt: in full to anywhere else, not at all on this machine.

        A certificate authority that is named is used for this machine too. Raises OSError,
        ssl.SSLError.
        """
        if self.is_local and self.certificate_authority is None:
            return None
        return ssl.create_default_context(
            cafile=None if self.certificate_authority is None else str(self.certificate_authority)
        )


def parse_address(text: str) -> GateAddress:
    """Read `postgresql://[user@]host[:port]/database[?sslrootcert=file]`. Raises AddressError."""
    try:
        parts = urlsplit(text)
        port = parts.port or PORT_DEFAULT
    except ValueError:
        raise AddressError("is not a URL") from None
    if parts.scheme not in _SCHEMES:
        raise AddressError("must begin with postgresql://")
    if parts.password is not None:
        raise AddressError("must hold no password: the token comes from a file or a command")
    if not parts.hostname:
        raise AddressError("needs a host")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        raise AddressError("needs the name of one database: postgresql://host:port/database")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - {"sslmode", "sslrootcert"})
    if unknown:
        raise AddressError(f"has a parameter that is not known here: {unknown[0]}")
    if options.get("sslmode", "verify-full") != "verify-full":
        raise AddressError("sslmode can only be verify-full: a token is sent there")
    authority = options.get("sslrootcert")
    return GateAddress(
        host=parts.hostname,
        port=port,
        database=database,
        user=unquote(parts.username) if parts.username else None,
        certificate_authority=Path(authority).expanduser() if authority else None,
    )
