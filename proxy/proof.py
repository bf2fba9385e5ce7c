"""How a client proves who it is: which way its user name asks for, and the messages of each way.

    token.NAME, service.NAME    SASL SCRAM-SHA-256, and -PLUS under TLS, with an access token
    oauth, oauth.ANYTHING       SASL OAUTHBEARER, when `identity.oauth` is configured
    every other name            a password in clear: a JWT, or an access token

The *form* of the name decides, never whether it is registered: a name that does not exist is asked
the same questions as one that does, and fails at the same place in the same words. The protocol has
room for one question only (a server offers either a password in clear or SASL), so something that
the client sends before it must decide.

This file must not know SQL, how a token is verified, or where a verifier comes from. It is the one
place that puts the SASL messages of the wire and the judges of `proxy/runtime` together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from policies.identity import Identity
from proxy.connection import ClientConnection
from proxy.faults import ConnectionFault
from proxy.runtime.identity import REFUSED
from proxy.runtime.state.admission import Admission, Admitted, Credential
from proxy.runtime.state.login import Kind, address_of
from proxy.runtime.state.secret_text import looks_like_one
from proxy.wire.backend import (
    AuthenticationCleartextPassword,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
)
from proxy.wire.errors import AuthenticationFailure, ProtocolViolation
from proxy.wire.frontend import PasswordMessage, SASLInitialResponse, SASLResponse
from proxy.wire.limits import SCRAM_NONCE_BYTES_MIN
from proxy.wire.oauthbearer import ACKNOWLEDGEMENT, OAUTHBEARER, bearer_token, error_status
from proxy.wire.scram import ScramServer

OAUTH_USER: Final = "oauth"


class Authenticator(Protocol):
    """Whoever turns a JWT into an identity."""

    async def identify(self, token: str, *, is_local: bool) -> Identity:
        """Raises ConnectionFault 28P01 whose text is `REFUSED` and whose cause is the reason."""
        ...


@dataclass(frozen=True, slots=True)
class Invitation:
    """Where a client gets a token by itself: the issuer, and the scope to ask for."""

    issuer: str
    scope: str


@dataclass(frozen=True, slots=True)
class Judges:
    """Those who judge proofs. `admission` None: there are no access tokens; `invitation` None: no
    OAUTHBEARER. `channel_binding`: of our certificate (RFC 5929), None where it defines none.
    `key_ages`: seconds since each issuer's keys were read.
    """

    authenticator: Authenticator
    admission: Admission | None = None
    invitation: Invitation | None = None
    channel_binding: bytes | None = None
    key_ages: Callable[[], Mapping[str, float]] = dict


@dataclass(frozen=True, slots=True)
class Proven:
    """Who the client is; with which credential, if it is one that can be revoked."""

    identity: Identity
    credential: Credential | None = None


class AskedWhere(Exception):
    """A client wanted to know where to get a token, which is no attempt to be somebody."""


async def prove(connection: ClientConnection, judges: Judges, user: str, until: float) -> Proven:
    """Ask the client, in the way that `user` stands for, and judge its answer.

    `until` is the loop time by which it must be over. Raises ConnectionFault, ProtocolViolation,
    TimeoutError, ClientGone.
    """
    word, dot, name = user.partition(".")
    if judges.admission is not None and dot and word in (Kind.TOKEN.value, Kind.SERVICE.value):
        admitted = await _scram(connection, judges, judges.admission, Kind(word), name, until)
        return Proven(admitted.identity, admitted.credential)
    if judges.invitation is not None and word == OAUTH_USER:
        return Proven(await _bearer(connection, judges, judges.invitation, until))
    return await _password(connection, judges, until)


async def _password(connection: ClientConnection, judges: Judges, until: float) -> Proven:
    connection.send(AuthenticationCleartextPassword())
    event = await connection.next_event(until=until)
    if not isinstance(event, PasswordMessage):
        raise ConnectionFault("expected a password message")
    if judges.admission is not None and looks_like_one(event.password):
        address = address_of(connection.peer)
        admitted = await judges.admission.identify(event.password, address)
        return Proven(admitted.identity, admitted.credential)
    authenticator = judges.authenticator
    return Proven(await authenticator.identify(event.password, is_local=connection.is_local))


async def _scram(
    connection: ClientConnection,
    judges: Judges,
    admission: Admission,
    kind: Kind,
    name: str,
    until: float,
) -> Admitted:
    challenge = await admission.challenge(kind, name, address_of(connection.peer))
    exchange = ScramServer(
        *challenge.verifiers,
        nonce=secrets.token_bytes(SCRAM_NONCE_BYTES_MIN),
        channel_binding=judges.channel_binding if connection.is_encrypted else None,
    )
    connection.send(AuthenticationSASL(exchange.mechanisms))
    first = await connection.next_event(until=until)
    if not isinstance(first, SASLInitialResponse):
        raise ConnectionFault("expected a SASL response")
    try:
        connection.send(AuthenticationSASLContinue(exchange.first(first.mechanism, first.data)))
        last = await connection.next_event(until=until)
        if not isinstance(last, SASLResponse):
            raise ConnectionFault("expected a SASL response")
        answer = exchange.final(last.data)
    except AuthenticationFailure:
        refusal = admission.refused(challenge)
        raise refusal from refusal.__cause__
    except ProtocolViolation:
        admission.refused(challenge)  # what was looked up for it counts all the same
        raise
    assert exchange.proven is not None, "final() raises unless something was proven"
    # The policy may still refuse; only then is there anything to tell.
    admitted = await admission.proven(challenge, exchange.proven)
    connection.send(AuthenticationSASLFinal(answer))
    return admitted


async def _bearer(
    connection: ClientConnection, judges: Judges, invitation: Invitation, until: float
) -> Identity:
    connection.send(AuthenticationSASL((OAUTHBEARER,)))
    first = await connection.next_event(until=until)
    if not isinstance(first, SASLInitialResponse):
        raise ConnectionFault("expected a SASL response")
    if first.mechanism != OAUTHBEARER:
        raise ProtocolViolation("client selected an invalid SASL authentication mechanism")
    token = bearer_token(first.data)
    try:
        if token is not None:
            return await judges.authenticator.identify(token, is_local=connection.is_local)
        refusal = ConnectionFault(REFUSED, sqlstate="28P01")
        refusal.__cause__ = AskedWhere("the client asked where to get a token")
    except ConnectionFault as fault:
        refusal = fault
    # RFC 7628 §3.2.3: the error is acknowledged before the exchange fails.
    connection.send(AuthenticationSASLContinue(error_status(invitation.issuer, invitation.scope)))
    answer = await connection.next_event(until=until)
    if not isinstance(answer, SASLResponse) or answer.data != ACKNOWLEDGEMENT:
        raise ProtocolViolation("malformed OAUTHBEARER message")
    raise refusal
