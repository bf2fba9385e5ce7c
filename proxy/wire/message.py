"""The markers that tell whose message a class is, so that neither side can send the other's.

This file must not know any particular message.
"""

from __future__ import annotations

from typing import ClassVar, Self

from proxy.wire.body import malformed


class Message:
    """What all messages share. TYPE is the type byte, empty for packets of the startup phase."""

    __slots__ = ()
    TYPE: ClassVar[bytes] = b""

    def encode(self) -> bytes:
        """Return the whole message; UnencodableMessage if it has no form on the wire."""
        raise NotImplementedError


class FrontendMessage(Message):
    """Marker: a client sends this."""

    __slots__ = ()


class BackendMessage(Message):
    """Marker: a server sends this."""

    __slots__ = ()


class EmptyMessage(Message):
    """A message without fields."""

    __slots__ = ()

    def encode(self) -> bytes:
        return self.TYPE + b"\0\0\0\x04"

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the message; MalformedMessage if there is a body."""
        if body:
            raise malformed(cls.__name__, cls.TYPE, "it must be empty")
        return cls()
