"""Bytes from a peer, in any portions, cut into frames.

This file must not know what a message means: it gets the permitted types and their length limits
from the caller with each request, and checks both on the header alone, before a body is awaited.

Theory of operation. The bytes being read are an immutable `bytes` with a position, so a body is one
slice. Bytes that arrive behind an incomplete frame gather in a `bytearray` and are joined only when
the frame is complete: reading costs linear time however the peer slices its bytes, and a peer that
drips single bytes costs one byte of memory for each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from proxy.wire.errors import ProtocolViolation
from proxy.wire.limits import MESSAGE_BYTES_MAX, PENDING_BYTES_SLACK

HEADER = struct.Struct(">BI")
HEADER_BYTES = HEADER.size
_LENGTH = struct.Struct(">I")
_LENGTH_BYTES = _LENGTH.size


def refuse_length(length: int, limit: int) -> ProtocolViolation:
    """Build the error for a length field outside 4..limit (bytes); the caller raises it."""
    return ProtocolViolation(f"invalid message length: {length} bytes, allowed are 4 to {limit}")


class FrameBuffer:
    """Unread bytes of one peer.

    Args: `limit_bytes`, the largest message ever permitted; with `PENDING_BYTES_SLACK` it bounds
    what may lie here unread.
    """

    __slots__ = ("_data", "_pending_bytes_max", "_position", "_tail")

    def __init__(self, limit_bytes: int = MESSAGE_BYTES_MAX) -> None:
        self._data = b""
        self._position = 0
        self._tail = bytearray()
        self._pending_bytes_max = limit_bytes + PENDING_BYTES_SLACK

    def __len__(self) -> int:
        """Return the number of unread bytes."""
        return len(self._data) - self._position + len(self._tail)

    def __repr__(self) -> str:
        return f"FrameBuffer({len(self)} bytes)"

    def feed(self, data: bytes) -> None:
        """Append bytes; ProtocolViolation when more lie unread than the limit and its slack."""
        if self._position == len(self._data) and not self._tail:
            self._data = data
            self._position = 0
            return
        if len(self) + len(data) > self._pending_bytes_max:
            raise ProtocolViolation(
                f"more than {self._pending_bytes_max} bytes sent without waiting for answers"
            )
        self._tail += data

    def clear(self) -> None:
        """Forget everything unread."""
        self._data = b""
        self._position = 0
        self._tail.clear()

    def next_frame(
        self, bounds: Mapping[int, int], refuse_type: Callable[[int], ProtocolViolation]
    ) -> tuple[int, bytes] | None:
        """Return the next message as (type byte, body), or None while it is incomplete.

        `bounds` maps each permitted type byte to the largest length field in bytes; `refuse_type`
        makes the error for any other. Raises that, or ProtocolViolation for a length out of bounds.
        """
        unread = len(self._data) - self._position
        if not unread and not self._tail:
            return None
        if unread < HEADER_BYTES and not self._gather(HEADER_BYTES):
            # An impermissible type is refused on its own, without waiting for a length.
            if self._first_byte() not in bounds:
                raise refuse_type(self._first_byte())
            return None
        position = self._position
        message_type, length = HEADER.unpack_from(self._data, position)
        limit = bounds.get(message_type)
        if limit is None:
            raise refuse_type(message_type)
        if not 4 <= length <= limit:
            raise refuse_length(length, limit)
        end = position + 1 + length
        if end > len(self._data):
            if not self._gather(1 + length):
                return None
            position, end = 0, 1 + length
        self._position = end
        return message_type, self._data[position + HEADER_BYTES : end]

    def next_packet(self, limit: int) -> bytes | None:
        """Return the next untyped packet of the startup phase without its length, or None.

        `limit` bounds the length field, in bytes. A packet holds at least a four-byte code.
        Raises ProtocolViolation for any other length.
        """
        if len(self._data) - self._position < _LENGTH_BYTES and not self._gather(_LENGTH_BYTES):
            return None
        (length,) = _LENGTH.unpack_from(self._data, self._position)
        if not 8 <= length <= limit:
            raise ProtocolViolation("invalid length of startup packet")
        if len(self._data) - self._position < length and not self._gather(length):
            return None
        start = self._position + _LENGTH_BYTES
        self._position += length
        return self._data[start : self._position]

    def _first_byte(self) -> int:
        return self._data[self._position] if self._position < len(self._data) else self._tail[0]

    def _gather(self, needed: int) -> bool:
        """Join the tail to the unread bytes if together they hold `needed` bytes."""
        if len(self) < needed:
            return False
        self._data = self._data[self._position :] + bytes(self._tail)
        self._position = 0
        self._tail.clear()
        return True
