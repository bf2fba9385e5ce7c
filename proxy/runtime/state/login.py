"""Who may log in with a secret: one login with its secrets, as read from the state database.

This file must not know sockets, exchanges or policies. It reads and judges; nothing is written but
the time of the last use.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from proxy.runtime.state.database import StateDatabase

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

LAST_USE_SECONDS_MIN: Final = 60
"""A login from the same address within this time is not written again."""
CHANNEL: Final = "sallyport_login"
"""Notifications of changed logins; the payload is a login's number (migration 0001)."""


class Kind(Enum):
    """What a login is for. The value is its name in the database."""

    TOKEN = "token"  # noqa: S105 - a name, not a secret
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """One secret of a login. `expires_at` in unix seconds."""

    id: str
    verifier: str = field(repr=False)
    digest: bytes = field(repr=False)
    expires_at: float
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class Login:
    """A login and its secrets. `payload`: JSON, as a verified token's would be.

    `sources` None: all; `networks` None: from anywhere. Times in unix seconds.
    """

    id: int
    kind: Kind
    name: str
    subject: str
    payload: str = field(repr=False)
    sources: frozenset[str] | None
    networks: tuple[IpNetwork, ...] | None
    salt: bytes = field(repr=False)
    expires_at: float
    is_revoked: bool
    last_used_from: str | None
    secrets: tuple[KeptSecret, ...]

    def refusal(self, now: float, address: IpAddress | None) -> str | None:
        """Why nobody may use it now from `address` (None: a Unix socket); None if they may."""
        if self.is_revoked:
            return "it is revoked"
        if now >= self.expires_at:
            return "it has expired"
        if not is_within(address, self.networks):
            return "its networks do not include this address"
        return None

    def usable_secrets(self, now: float) -> tuple[KeptSecret, ...]:
        """Those that are neither revoked nor expired."""
        return tuple(one for one in self.secrets if not one.is_revoked and now < one.expires_at)


def is_within(address: IpAddress | None, networks: Sequence[IpNetwork] | None) -> bool:
    """Whether an address lies in one of the networks. A Unix socket lies in no network."""
    if networks is None:
        return True
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and any(address in network for network in networks)


def address_of(peer: str) -> IpAddress | None:
    """The address in `host:port`, None for a Unix socket."""
    host = peer.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


_COLUMNS: Final = """
    SELECT l.id, l.kind, l.name, l.subject, l.payload, l.sources, l.networks::text[] AS networks,
           l.salt, extract(epoch FROM l.expires_at)::float8 AS expires_at,
           l.revoked_at IS NOT NULL AS is_revoked, host(l.last_used_from) AS last_used_from,
           s.id AS secret_id, s.verifier, s.digest, s.revoked_at IS NOT NULL AS secret_is_revoked,
           extract(epoch FROM s.expires_at)::float8 AS secret_expires_at
    FROM sallyport.login l LEFT JOIN sallyport.secret s ON s.login_id = l.id
"""
_BY_NAME: Final = _COLUMNS + " WHERE l.kind = $1 AND l.name = $2 ORDER BY s.created_at DESC, s.id"
_BY_SECRET: Final = _COLUMNS + " WHERE l.id = (SELECT login_id FROM sallyport.secret WHERE id = $1)"
_USED: Final = f"""
    UPDATE sallyport.login SET last_used_at = now(), last_used_from = $2::text::inet
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_from IS DISTINCT FROM $2::text::inet
                       OR last_used_at < now() - interval '{LAST_USE_SECONDS_MIN} s')
"""
_GOOD: Final = """
    SELECT l.id AS login_id, s.id AS secret_id, l.networks::text[] AS networks
    FROM sallyport.login l JOIN sallyport.secret s ON s.login_id = l.id
    WHERE s.id = ANY($1::text[]) AND l.revoked_at IS NULL AND s.revoked_at IS NULL
      AND l.expires_at > now() AND s.expires_at > now()
"""


async def find_by_name(state: StateDatabase, kind: Kind, name: str) -> Login | None:
    """The login of that name. Raises StateUnavailable."""
    return _login(await state.fetch(_BY_NAME, kind.value, name))


async def find_by_secret(state: StateDatabase, identifier: str) -> Login | None:
    """The login that a secret of this public id belongs to. Raises StateUnavailable."""
    return _login(await state.fetch(_BY_SECRET, identifier))


async def note_use(state: StateDatabase, login: Login, address: IpAddress | None) -> None:
    """Remember when and from where it was used; at most once a minute. Raises StateUnavailable."""
    await state.fetch(_USED, login.id, None if address is None else str(address))


async def still_good(
    state: StateDatabase, identifiers: Iterable[str]
) -> dict[str, tuple[IpNetwork, ...] | None]:
    """Those of the secrets that may still be used, with their networks. Raises StateUnavailable."""
    rows = await state.fetch(_GOOD, list(identifiers))
    return {row["secret_id"]: networks(row["networks"]) for row in rows}


async def mock_key(state: StateDatabase) -> bytes:
    """What answers for unknown names are derived from. Raises StateUnavailable."""
    rows = await state.fetch("SELECT mock_key FROM sallyport.installation")
    return bytes(rows[0]["mock_key"])


def networks(texts: Sequence[str] | None) -> tuple[IpNetwork, ...] | None:
    """Networks from their texts. Raises ValueError."""
    return None if texts is None else tuple(ipaddress.ip_network(text) for text in texts)


def _login(rows: Sequence[Any]) -> Login | None:
    if not rows:
        return None
    first = rows[0]
    return Login(
        id=first["id"],
        kind=Kind(first["kind"]),
        name=first["name"],
        subject=first["subject"],
        payload=first["payload"],
        sources=None if first["sources"] is None else frozenset(first["sources"]),
        networks=networks(first["networks"]),
        salt=bytes(first["salt"]),
        expires_at=first["expires_at"],
        is_revoked=first["is_revoked"],
        last_used_from=first["last_used_from"],
        secrets=tuple(
            KeptSecret(
                row["secret_id"],
                row["verifier"],
                bytes(row["digest"]),
                row["secret_expires_at"],
                row["secret_is_revoked"],
            )
            for row in rows
            if row["secret_id"] is not None
        ),
    )
