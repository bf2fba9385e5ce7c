"""One client's socket: bytes and TLS on one side, messages on the other, with limits both ways.

The only file that joins the wire protocol to a client's socket. It must not know what a message
means, nor SQL or policy.

Theory of operation. `data_received` only stores; `next_event` pulls, so a message is read when the
one before it has been answered, and what a client pipelines waits in `_inbox`. When that holds more
than its limit, the socket is no longer read (back-pressure on the client). `write` gathers small
messages; `drain` waits while the transport holds more unsent bytes than its limit (back-pressure on
the source). TLS is a layer between both, whichever way it was asked for.

While the reader waits and nothing lies unread, bytes are first offered to a `lane`, which may take
them over (`proxy/express.py`). As long as something of its is under way nobody else reads.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from proxy.faults import ConnectionFault
from proxy.limits import OUTPUT_CHUNK_BYTES, SessionLimits
from proxy.rows import error_message
from proxy.tls import TlsLayer
from proxy.wire.backend import BackendMessage
from proxy.wire.errors import ProtocolViolation
from proxy.wire.frontend import FrontendMessage
from proxy.wire.protocol import ServerProtocol
from proxy.wire.startup import is_direct_tls


class ClientGone(Exception):
    """The client closed its connection, or lost it."""


SHUTDOWN = "terminating connection due to administrator command"


class StopRequested(Exception):
    """The session must end, and the client has nothing under way. The text is for the client."""


class Lane(Protocol):
    """Who may take a client's bytes over before they are read."""

    @property
    def is_flying(self) -> bool: ...
    def take(self, data: bytes) -> bool:
        """Whether it took `data`, whole messages in plain text."""
        ...


