"""Messages between service and worker: whole, or the connection is at its end."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sidecars.python import frames
from sidecars.python.frames import LENGTH, MESSAGE_BYTES_MAX, FrameError


def test_a_message_arrives_in_pieces() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        content = frames.encode({"text": "ä\ud800", "n": 1})
        for byte in content:
            theirs.send(bytes([byte]))
        assert frames.receive(ours) == {"text": "ä\ud800", "n": 1}
        theirs.close()
        with pytest.raises(FrameError):
            frames.receive(ours)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        LENGTH.pack(5) + b"{}",
        LENGTH.pack(2) + b"[]",
        LENGTH.pack(1) + b"{",
        LENGTH.pack(MESSAGE_BYTES_MAX + 1),
        LENGTH.pack(200_000) + b"[" * 200_000,
    ],
)
async def test_what_is_no_message_ends_the_connection(content: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(content)
    reader.feed_eof()
    with pytest.raises(FrameError):
        await frames.next_message(reader)


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(ValueError, match="too long"):
        frames.encode({"x": "y" * MESSAGE_BYTES_MAX})
