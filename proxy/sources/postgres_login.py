"""From an open channel to a session: startup, authentication, first reports.

It must not know pools or statements. INVARIANT I8: the password is revealed here and nowhere else.

Theory of operation. The server must prove itself when a password is configured: SCRAM gives that
proof (RFC 5802 §5), a server that skips it is refused, and so is any method weaker than SCRAM,
except a cleartext password where the operator allows it inside TLS. Without a configured password
the server must let us in by other means (trust or peer on a Unix socket, a client certificate).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field

from policies.secret import Secret
from proxy.faults import SourceFault
from proxy.sources.condition import edit_error
from proxy.sources.postgres_channel import Channel, Message
from proxy.sources.postgres_dial import Dialled
from proxy.sources.postgres_options import PostgresOptions
from proxy.sources.postgres_pins import startup_parameters
from proxy.wire.backend import (
    AuthenticationCleartextPassword,
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendKeyData,
    ErrorResponse,
    ReadyForQuery,
)
from proxy.wire.errors import WireError
from proxy.wire.frontend import (
    PasswordMessage,
    SASLInitialResponse,
    SASLResponse,
    StartupMessage,
)
from proxy.wire.scram import ScramClient

# 3.0 is what every pooler in between understands; libpq 18 asks for it by default, too.
PROTOCOL_VERSION = (3, 0)
# RFC 5802 sets no length; PostgreSQL uses 18 random bytes.
NONCE_BYTES = 18
SERVER_VERSION_MIN = 140000
# The classification of functions and operators covers 14 to 18: what is newer was never judged.
SERVER_VERSION_END = 190000

# "16.14 (Debian 16.14-1)", "18beta1", "17devel".
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")


class LoginError(Exception):
    """The server did not let us in, or was refused. The text is ours; `sqlstate` the server's, if
    it gave one.
    """

    def __init__(self, text: str, sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class UnfitServer(LoginError):
    """The server is of a version that is never served: trying again does not help."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the login taught: how to cancel, and the server's version as a number (160014)."""

    process_id: int | None
    cancel_key: bytes | None = field(repr=False)
    server_version: int


async def log_in(
    dialled: Dialled, options: PostgresOptions, password: Secret[str] | None
) -> Session:
    """Start a session. Raises LoginError, UnfitServer for a version outside 14 to 18, or
    SourceFault when the channel breaks; the caller closes it then.
    """
    channel = dialled.channel
    reports: dict[str, str] = {}
    observe = channel.observe_parameter

    def note(name: str, value: str) -> bool:
        reports[name] = value
        return observe(name, value)

    channel.observe_parameter = note
    try:
        channel.write(StartupMessage(PROTOCOL_VERSION, startup_parameters(options)).encode())
        await _Authentication(dialled, options, password).run()
        key = await _settle(channel, options.connect_seconds_max)
    except WireError as error:
        raise LoginError(error.message) from None
    finally:
        channel.observe_parameter = observe
    version = version_number(reports.get("server_version", ""))
    if version < SERVER_VERSION_MIN:
        raise UnfitServer("the server is older than PostgreSQL 14")
    if version >= SERVER_VERSION_END:
        raise UnfitServer("the server is newer than PostgreSQL 18")
    for name in ("client_encoding", "standard_conforming_strings", "integer_datetimes"):
        if name not in reports:
            raise LoginError(f"the server does not report {name}")
    if key is None:
        return Session(None, None, version)
    return Session(key.process_id, key.secret_key, version)


def version_number(text: str) -> int:
    """`server_version` as a number like server_version_num: "16.14 (…)" is 160014; 0 for none."""
    match = _VERSION.match(text)
    if match is None:
        return 0
    return int(match[1]) * 10_000 + int(match[2] or 0)


class _Authentication:
    """One run of the exchange between StartupMessage and AuthenticationOk."""

    def __init__(
        self, dialled: Dialled, options: PostgresOptions, password: Secret[str] | None
    ) -> None:
        self._channel = dialled.channel
        self._binding = dialled.channel_binding
        self._options = options
        self._password = password

    async def run(self) -> None:
        match await self._read():
            case AuthenticationOk():
                if self._password is not None:
                    # A password is configured: whoever does not ask for it proves nothing.
                    raise LoginError("the server did not ask for the password")
            case AuthenticationSASL(mechanisms):
                await self._scram(mechanisms)
            case AuthenticationCleartextPassword():
                await self._cleartext()
            case message:
                raise _unexpected(message)

    async def _scram(self, mechanisms: tuple[str, ...]) -> None:
        scram = ScramClient(
            self._demand_password().reveal(),
            nonce=secrets.token_bytes(NONCE_BYTES),
            channel_binding=self._binding,
        )
        mechanism = scram.choose(mechanisms)
        self._channel.write(SASLInitialResponse(mechanism, scram.first()).encode())
        challenge = await self._read()
        if not isinstance(challenge, AuthenticationSASLContinue):
            raise _unexpected(challenge)
        # PBKDF2 takes milliseconds, and as long as a hostile server's iteration count allows.
        proof = await asyncio.to_thread(scram.final, challenge.data)
        self._channel.write(SASLResponse(proof).encode())
        final = await self._read()
        if not isinstance(final, AuthenticationSASLFinal):
            raise _unexpected(final)
        scram.verify(final.data)
        await self._demand_ok()
        if not scram.is_verified:
            raise LoginError("the server did not prove that it knows the password")

    async def _cleartext(self) -> None:
        # `_binding` is None for TLS with an unusual certificate too: ask the transport.
        is_encrypted = self._channel.get_extra_info("ssl_object") is not None
        if not (self._options.allows_cleartext_password and is_encrypted):
            raise LoginError("the server asks for a cleartext password, which is not allowed")
        self._channel.write(PasswordMessage(self._demand_password().reveal()).encode())
        await self._demand_ok()

    async def _demand_ok(self) -> None:
        message = await self._read()
        if not isinstance(message, AuthenticationOk):
            raise _unexpected(message)

    def _demand_password(self) -> Secret[str]:
        if self._password is None:
            raise LoginError("the server asks for a password, and none is configured")
        return self._password

    async def _read(self) -> Message:
        message = await self._channel.next_message(self._options.connect_seconds_max)
        if isinstance(message, ErrorResponse):
            raise _refused(message)
        return message


async def _settle(channel: Channel, seconds_max: float) -> BackendKeyData | None:
    """Read from AuthenticationOk to ReadyForQuery; a pooler may send no cancel key."""
    key: BackendKeyData | None = None
    while True:
        match await channel.next_message(seconds_max):
            case BackendKeyData() as message if key is None:
                key = message
            case ReadyForQuery(status) if status == b"I":
                return key
            case ErrorResponse() as message:
                raise _refused(message)
            case message:
                raise _unexpected(message)


def _refused(error: ErrorResponse) -> LoginError:
    # For the operator: the SQLSTATE as sent (28P01, 3D000, 53300 …) and its condition, never the
    # text.
    told: SourceFault = edit_error(error.fields)
    return LoginError(f"the server refused the login with SQLSTATE {error.sqlstate}", told.sqlstate)


def _unexpected(message: object) -> LoginError:
    return LoginError(f"unexpected answer of the server: {type(message).__name__}")
