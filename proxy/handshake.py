"""From an accepted connection to a session: encryption, startup parameters, proof of identity.

This file must not know SQL, or how somebody proves who they are (`proof.py`). Nothing a client
sends before it is authenticated is trusted; of its startup packet an allow-list is read and nothing
is forwarded (attack cases 91–93). Every failure to prove an identity is told in the same words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.cancel import CancelDesk
from proxy.connection import ClientConnection
from proxy.faults import ConnectionFault, Fault
from proxy.limits import SessionLimits
from proxy.proof import Judges, prove
from proxy.record import Recorder
from proxy.runtime.state.admission import Credential
from proxy.session import Session
from proxy.settings import Settings
from proxy.wire.backend import AuthenticationOk, ParameterStatus
from proxy.wire.frontend import (
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
)
from proxy.wire.startup import Negotiated, negotiate, split_options

NAME_CHARACTERS_MAX = 128
"""User and database names are recorded with each session."""

_FALSE = frozenset({"false", "off", "no", "0", "f", "n"})


@dataclass(frozen=True, slots=True)
class Reception:
    """What all handshakes of a worker share. `facts` are settings that the server tells of itself,
    `defaults` those that the operator gave, by lower-case name."""

    judges: Judges
    recorder: Recorder
    desk: CancelDesk
    limits: SessionLimits
    facts: Mapping[str, str]
    defaults: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Welcomed:
    """A client that was let in."""

    session: Session
    has_long_cancel_key: bool
    credential: Credential | None = None


async def welcome(
    connection: ClientConnection, reception: Reception, until: float
) -> Welcomed | None:
    """Run the handshake up to AuthenticationOk; None when the client only wanted to cancel.

    `until` is the loop time by which it must be over. Raises ConnectionFault, ProtocolViolation,
    TimeoutError, ClientGone.
    """
    startup = await _negotiate(connection, reception, until)
    if startup is None:
        return None
    negotiated = negotiate(startup)
    user, database, settings = _read_parameters(negotiated, reception)
    _demand_safe_channel(connection)
    if negotiated.answer is not None:
        connection.send(negotiated.answer)
    proven = await prove(connection, reception.judges, user, until)
    identity = proven.identity
    facts = {**reception.facts, "session_authorization": identity.subject}
    session = Session(
        identity=identity,
        database=database,
        user=user,
        peer=connection.peer,
        limits=reception.limits,
        settings=_settings(facts, reception.defaults, settings),
    )
    return Welcomed(session, negotiated.allows_long_cancel_key, proven.credential)


def greet(connection: ClientConnection, session: Session) -> None:
    """Tell the client that it is in, and what the settings are."""
    connection.send(AuthenticationOk())
    for name, value in session.settings.reported().items():
        connection.send(ParameterStatus(name, value))


async def _negotiate(
    connection: ClientConnection, reception: Reception, until: float
) -> StartupMessage | None:
    """Answer requests for encryption until the startup packet comes. Each may come once."""
    while True:
        event = await connection.next_event(until=until)
        match event:
            case StartupMessage():
                return event
            case CancelRequest():
                reception.desk.request(event.process_id & 0xFFFFFFFF, event.secret_key)
                return None
            case SSLRequest():
                is_accepted = connection.has_tls
                connection.write(connection.protocol.answer_negotiation(accepted=is_accepted))
                if is_accepted:
                    connection.start_tls()
            case GSSENCRequest():
                connection.write(connection.protocol.answer_negotiation(accepted=False))
            case _:
                raise ConnectionFault("unexpected message before startup")


def _demand_safe_channel(connection: ClientConnection) -> None:
    """A token is a bearer's: it may cross a network under TLS only."""
    if connection.is_encrypted or connection.is_local:
        return
    raise ConnectionFault(
        "tokens are accepted over TLS only",
        sqlstate="28000",
        hint="Connect with sslmode=require." if connection.has_tls else None,
    )


def _read_parameters(
    negotiated: Negotiated, reception: Reception
) -> tuple[str, str, list[tuple[str, str]]]:
    """User, database, and settings in the order Postgres applies them: `options` first."""
    parameters = dict(negotiated.parameters)
    user = parameters.pop("user", "")
    if not user:
        raise ConnectionFault("no user name specified in startup packet", sqlstate="28000")
    database = parameters.pop("database", "") or user
    if max(len(user), len(database)) > NAME_CHARACTERS_MAX:
        raise ConnectionFault("user or database name is too long", sqlstate="28000")
    if parameters.pop("replication", "off").lower() not in _FALSE:
        raise ConnectionFault("replication connections are not supported", sqlstate="0A000")
    settings = list(split_options(parameters.pop("options", "")))
    settings.extend(parameters.items())
    _settings(
        reception.facts, reception.defaults, settings
    )  # a bad value is told before a password is asked for
    return user, database, settings


def _settings(
    facts: Mapping[str, str], defaults: Mapping[str, str], wanted: list[tuple[str, str]]
) -> Settings:
    settings = Settings(facts, defaults)
    for name, value in wanted:
        try:
            settings.at_startup(name, value)
        except Fault as fault:
            raise ConnectionFault(
                fault.message, sqlstate=fault.sqlstate, hint=fault.hint
            ) from fault
    return settings
