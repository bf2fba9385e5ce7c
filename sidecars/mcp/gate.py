"""A connection to the gate for the length of one tool call, with the caller's own token.

This file must not know tools. INVARIANT I8: the token leaves its `Secret` here, as the password of
one login, and nowhere else. There is no other credential: whoever has none gets no connection.

Theory of operation. A call logs in, works, and ends. Whatever goes wrong meanwhile, a cancelled
call too, the socket is aborted: the gate notices, and cancels what runs at the source.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from policies.secret import Secret
from proxy.runtime.gate_address import GateAddress
from proxy.runtime.trace_parent import TraceParent
from sidecars.mcp.limits import CONNECT_SECONDS_MAX

APPLICATION_NAME = "sallyport-mcp"
CLOSE_SECONDS_MAX = 2.0


class GateUnreachable(Exception):
    """No connection; the message is for the model and its operator, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is. `trace`: what the gate's work for it is part of, if the caller told."""

    token: Secret[str] = field(repr=False)
    user: str
    trace: TraceParent | None = None

    @property
    def fingerprint(self) -> str:
        """Tells callers apart without telling their tokens: SHA-256, hexadecimal."""
        return hashlib.sha256(self.token.reveal().encode()).hexdigest()


@dataclass(slots=True)
class Session:
    """A login, and what the gate said beside its answers."""

    connection: asyncpg.Connection
    notices: list[str] = field(default_factory=list)


@asynccontextmanager
async def logged_in(
    address: GateAddress, caller: Caller, *, statement_ms_max: int
) -> AsyncIterator[Session]:
    """A session of `caller`. Raises GateUnreachable; asyncpg.PostgresError for a refused login."""
    settings = {
        "application_name": APPLICATION_NAME,
        "statement_timeout": str(statement_ms_max),
    }
    if caller.trace is not None:
        settings["sallyport.trace"] = str(caller.trace)
    try:
        connection = await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=caller.user,
            password=caller.token.reveal(),
            database=address.database,
            ssl=address.tls_context() or False,
            timeout=CONNECT_SECONDS_MAX,
            server_settings=settings,
        )
    except (TimeoutError, asyncpg.InterfaceError, ssl.SSLError, OSError) as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        place = f"{address.host}:{address.port}"
        raise GateUnreachable(f"the gate at {place} cannot be reached ({reason})") from error
    session = Session(connection)
    connection.add_log_listener(lambda _, message: session.notices.append(str(message)))
    try:
        yield session
    except BaseException:
        connection.terminate()
        raise
    try:
        await connection.close(timeout=CLOSE_SECONDS_MAX)
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection.terminate()


def subject_of(token: Secret[str]) -> str:
    """The `sub` of a token that nobody here has verified: the name to log in with, which the gate
    records and proves nothing by. `agent` if there is none to be read.
    """
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return "agent"
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return "agent"
    subject = payload.get("sub") if isinstance(payload, dict) else None
    return subject[:64] if isinstance(subject, str) and subject.strip("\0") else "agent"
