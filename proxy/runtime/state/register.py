"""Making and ending logins: what the `sallyport token` and `sallyport service` commands do.

This file must not know the command line, nor what a payload means. Every change takes the lock of
its login's row, and is recorded in the audit log before it is committed (I6): `record` is called
inside the transaction, and what it raises undoes the change.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from policies.secret import Secret
from proxy.runtime.state import secret_text
from proxy.runtime.state.login import IpNetwork, Kind
from proxy.runtime.state.place import StateError

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
VALID_SECRETS_MAX: Final = 2
"""Of a service account: the one in use, and the one that replaces it."""
LIFETIME_DAYS_MAX: Final = 366
PAYLOAD_BYTES_MAX: Final = 8_192
"""As of a token that carries the same (policies/token.py)."""

# Told what happens to whom; raises when it cannot be recorded.
Record = Callable[[str, "Listed"], Awaitable[object]]


class LoginError(Exception):
    """What was asked cannot be done; the message is for the terminal."""


@dataclass(frozen=True, slots=True)
class NewLogin:
    """What is asked for. `payload` as a verified token's, without times; `sources`, `networks`
    None: all."""

    kind: Kind
    name: str
    payload: dict[str, object]
    lifetime: timedelta
    purpose: str
    created_by: str
    sources: tuple[str, ...] | None = None
    networks: tuple[IpNetwork, ...] | None = None

    def check(self) -> None:
        """Raise LoginError for what cannot be kept."""
        if not NAME.fullmatch(self.name):
            raise LoginError(
                f'"{self.name}" cannot be a name: lower-case letters, digits, "-", "_" and ".", 63'
                " at most"
            )
        if not isinstance(self.payload.get("sub"), str) or not self.payload["sub"]:
            raise LoginError("a login belongs to a subject")
        if len(json.dumps(self.payload, default=str)) > PAYLOAD_BYTES_MAX:
            raise LoginError(f"the claims are larger than {PAYLOAD_BYTES_MAX} bytes")
        _check_lifetime(self.lifetime)


@dataclass(frozen=True, slots=True)
class Listed:
    """A login as it may be shown: nothing secret. `state`: active, expired or revoked."""

    kind: Kind
    name: str
    subject: str
    sources: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    purpose: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    state: str
    last_used_at: datetime | None
    last_used_from: str | None
    secrets: tuple[str, ...]

    @property
    def user(self) -> str:
        """The user name that a client connects with."""
        return f"{self.kind.value}.{self.name}"


async def create(
    connection: asyncpg.Connection, wanted: NewLogin, record: Record
) -> tuple[Listed, Secret[str]]:
    """A new login, and its secret, which nobody can see again. Raises LoginError, StateError."""
    wanted.check()
    salt = secrets.token_bytes(secret_text.SALT_BYTES)
    expires_at = datetime.now(UTC) + wanted.lifetime
    made = secret_text.make(salt)
    try:
        async with connection.transaction():
            login_id = await connection.fetchval(
                "INSERT INTO sallyport.login (kind, name, subject, payload, sources, networks,"
                " purpose, salt, created_by, expires_at)"
                " VALUES ($1, $2, $3, $4, $5, $6::text[]::cidr[], $7, $8, $9, $10) RETURNING id",
                wanted.kind.value,
                wanted.name,
                wanted.payload["sub"],
                json.dumps(wanted.payload),
                wanted.sources,
                None if wanted.networks is None else [str(one) for one in wanted.networks],
                wanted.purpose,
                salt,
                wanted.created_by,
                expires_at,
            )
            await _keep(connection, login_id, made, expires_at)
            listed = await _one(connection, wanted.kind, wanted.name)
            await record("created", listed)
    except asyncpg.UniqueViolationError:
        raise LoginError(
            f'there is a {wanted.kind.value} "{wanted.name}" already; names are never used twice'
        ) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database refused: {type(error).__name__}") from error
    return listed, made.text


async def rotate(
    connection: asyncpg.Connection,
    kind: Kind,
    name: str,
    *,
    overlap: timedelta,
    lifetime: timedelta,
    record: Record,
) -> tuple[Listed, Secret[str]]:
    """A further secret, and `lifetime` from now for the login; the secret before it ends after
    `overlap`. Raises LoginError, StateError."""
    if overlap < timedelta():
        raise LoginError("the overlap is no negative time")
    _check_lifetime(lifetime)
    expires_at = datetime.now(UTC) + lifetime
    try:
        async with connection.transaction():
            row = await _locked(connection, kind, name)
            if row["revoked_at"] is not None:
                raise LoginError(f'"{name}" is revoked')
            # The newest one stays for the overlap; older ones end now: never more than two.
            await connection.execute(
                "UPDATE sallyport.secret SET revoked_at = now() WHERE login_id = $1"
                " AND revoked_at IS NULL AND id NOT IN (SELECT id FROM sallyport.secret"
                " WHERE login_id = $1 ORDER BY created_at DESC, id LIMIT $2)",
                row["id"],
                VALID_SECRETS_MAX - 1,
            )
            await connection.execute(
                "UPDATE sallyport.secret SET expires_at = least(expires_at, now() + $2)"
                " WHERE login_id = $1 AND revoked_at IS NULL",
                row["id"],
                overlap,
            )
            await connection.execute(
                "UPDATE sallyport.login SET expires_at = $2 WHERE id = $1", row["id"], expires_at
            )
            made = secret_text.make(bytes(row["salt"]))
            await _keep(connection, row["id"], made, expires_at)
            listed = await _one(connection, kind, name)
            await record("rotated", listed)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database refused: {type(error).__name__}") from error
    return listed, made.text


async def revoke(
    connection: asyncpg.Connection, kind: Kind, name: str, *, by: str, record: Record
) -> Listed:
    """End a login for good: nobody gets in, and who is in is put out. Twice changes nothing more.

    Raises LoginError, StateError.
    """
    try:
        async with connection.transaction():
            row = await _locked(connection, kind, name)
            await connection.execute(
                "UPDATE sallyport.login SET revoked_at = now(), revoked_by = $2"
                " WHERE id = $1 AND revoked_at IS NULL",
                row["id"],
                by,
            )
            listed = await _one(connection, kind, name)
            await record("revoked", listed)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database refused: {type(error).__name__}") from error
    return listed


_LISTED: Final = """
    SELECT l.kind, l.name, l.subject, l.sources, l.networks::text[] AS networks, l.purpose,
           l.created_at, l.created_by, l.expires_at, l.last_used_at,
           host(l.last_used_from) AS last_used_from,
           CASE WHEN l.revoked_at IS NOT NULL THEN 'revoked'
                WHEN l.expires_at <= now() THEN 'expired' ELSE 'active' END AS state,
           ARRAY(SELECT s.id FROM sallyport.secret s WHERE s.login_id = l.id
                 AND s.revoked_at IS NULL AND s.expires_at > now()
                 ORDER BY s.created_at DESC, s.id) AS secrets
    FROM sallyport.login l WHERE l.kind = $1
