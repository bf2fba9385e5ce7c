"""What a client sends before a session: packets without a type byte, and its proof of identity.

This file must not know which version or parameter is acceptable (`startup.py`), nor when a proof is
due (`phase.py`). Three messages share the type byte `p`; what was asked decides which one it is.
Formats: PostgreSQL documentation, §54.7.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from proxy.wire.body import UINT32, BodyReader, frame, string, value
from proxy.wire.errors import UnencodableMessage
from proxy.wire.limits import CANCEL_KEY_BYTES_MAX, CANCEL_KEY_BYTES_MIN
from proxy.wire.message import FrontendMessage

SSL_REQUEST_CODE = 80_877_103
GSSENC_REQUEST_CODE = 80_877_104
CANCEL_REQUEST_CODE = 80_877_102


@dataclass(frozen=True, slots=True)
class StartupMessage(FrontendMessage):
    """`version` as (major, minor); `parameters` in the order sent, `user` among them."""

    version: tuple[int, int]
    parameters: Mapping[str, str]

    def encode(self) -> bytes:
        body = bytearray(struct.pack(">HH", *self.version))
        for name, text in self.parameters.items():
            if not name:
                raise UnencodableMessage("a startup parameter needs a name")
            body += string(name) + string(text)
        body += b"\0"
        return UINT32.pack(len(body) + 4) + body


@dataclass(frozen=True, slots=True)
class SSLRequest(FrontendMessage):
    """Asks for TLS; the answer is one byte, `S` or `N`."""

    def encode(self) -> bytes:
        return struct.pack(">II", 8, SSL_REQUEST_CODE)


@dataclass(frozen=True, slots=True)
class GSSENCRequest(FrontendMessage):
    """Asks for GSSAPI encryption; the answer is one byte, `G` or `N`."""

    def encode(self) -> bytes:
        return struct.pack(">II", 8, GSSENC_REQUEST_CODE)


@dataclass(frozen=True, slots=True)
class CancelRequest(FrontendMessage):
    """Asks to cancel what another connection runs. `secret_key` has 4 to 256 bytes."""

    process_id: int
    secret_key: bytes = field(repr=False)

    def encode(self) -> bytes:
        if not CANCEL_KEY_BYTES_MIN <= len(self.secret_key) <= CANCEL_KEY_BYTES_MAX:
            raise UnencodableMessage("a cancel key has 4 to 256 bytes")
        size = 12 + len(self.secret_key)
        return struct.pack(">IIi", size, CANCEL_REQUEST_CODE, self.process_id) + self.secret_key


@dataclass(frozen=True, slots=True)
class PasswordMessage(FrontendMessage):
    """A password or token in clear."""

    TYPE: ClassVar[bytes] = b"p"
    password: str = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"p", string(self.password))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        password = reader.string()
        reader.end()
        return cls(password)


@dataclass(frozen=True, slots=True)
class SASLInitialResponse(FrontendMessage):
    """The chosen mechanism, and its first data or None."""

    TYPE: ClassVar[bytes] = b"p"
    mechanism: str
    data: bytes | None = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"p", string(self.mechanism) + value(self.data))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        reader = BodyReader(body, cls.__name__, cls.TYPE)
        mechanism = reader.string()
        data = reader.value()
        reader.end()
        return cls(mechanism, data)


@dataclass(frozen=True, slots=True)
class SASLResponse(FrontendMessage):
    """Further SASL data."""

    TYPE: ClassVar[bytes] = b"p"
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return frame(b"p", self.data)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(body)
