"""Messages between the service and a worker process: JSON with a length before it, both ways.

The service does not trust a worker: a message of it that is too long or no JSON object ends it.
This file must not know what the messages say.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

LENGTH = struct.Struct("!I")
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""Code, or the value of a last expression: far less, as their own limits say."""


class FrameError(Exception):
    """The other side ended, or does not keep to the form."""


def encode(message: Mapping[str, object]) -> bytes:
    """Raises ValueError for a message that is too long."""
    content = json.dumps(message, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(content) > MESSAGE_BYTES_MAX:
        raise ValueError("the message is too long")
    return LENGTH.pack(len(content)) + content


def decode(content: bytes) -> dict[str, Any]:
    """Raises FrameError."""
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FrameError("a message is not JSON") from error
    if not isinstance(message, dict):
        raise FrameError("a message is not an object")
    return message


def _length(prefix: bytes) -> int:
    length: int = LENGTH.unpack(prefix)[0]
    if length > MESSAGE_BYTES_MAX:
        raise FrameError("a message is too long")
    return length


def receive(connection: socket.socket) -> dict[str, Any]:
    """The next message, waiting for it. Raises FrameError at the end of the connection."""
    return decode(_exactly(connection, _length(_exactly(connection, LENGTH.size))))


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise FrameError("the connection ended")
        parts += part
    return bytes(parts)


async def next_message(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The same for the service's side. Raises FrameError."""
    try:
        length = _length(await reader.readexactly(LENGTH.size))
        return decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise FrameError("the connection ended") from error
