"""One socket to a Postgres server: bytes joined to the wire protocol, with back-pressure both ways.

This is the only file of the source that is an `asyncio.Protocol`. It must not know statements, pins
or pools: it hands over messages in order, and knows three things about them that hold at any time
(PostgreSQL documentation, 55.2.7 Asynchronous Operations): notices are dropped, a notification was
never asked for, and a ParameterStatus goes to one observer, in its place in the order.

Theory of operation. Received messages wait in a queue. While it holds more than `QUEUE_BYTES_HIGH`
of row bytes the transport is not read, so a slow consumer fills the kernel's buffers and at last
stops the server; below `QUEUE_BYTES_LOW` reading goes on. What fails, fails once and for good: the
transport is aborted, messages that arrived before are still handed over, then every read raises the
same fault. A peer is never trusted to end: each wait has a limit (the number of messages sent
unasked has one in `proxy/wire`).

The express way: a `receiver` is offered the bytes of each read as they came, and takes them whole
or not at all; what it does not take goes the usual way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from proxy.faults import SourceFault
from proxy.sources.condition import lost
from proxy.wire.backend import (
    BackendMessage,
    NoticeResponse,
    NotificationResponse,
    ParameterStatus,
)
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.errors import WireError
from proxy.wire.protocol import ClientProtocol

# Four reads of uvloop (256 KiB each): enough that a consumer never waits for the kernel, small for
# 1,000 sessions.
QUEUE_BYTES_HIGH = 1024 * 1024
QUEUE_BYTES_LOW = 256 * 1024
# What a queued message without row bytes is taken to weigh: one small Python object.
SMALL_MESSAGE_BYTES = 64

Message = BackendMessage | RowBatch | CopyBatch
# A tuple made once: `RowBatch | CopyBatch` in the test would be built anew for every message.
_BATCHES = (RowBatch, CopyBatch)


class Receiver(Protocol):
    """Who waits for one answer without a task of its own."""

    def received(self, data: bytes) -> bool:
        """The first bytes of the answer. False: not taken; they are read in the usual way."""
        ...

    def lost(self) -> None:
        """The connection is gone; nothing was received."""
        ...


class Channel(asyncio.Protocol):
    """`observe_parameter(name, value)` returns False for a report that must not be: the channel
    then breaks.
    """

    def __init__(self) -> None:
        self._wire = ClientProtocol()
        self._queue: deque[Message] = deque()
        self._queue_bytes = 0
        self._is_paused = False
        self._transport: asyncio.Transport | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._failure: SourceFault | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.observe_parameter: Callable[[str, str], bool] = lambda name, value: True
        self.receiver: Receiver | None = None

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<Channel {state} queued={len(self._queue)} bytes={self._queue_bytes}>"

    @property
    def is_open(self) -> bool:
        return self._failure is None and self._transport is not None

    @property
    def queued(self) -> int:
        """Messages that wait to be read; on an idle connection any is an anomaly."""
        return len(self._queue)

    @property
    def is_writable(self) -> bool:
        """Whether the peer takes what it is sent."""
        return self._writable is None and self._failure is None

    def count_rows(self, data: bytes, position: int) -> tuple[int, int]:
        """Rows of the expected width from `position` on: their number and where they end.

        Raises ProtocolViolation.
        """
        return self._wire.row_run(data, position)

    def expect_columns(self, columns: int | None) -> None:
        """Rows received from now on must have so many columns; None for any number."""
        self._wire.expected_columns = columns

    # --- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, only alike.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._failure is not None:
            return
        if self.receiver is not None and self.receiver.received(data):
            return
        try:
            messages = self._wire.receive_data(data)
        except WireError as error:
            # The text of a WireError is ours and quotes nothing (`proxy/wire/errors.py`).
            self.break_off(f"protocol violation by the source: {error.message}")
            return
        for message in messages:
            self._enqueue(message)
        if self._queue_bytes > QUEUE_BYTES_HIGH and not self._is_paused and self._transport:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._failure is None:
            self._failure = lost()
        self._transport = None
        self._wake_reader()
        self._wake_writer()
        if self.receiver is not None:
            self.receiver.lost()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._wake_writer()

    # --- for the connection ---------------------------------------------------------------------

    def write(self, payload: bytes) -> None:
        """Send bytes. Raises SourceFault 08006 when the channel is broken."""
        if self._failure is not None or self._transport is None:
            raise self._failure or lost()
        self._transport.write(payload)

    async def drain(self, seconds_max: float) -> None:
        """Wait until the peer has taken most of what was written."""
        if self._writable is not None and not await self._wait(self._writable, seconds_max):
            raise self.break_off("the source does not read what it is sent")

    async def next_message(self, seconds_max: float) -> Message:
        """The next message in order, never a notice. Raises SourceFault 08006 once the channel is
        broken.

        `seconds_max` bounds the time without any message: a silent source is broken off.
        """
        while True:
            while not self._queue:
                if self._failure is not None:
                    raise self._failure
                self._reader = asyncio.get_running_loop().create_future()
                if not await self._wait(self._reader, seconds_max):
                    raise self.break_off("the source sent nothing in time")
            message = self._queue.popleft()
            self._account(-_weight(message))
            if not isinstance(message, ParameterStatus):
                return message
            if not self.observe_parameter(message.name, message.value):
                raise self.break_off("the source changed a pinned setting")

    def break_off(self, reason: str) -> SourceFault:
        """Fail for good with a text of ours, close the socket, and return the fault to raise."""
        if self._failure is None:
            self._failure = lost(reason)
            self._queue.clear()
            self._queue_bytes = 0
        if self._transport is not None:
            self._transport.abort()
        self._wake_reader()
        self._wake_writer()
        return self._failure

    def terminate(self, farewell: bytes) -> None:
        """Close politely: send `farewell` and no more. Later reads and writes fail."""
        if self._transport is not None and self._failure is None:
            self._transport.write(farewell)
            self._transport.close()
        if self._failure is None:
            self._failure = lost("closed")
        self._wake_reader()

    async def wait_closed(self, seconds_max: float) -> bool:
        """Wait for the peer to close; False when it did not in time."""
        return self._closed.done() or await self._wait(self._closed, seconds_max)

    def get_extra_info(self, name: str) -> object:
        return None if self._transport is None else self._transport.get_extra_info(name)

    # --- inside ---------------------------------------------------------------------------------

    def _enqueue(self, message: Message) -> None:
        if isinstance(message, NoticeResponse):
            return
        if isinstance(message, NotificationResponse):
            # Nobody ever listens on our connections, so a LISTEN has leaked (attack 100).
            self.break_off("the source sent a notification")
        elif self._failure is None:
            self._queue.append(message)
            self._queue_bytes += _weight(message)

    def _account(self, change: int) -> None:
        self._queue_bytes += change
        if self._is_paused and self._queue_bytes < QUEUE_BYTES_LOW and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    async def _wait(self, future: asyncio.Future[None], seconds_max: float) -> bool:
        """Await the future at most so long. One timer handle: `asyncio.timeout` costs four times as
        much.
        """
        loop = asyncio.get_running_loop()
        expiry: asyncio.Future[None] = future
        has_expired = False

        def expire() -> None:
            nonlocal has_expired
            if not expiry.done():
                has_expired = True
                expiry.set_result(None)

        timer = loop.call_later(seconds_max, expire)
        try:
            await future
        finally:
            timer.cancel()
        return not has_expired

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    def _wake_writer(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)


def _weight(message: Message) -> int:
    """Bytes that a queued message holds; small ones count as one small allocation."""
    if isinstance(message, _BATCHES):
        return len(message.data)
    return SMALL_MESSAGE_BYTES