class ClientConnection(asyncio.Protocol):
    """One accepted connection. `on_accepted` is called once with this object when it is up."""

    def __init__(
        self,
        limits: SessionLimits,
        tls_context: ssl.SSLContext | None,
        on_accepted: Callable[[ClientConnection], None],
    ) -> None:
        self.protocol = ServerProtocol()
        self.on_lost: Callable[[], None] | None = None
        """Called once when the client is gone, so that what runs for it can stop."""
        self.lane: Lane | None = None
        self._handed_over: FrontendMessage | None = None
        self._limits = limits
        self._tls_context = tls_context
        self._on_accepted = on_accepted
        self._transport: asyncio.Transport | None = None
        self._tls: TlsLayer | None = None
        self._inbox: deque[bytes] = deque()
        self._inbox_bytes = 0
        # Whether unencrypted bytes were accepted: direct TLS can only be the very first thing.
        self._has_begun = False
        self._is_reading = True
        self._is_lost = False
        self._stop_reason: str | None = None
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._flushes = 0
        self._is_writable = True
        self._read_waiter: asyncio.Future[None] | None = None
        self._write_waiter: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"ClientConnection({self.peer}, {self.protocol!r}, unread={self._inbox_bytes})"

    # What is known about the client

    @property
    def peer(self) -> str:
        """Its address as `host:port`, or `unix`."""
        address = self._information("peername")
        return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "unix"

    @property
    def host(self) -> str:
        """Its address without the port, or `unix`."""
        return self.peer.rpartition(":")[0] or self.peer

    @property
    def is_local(self) -> bool:
        """Whether both ends are on this machine: loopback addresses, or a Unix socket."""
        ends = (self._information("peername"), self._information("sockname"))
        return all(not isinstance(end, tuple) or _is_loopback(end[0]) for end in ends)

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is established."""
        return self._tls is not None and self._tls.is_established

    @property
    def has_tls(self) -> bool:
        """Whether this listener can speak TLS."""
        return self._tls_context is not None

    def _information(self, name: str) -> Any:
        return None if self._transport is None else self._transport.get_extra_info(name)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop accepted the connection."""
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.outbound_bytes_max)
        self._on_accepted(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came: offer them to the lane, or store them."""
        lane = self.lane
        if lane is None:
            self._store(data)
        elif lane.is_flying:
            self._store(data, is_told=False)
        elif not self._is_at_rest():
            self._store(data)
        elif self._tls is None:
            if not lane.take(data):
                self._store(data)
        else:
            self._offer_encrypted(lane, self._tls, data)

    def _is_at_rest(self) -> bool:
        """Whether the reader waits for new bytes, and nothing else is to be done first."""
        waiter = self._read_waiter
        return (
            waiter is not None
            and not waiter.done()
            and not self._inbox
            and self._is_writable
            and self._stop_reason is None
            and self.protocol.is_at_rest
        )

    def _offer_encrypted(self, lane: Lane, tls: TlsLayer, data: bytes) -> None:
        try:
            plaintext = tls.receive(data)
            if plaintext and lane.take(plaintext):
                return
            self.protocol.receive_data(plaintext)
        except (ConnectionFault, ProtocolViolation) as error:
            assert self._read_waiter is not None, "at rest"
            self._read_waiter.set_exception(error)
        finally:
            self._send(tls.outgoing())
        _wake(self._read_waiter)

    def _store(self, data: bytes, *, is_told: bool = True) -> None:
        """Keep bytes, and stop reading when too many lie unread."""
        self._inbox.append(data)
        self._inbox_bytes += len(data)
        if self._inbox_bytes > self._limits.inbound_bytes_max and self._is_reading:
            self._is_reading = False
            if self._transport is not None:
                self._transport.pause_reading()
        if is_told:
            _wake(self._read_waiter)

    def eof_received(self) -> bool:
        """The client will send no more: it is gone, for half-open clients are not served."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone: wake whoever waits, and stop what runs."""
        self._is_lost = True
        _wake(self._read_waiter)
        _wake(self._write_waiter)
        if not self._closed.done():
            self._closed.set_result(None)
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """The transport holds enough unsent bytes."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._is_writable = True
        _wake(self._write_waiter)

    # Reading

    async def next_event(self, *, until: float | None = None) -> FrontendMessage:
        """The next message. `until`: loop time after which TimeoutError is raised while waiting.

        Raises ProtocolViolation, ConnectionFault (TLS), ClientGone, StopRequested, TimeoutError.
        """
        while True:
            event, self._handed_over = self._handed_over, None
            if event is not None:
                return event
            if not self._is_flying:
                event = self.protocol.next_event()
                if event is not None:
                    return event
                if self._inbox:
                    self._accept_bytes(self._inbox.popleft())
                    continue
                if self._is_lost:
                    raise ClientGone
                self.flush()
            await self._wait_for_bytes(until)

    @property
    def _is_flying(self) -> bool:
        return self.lane is not None and self.lane.is_flying

    async def _wait_for_bytes(self, until: float | None) -> None:
        if self._stop_reason is not None and not self._is_flying:
            raise StopRequested(self._stop_reason)
        self._read_waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout_at(until):
                await self._read_waiter
        finally:
            self._read_waiter = None

    def _accept_bytes(self, data: bytes) -> None:
        self._inbox_bytes -= len(data)
        if not self._is_reading and self._inbox_bytes <= self._limits.inbound_bytes_max // 2:
            self._is_reading = True
            if self._transport is not None and not self._is_lost:
                self._transport.resume_reading()
        if self._tls is None:
            if self._tls_context is None or self._has_begun or not is_direct_tls(data):
                self._has_begun = True
                self.protocol.receive_data(data)
                return
            self._tls = TlsLayer(self._tls_context, is_direct=True)
        self._decrypt(self._tls, data)

    def _decrypt(self, tls: TlsLayer, data: bytes) -> None:
        was_established = tls.is_established
        try:
            plaintext = tls.receive(data)
        finally:
            self._send(tls.outgoing())
        if tls.is_established and not was_established:
            self.protocol.encryption_started()
        if plaintext:
            self.protocol.receive_data(plaintext)

    def start_tls(self) -> None:
        """Encryption was agreed upon: what comes next is a handshake."""
        if self._tls_context is None:
            raise ConnectionFault("TLS is not available")
        if self._inbox:  # sent before our answer: not encrypted, perhaps injected (CVE-2021-23214)
            raise ProtocolViolation("received unencrypted data after encryption request")
        self.flush()
        self._tls = TlsLayer(self._tls_context, is_direct=False)

    # For the lane

    def give_back(self, data: bytes) -> None:
        """Read these bytes in the usual way."""
        # They were recognised as whole messages, so there is no violation in them.
        self.protocol.receive_data(data)
        _wake(self._read_waiter)

    def hand_over(self, flight: FrontendMessage) -> None:
        """Make this the next message."""
        self._handed_over = flight
        _wake(self._read_waiter)

    def landed(self) -> None:
        """What the lane had under way is over: go on with what happened meanwhile."""
        if self._inbox or self._is_lost:
            _wake(self._read_waiter)
        elif self._stop_reason is not None:
            self.request_stop(self._stop_reason)

    def write_now(self, data: bytes) -> None:
        """Send bytes that are whole messages, behind what is queued."""
        if self._outbox or self._tls is not None:
            self.write(data)
            self.flush()
        else:
            self._send(data)

    # Writing

    def send(self, message: BackendMessage) -> None:
        """Queue one message."""
        self.write(self.protocol.send(message))

    def write(self, data: bytes) -> None:
        """Queue bytes that are whole messages, or none."""
        if not data:
            return
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        if self._outbox_bytes >= OUTPUT_CHUNK_BYTES:
            self.flush()

    def mark(self) -> tuple[int, int]:
        """This place in what is queued, for `retract`."""
        return self._flushes, len(self._outbox)

    def retract(self, mark: tuple[int, int]) -> None:
        """Take back what was queued since the mark; nothing, if any of it was handed on."""
        flushes, length = mark
        if flushes == self._flushes:
            del self._outbox[length:]
            self._outbox_bytes = sum(map(len, self._outbox))

    def flush(self) -> None:
        """Hand everything queued to the transport."""
        if not self._outbox:
            return
        self._flushes += 1
        data = self._outbox[0] if len(self._outbox) == 1 else b"".join(self._outbox)
        self._outbox.clear()
        self._outbox_bytes = 0
        if self._tls is not None:
            if not self._tls.is_established:
                return  # whoever expects TLS must not be sent anything in clear
            self._tls.send(data)
            data = self._tls.outgoing()
        self._send(data)

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None and not self._is_lost:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken enough of what was written. Raises ClientGone."""
        while not self._is_writable and not self._is_lost:
            self._write_waiter = asyncio.get_running_loop().create_future()
            try:
                await self._write_waiter
            finally:
                self._write_waiter = None
        if self._is_lost:
            raise ClientGone

    # Ending

    def request_stop(self, reason: str = SHUTDOWN) -> None:
        """End the session as soon as it waits for the client, who is told the first `reason`."""
        if self._stop_reason is None:
            self._stop_reason = reason
        waiter = self._read_waiter
        if waiter is not None and not waiter.done() and not self._is_flying:
            waiter.set_exception(StopRequested(self._stop_reason))

    def abort(self) -> None:
        """Cut, whatever is under way or unsent."""
        if self._transport is not None:
            self._transport.abort()

    def fail(self, fault: ConnectionFault) -> None:
        """Tell a fault with severity FATAL. The caller closes."""
        self.write(error_message(fault, is_fatal=True).encode())

    async def close(self, grace_seconds: float = 5.0) -> None:
        """Send what is queued, close, and abort if the client does not take it in time."""
        self.flush()
        if self._transport is None:
            return
        if self._tls is not None and self._tls.is_established:
            self._tls.finish()
            self._send(self._tls.outgoing())
        self._transport.close()
        try:
            async with asyncio.timeout(grace_seconds):
                await asyncio.shield(self._closed)
        except TimeoutError:
            self._transport.abort()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _is_loopback(host: str) -> bool:
    # An IPv4 client of a dual-stack listener has an IPv4-mapped address (RFC 4291 §2.5.5.2).
    plain = host.removeprefix("::ffff:")
    return plain == "::1" or plain.startswith("127.")
