"""What a server sends before a session: authentication, version, the key for cancelling.

This file must not know when each is due (`phase.py`) nor how a proof is made (`scram.py`).
Formats: PostgreSQL documentation, §54.7.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from proxy.wire.body import INT32, BodyReader, frame, string
from proxy.wire.errors import UnencodableMessage, UnsupportedMessage
from proxy.wire.limits import CANCEL_KEY_BYTES_MAX, CANCEL_KEY_BYTES_MIN
from proxy.wire.message import BackendMessage


@dataclass(frozen=True, slots=True)
class AuthenticationOk(BackendMessage):
    """The client is who it says."""

    TYPE: ClassVar[bytes] = b"R"

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(0))


@dataclass(frozen=True, slots=True)
class AuthenticationCleartextPassword(BackendMessage):
    """Asks for a PasswordMessage."""

    TYPE: ClassVar[bytes] = b"R"

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(3))


@dataclass(frozen=True, slots=True)
class AuthenticationSASL(BackendMessage):
    """Offers SASL mechanisms, the preferred first."""

    TYPE: ClassVar[bytes] = b"R"
    mechanisms: tuple[str, ...]

    def encode(self) -> bytes:
        if not all(self.mechanisms):
            raise UnencodableMessage("a SASL mechanism needs a name")
        return frame(b"R", INT32.pack(10) + b"".join(map(string, self.mechanisms)) + b"\0")


@dataclass(frozen=True, slots=True)
class AuthenticationSASLContinue(BackendMessage):
    """A SASL challenge."""

    TYPE: ClassVar[bytes] = b"R"
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(11) + self.data)


@dataclass(frozen=True, slots=True)
class AuthenticationSASLFinal(BackendMessage):
    """The outcome of SASL; for SCRAM the server's own proof."""

    TYPE: ClassVar[bytes] = b"R"
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"R", INT32.pack(12) + self.data)


# What a server may ask for and this package does not do, by name, for the error text.
UNSUPPORTED_AUTHENTICATION: Final[Mapping[int, str]] = {
    2: "Kerberos V5",
    5: "MD5 password",
    6: "SCM credential",
    7: "GSSAPI",
    8: "GSSAPI continuation",
    9: "SSPI",
}


def decode_authentication(body: bytes) -> BackendMessage:
    """Return the message that a body of type `R` holds.

    Raises MalformedMessage, or UnsupportedMessage for a method that this package does not do.
    """
    reader = BodyReader(body, "Authentication", b"R")
    code = reader.int32()
    message: BackendMessage
    match code:
        case 0:
            message = AuthenticationOk()
        case 3:
            message = AuthenticationCleartextPassword()
        case 10:
            mechanisms = []
            while mechanism := reader.string():
                mechanisms.append(mechanism)
            message = AuthenticationSASL(tuple(mechanisms))
        case 11:
            message = AuthenticationSASLContinue(reader.rest())
        case 12:
            message = AuthenticationSASLFinal(reader.rest())
        case _:
            method = UNSUPPORTED_AUTHENTICATION.get(code, f"number {code}")
            raise UnsupportedMessage(f"the server asks for an unsupported authentication: {method}")
    reader.end()
    return message


@dataclass(frozen=True, slots=True)
class NegotiateProtocolVersion(BackendMessage):
    """Offers an older minor version, and lists the `_pq_.` options that are not known.

    `version` is (major, minor). The documentation says "minor version", Postgres and libpq put the
    whole version number there; so does this class.
    """

    TYPE: ClassVar[bytes] = b"v"
    version: tuple[int, int]
    unknown_options: tuple[str, ...] = ()

    def encode(self) -> bytes:
        head = struct.pack(">HHi", *self.version, len(self.unknown_options))
        return frame(b"v", head + b"".join(map(string, self.unknown_options)))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        version = (reader.uint16(), reader.uint16())
        number = reader.int32()
        if not 0 <= number <= reader.remaining_bytes:
            raise reader.fail("a count exceeds the message")
        options = tuple(reader.string() for _ in range(number))
        reader.end()
        return cls(version, options)


@dataclass(frozen=True, slots=True)
class BackendKeyData(BackendMessage):
    """What a client needs to cancel. `secret_key` has 4 bytes in protocol 3.0, 4 to 256 in 3.2."""

    TYPE: ClassVar[bytes] = b"K"
    process_id: int
    secret_key: bytes = field(repr=False)

    def encode(self) -> bytes:
        if not CANCEL_KEY_BYTES_MIN <= len(self.secret_key) <= CANCEL_KEY_BYTES_MAX:
            raise UnencodableMessage("a cancel key has 4 to 256 bytes")
        return frame(b"K", INT32.pack(self.process_id) + self.secret_key)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        process_id = reader.int32()
        secret_key = reader.rest()
        if not CANCEL_KEY_BYTES_MIN <= len(secret_key) <= CANCEL_KEY_BYTES_MAX:
            raise reader.fail("a cancel key has 4 to 256 bytes")
        return cls(process_id, secret_key)