"""


async def listed(
    connection: asyncpg.Connection, kind: Kind, subject: str | None = None
) -> Sequence[Listed]:
    """All logins of a kind, the oldest first; of one subject only, if given. Raises StateError."""
    try:
        rows = await connection.fetch(
            _LISTED + " AND ($2::text IS NULL OR l.subject = $2) ORDER BY l.id", kind.value, subject
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database refused: {type(error).__name__}") from error
    return [_listed(row) for row in rows]


def _check_lifetime(lifetime: timedelta) -> None:
    if not timedelta() < lifetime <= timedelta(days=LIFETIME_DAYS_MAX):
        raise LoginError(f"it lives between a moment and {LIFETIME_DAYS_MAX} days")


async def _locked(connection: asyncpg.Connection, kind: Kind, name: str) -> Any:
    row = await connection.fetchrow(
        "SELECT id, salt, revoked_at FROM sallyport.login WHERE kind = $1 AND name = $2 FOR UPDATE",
        kind.value,
        name,
    )
    if row is None:
        raise LoginError(f'there is no {kind.value} "{name}"')
    return row


async def _one(connection: asyncpg.Connection, kind: Kind, name: str) -> Listed:
    return _listed(await connection.fetchrow(_LISTED + " AND l.name = $2", kind.value, name))


async def _keep(
    connection: asyncpg.Connection,
    login_id: int,
    made: secret_text.NewSecret,
    expires_at: datetime,
) -> None:
    # clock_timestamp: two secrets of one transaction would otherwise have one age.
    await connection.execute(
        "INSERT INTO sallyport.secret (id, login_id, verifier, digest, created_at, expires_at)"
        " VALUES ($1, $2, $3, $4, clock_timestamp(), $5)",
        made.id,
        login_id,
        made.verifier,
        made.digest,
        expires_at,
    )


def _listed(row: Any) -> Listed:
    return Listed(
        kind=Kind(row["kind"]),
        name=row["name"],
        subject=row["subject"],
        sources=None if row["sources"] is None else tuple(row["sources"]),
        networks=None if row["networks"] is None else tuple(row["networks"]),
        purpose=row["purpose"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        state=row["state"],
        last_used_at=row["last_used_at"],
        last_used_from=row["last_used_from"],
        secrets=tuple(row["secrets"]),
    )
