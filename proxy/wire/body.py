"""The inside of a message: reading a body with every length checked, and writing one.

This file must not know any particular message, nor the state of a conversation. Integers are
big-endian; a string ends with a zero byte and is UTF-8 (PostgreSQL docs, §54.6).
"""

from __future__ import annotations

import struct

from proxy.wire.errors import MalformedMessage, UnencodableMessage

UINT16 = struct.Struct(">H")
INT32 = struct.Struct(">i")
UINT32 = struct.Struct(">I")

# SQLSTATE character_not_in_repertoire: what Postgres says of a string that is not in the encoding.
INVALID_ENCODING_SQLSTATE = "22021"


def frame(message_type: bytes, body: bytes) -> bytes:
    """Return a whole message: type byte, length (body and itself), body."""
    return message_type + UINT32.pack(len(body) + 4) + body


def string(value: str) -> bytes:
    """Return `value` as a zero-terminated string.

    Raises UnencodableMessage for a NUL inside, which would end the string early and let the rest
    be read as something else, and for a lone surrogate.
    """
    if "\0" in value:
        raise UnencodableMessage("a string on the wire cannot contain a NUL")
    try:
        return value.encode() + b"\0"
    except UnicodeEncodeError as error:
        raise UnencodableMessage("a string on the wire must be valid Unicode") from error


def count(number: int) -> bytes:
    """Return `number` as the unsigned 16-bit count before a list; UnencodableMessage if over."""
    if not 0 <= number <= 0xFFFF:
        raise UnencodableMessage(f"a message holds at most 65535 entries, not {number}")
    return UINT16.pack(number)


def value(data: bytes | None) -> bytes:
    """Return a parameter or column value: length (-1 for NULL) and bytes."""
    return b"\xff\xff\xff\xff" if data is None else UINT32.pack(len(data)) + data


def malformed(message_name: str, message_type: bytes, reason: str) -> MalformedMessage:
    """Build the one error that a body can raise."""
    return MalformedMessage(f"invalid {message_name} message: {reason}", message_type=message_type)


class BodyReader:
    """Reads one body from front to back; every method raises MalformedMessage past the end."""

    __slots__ = ("_body", "_message_name", "_message_type", "_position")

    def __init__(self, body: bytes, message_name: str, message_type: bytes) -> None:
        self._body = body
        self._message_name = message_name
        self._message_type = message_type
        self._position = 0

    def fail(self, reason: str) -> MalformedMessage:
        """Build the error for this message; the caller raises it."""
        return malformed(self._message_name, self._message_type, reason)

    @property
    def remaining_bytes(self) -> int:
        """How many bytes have not been read."""
        return len(self._body) - self._position

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes; a negative size is refused, never a slice from the end."""
        end = self._position + size
        if size < 0 or end > len(self._body):
            raise self.fail("a length exceeds the message")
        taken = self._body[self._position : end]
        self._position = end
        return taken

    def rest(self) -> bytes:
        """Return everything not yet read."""
        return self.take(self.remaining_bytes)

    def int16(self) -> int:
        return int.from_bytes(self.take(2), "big", signed=True)

    def uint16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def int32(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> str:
        """Return the next zero-terminated string; one that is not UTF-8 is refused with 22021."""
        end = self._body.find(b"\0", self._position)
        if end < 0:
            raise self.fail("a string has no end")
        raw = self._body[self._position : end]
        self._position = end + 1
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise MalformedMessage(
                'invalid byte sequence for encoding "UTF8"',
                INVALID_ENCODING_SQLSTATE,
                message_type=self._message_type,
            ) from error

    def value(self) -> bytes | None:
        """Return a length and that many bytes; -1 is NULL and no other length is negative."""
        size = self.int32()
        if size == -1:
            return None
        return self.take(size)

    def format_codes(self) -> tuple[int, ...]:
        """Return a counted list of format codes, each 0 (text) or 1 (binary)."""
        codes = tuple(self.uint16() for _ in range(self.uint16()))
        if any(code > 1 for code in codes):
            raise self.fail("a format code is neither 0 nor 1")
        return codes

    def end(self) -> None:
        """Refuse bytes after the last field."""
        if self.remaining_bytes:
            raise self.fail("bytes follow the last field")
