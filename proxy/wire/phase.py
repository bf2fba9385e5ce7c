"""Which message may come when: the state machine, as tables.

Two rules. Everything about the order of messages lives in this file. It must not know bytes,
buffers or sockets.

Theory of operation, server role. A connection begins in STARTUP with packets that have no type
byte. SSLRequest and GSSENCRequest lead to NEGOTIATING_*, where the client must be silent until it
has its one-byte answer: back to STARTUP (refused), or HANDSHAKE until the transport is encrypted. A
StartupMessage leads to AUTHENTICATION, where nothing may come until the server has asked; what it
asked with decides what the byte `p` then means (PASSWORD, SASL_INITIAL, SASL_RESPONSE), and one `p`
is good for one question. AuthenticationOk opens SESSION. A CopyInResponse leads to COPY_IN; it ends
by the client (CopyDone, CopyFail) or by our ErrorResponse, and then what the client still had under
way is read and dropped (COPY_ENDED) up to its next other message. SKIPPING drops everything up to
Sync. CLOSED is final. What the client may send is data in `_ACCEPTED`; the phase after a message
received is in `AFTER_RECEIVED`, after one sent in `AFTER_SENT`; every pair not listed there changes
nothing.

FunctionCall, legal in the protocol, is in no row: it names a function by OID, past every check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from proxy.wire import backend, frontend
from proxy.wire.errors import ProtocolViolation, UnsupportedMessage
from proxy.wire.limits import (
    BACKEND_MESSAGE_BYTES_MAX_BEFORE_AUTHENTICATION,
    PASSWORD_MESSAGE_BYTES_MAX,
    SASL_MESSAGE_BYTES_MAX,
    SMALL_MESSAGE_BYTES_MAX,
)


class Phase(Enum):
    """Where a conversation is, seen from the server."""

    STARTUP = auto()
    NEGOTIATING_SSL = auto()
    NEGOTIATING_GSS = auto()
    HANDSHAKE = auto()
    AUTHENTICATION = auto()
    PASSWORD = auto()
    SASL_INITIAL = auto()
    SASL_RESPONSE = auto()
    SESSION = auto()
    SKIPPING = auto()
    COPY_IN = auto()
    COPY_ENDED = auto()
    CLOSED = auto()


NEGOTIATING: Final = frozenset({Phase.NEGOTIATING_SSL, Phase.NEGOTIATING_GSS})
UNENCRYPTED_BYTES_REFUSED: Final = NEGOTIATING | {Phase.HANDSHAKE}
AUTHENTICATING: Final = frozenset(
    {Phase.AUTHENTICATION, Phase.PASSWORD, Phase.SASL_INITIAL, Phase.SASL_RESPONSE}
)
AUTHENTICATED: Final = frozenset({Phase.SESSION, Phase.SKIPPING, Phase.COPY_IN, Phase.COPY_ENDED})

Decoder = Callable[[bytes], frontend.FrontendMessage] | None


@dataclass(frozen=True, slots=True)
class Rules:
    """One phase, compiled so that the hot path looks up bytes and types only, never a phase.

    By type byte: `bounds`, the longest length field (None: a phase without typed messages);
    `decoders` (None: read and drop); `after_received`. By type of message: `after_sent`.
    """

    phase: Phase
    bounds: Mapping[int, int] | None
    decoders: Mapping[int, Decoder]
    after_received: Mapping[int, Phase]
    after_sent: Mapping[type[backend.BackendMessage], Phase]


# Stands for the configurable limit in the tables below.
_LARGE: Final = 0
_SMALL: Final = SMALL_MESSAGE_BYTES_MAX

_LIMITS: Final[Mapping[type[frontend.FrontendMessage], int]] = {
    frontend.PasswordMessage: PASSWORD_MESSAGE_BYTES_MAX,
    frontend.SASLInitialResponse: SASL_MESSAGE_BYTES_MAX,
    frontend.SASLResponse: SASL_MESSAGE_BYTES_MAX,
    frontend.Query: _LARGE,
    frontend.Parse: _LARGE,
    frontend.Bind: _LARGE,
    frontend.Describe: _SMALL,
    frontend.Close: _SMALL,
    frontend.Execute: _SMALL,
    frontend.Flush: _SMALL,
    frontend.Sync: _SMALL,
    frontend.Terminate: _SMALL,
    frontend.CopyData: _LARGE,
    frontend.CopyDone: _SMALL,
    frontend.CopyFail: _SMALL,
}

_COPY: Final = (frontend.CopyData, frontend.CopyDone, frontend.CopyFail)
_SESSION: Final = (
    frontend.Query,
    frontend.Parse,
    frontend.Bind,
    frontend.Describe,
    frontend.Close,
    frontend.Execute,
    frontend.Flush,
    frontend.Sync,
    frontend.Terminate,
)
_SKIPPED: Final = (
    frontend.Query,
    frontend.Parse,
    frontend.Bind,
    frontend.Describe,
    frontend.Close,
    frontend.Execute,
    frontend.Flush,
    *_COPY,
)

# Per phase: what is decoded and returned, and what is read and dropped.
_Row = tuple[tuple[type[frontend.FrontendMessage], ...], tuple[type[frontend.FrontendMessage], ...]]
_ACCEPTED: Final[Mapping[Phase, _Row]] = {
    Phase.AUTHENTICATION: ((), ()),
    Phase.PASSWORD: ((frontend.PasswordMessage,), ()),
    Phase.SASL_INITIAL: ((frontend.SASLInitialResponse,), ()),
    Phase.SASL_RESPONSE: ((frontend.SASLResponse,), ()),
    Phase.SESSION: (_SESSION, ()),
    Phase.SKIPPING: ((frontend.Sync, frontend.Terminate), _SKIPPED),
    # Postgres ignores Flush and Sync during COPY (docs §54.2.6); Terminate may come at any time.
    Phase.COPY_IN: ((*_COPY, frontend.Terminate), (frontend.Flush, frontend.Sync)),
    Phase.COPY_ENDED: (_SESSION, _COPY),
}

AFTER_STARTUP_PACKET: Final[Mapping[type[frontend.FrontendMessage], Phase]] = {
    frontend.SSLRequest: Phase.NEGOTIATING_SSL,
    frontend.GSSENCRequest: Phase.NEGOTIATING_GSS,
    frontend.StartupMessage: Phase.AUTHENTICATION,
    frontend.CancelRequest: Phase.CLOSED,
}

AFTER_SENT: Final[Mapping[tuple[Phase, type[backend.BackendMessage]], Phase]] = {
    (Phase.AUTHENTICATION, backend.AuthenticationCleartextPassword): Phase.PASSWORD,
    (Phase.AUTHENTICATION, backend.AuthenticationSASL): Phase.SASL_INITIAL,
    (Phase.AUTHENTICATION, backend.AuthenticationSASLContinue): Phase.SASL_RESPONSE,
    (Phase.AUTHENTICATION, backend.AuthenticationOk): Phase.SESSION,
    (Phase.SESSION, backend.CopyInResponse): Phase.COPY_IN,
    (Phase.COPY_IN, backend.ErrorResponse): Phase.COPY_ENDED,
}

AFTER_RECEIVED: Final[Mapping[tuple[Phase, int], Phase]] = {
    (Phase.PASSWORD, ord("p")): Phase.AUTHENTICATION,
    (Phase.SASL_INITIAL, ord("p")): Phase.AUTHENTICATION,
    (Phase.SASL_RESPONSE, ord("p")): Phase.AUTHENTICATION,
    (Phase.SKIPPING, ord("S")): Phase.SESSION,
    (Phase.COPY_IN, ord("c")): Phase.SESSION,
    (Phase.COPY_IN, ord("f")): Phase.SESSION,
    **{(Phase.COPY_ENDED, message.TYPE[0]): Phase.SESSION for message in _SESSION},
    **{
        (phase, ord("X")): Phase.CLOSED
        for phase in (Phase.SESSION, Phase.SKIPPING, Phase.COPY_IN, Phase.COPY_ENDED)
    },
}


@lru_cache(maxsize=16)
def frontend_rules(message_bytes_max: int) -> Mapping[Phase, Rules]:
    """Compile the tables for one limit of large messages, in bytes; shared by all connections."""
    return {phase: _compile(phase, message_bytes_max) for phase in Phase}


def _compile(phase: Phase, message_bytes_max: int) -> Rules:
    bounds: Mapping[int, int] | None = None
    decoders: dict[int, Decoder] = {}
    if phase in _ACCEPTED:
        returned, dropped = _ACCEPTED[phase]
        bounds = {
            message.TYPE[0]: _LIMITS[message] or message_bytes_max
            for message in (*returned, *dropped)
        }
        decoders.update((message.TYPE[0], None) for message in dropped)
        decoders.update((message.TYPE[0], _decoder(message)) for message in returned)
    return Rules(
        phase,
        bounds,
        decoders,
        {kind: following for (state, kind), following in AFTER_RECEIVED.items() if state is phase},
        {kind: following for (state, kind), following in AFTER_SENT.items() if state is phase},
    )


def _decoder(message: type[frontend.FrontendMessage]) -> Decoder:
    decode: Decoder = getattr(message, "decode")  # noqa: B009 - startup packets have no decode
    return decode


_KNOWN_FRONTEND_TYPES: Final = frozenset(b"".join(message.TYPE for message in _LIMITS))


def refuse_frontend_type(phase: Phase, message_type: int) -> ProtocolViolation:
    """Build the error for a type that `phase` does not accept; the caller raises it."""
    if phase in AUTHENTICATING:
        # Postgres' words for anything but a password (auth.c).
        return ProtocolViolation(f"expected password response, got message type {message_type}")
    if message_type == frontend.FunctionCall.TYPE[0]:
        return UnsupportedMessage("the function call protocol is not supported")
    if message_type in _KNOWN_FRONTEND_TYPES:
        return ProtocolViolation(f"unexpected frontend message type {message_type}")
    return ProtocolViolation(f"invalid frontend message type {message_type}")


# --- client role ----------------------------------------------------------------------------------

BACKEND_TYPES: Final = frozenset(backend.DECODERS) - {backend.NegotiateProtocolVersion.TYPE[0]}
BACKEND_TYPES_BEFORE_AUTHENTICATION: Final = frozenset(b"REvN")
BACKEND_TYPES_ENDING_COPY: Final = frozenset(b"cECZ")
BACKEND_TYPES_ASYNCHRONOUS: Final = frozenset(b"NSA")
# All types that change what may come next; the client looks closer at these only.
BACKEND_TYPES_NOTED: Final = frozenset(b"RH") | (
    BACKEND_TYPES_ENDING_COPY | BACKEND_TYPES_ASYNCHRONOUS
)

# What a server may send before authentication, by type byte: the longest length field.
BOUNDS_BEFORE_AUTHENTICATION: Final[Mapping[int, int]] = dict.fromkeys(
    BACKEND_TYPES_BEFORE_AUTHENTICATION, BACKEND_MESSAGE_BYTES_MAX_BEFORE_AUTHENTICATION
)


@lru_cache(maxsize=16)
def backend_bounds(message_bytes_max: int, *, is_copying: bool) -> Mapping[int, int]:
    """Return what a server may send in a session: COPY data only between its start and its end."""
    types = BACKEND_TYPES if is_copying else BACKEND_TYPES - {backend.CopyData.TYPE[0]}
    return dict.fromkeys(types, message_bytes_max)


def refuse_backend_type(message_type: int) -> ProtocolViolation:
    """Build the error for a type that a server may not send now; the caller raises it."""
    if message_type in backend.DECODERS:
        return ProtocolViolation(f"unexpected backend message type {message_type}")
    return ProtocolViolation(f"invalid backend message type {message_type}")
