"""The two roles of a conversation: bytes in, messages out, no socket in sight.

This file must not know what a message asks for, nor when an answer is due; it knows which types of
message may come in which phase, and how long each may be. The theory is in `phase.py`, which holds
the tables; here they are run.

`ServerProtocol` is pulled: `receive_data` stores, `next_event` returns one message or None. So what
a client sent too early waits until `send` has changed the phase. `ClientProtocol` is pushed:
`receive_data` returns everything complete, and leaves rows in their frames, because a relay copies
them and looks at nothing inside.
"""

from __future__ import annotations

import struct
from typing import Final

from proxy.wire import backend, phase
from proxy.wire.backend import BackendMessage
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.buffer import HEADER, HEADER_BYTES, FrameBuffer, refuse_length
from proxy.wire.errors import MalformedMessage, ProtocolViolation
from proxy.wire.frontend import (
    CancelRequest,
    FrontendMessage,
    GSSENCRequest,
    SSLRequest,
)
from proxy.wire.limits import (
    ASYNCHRONOUS_MESSAGES_MAX,
    MESSAGE_BYTES_MAX,
    PENDING_BYTES_MAX_BEFORE_AUTHENTICATION,
    STARTUP_PACKET_BYTES_MAX,
)
from proxy.wire.phase import Phase, frontend_rules, refuse_frontend_type
from proxy.wire.startup import decode_startup_packet

_DATA_ROW: Final = ord("D")
_COPY_DATA: Final = ord("d")
_AUTHENTICATION: Final = ord("R")
_ROW_HEADER: Final = struct.Struct(">BIH")
_ROW_HEADER_BYTES: Final = _ROW_HEADER.size


def _early_bytes() -> ProtocolViolation:
    return ProtocolViolation("received unencrypted data after encryption request")


class ServerProtocol:
    """We are the server. Args: `message_bytes_max`, the largest message once authenticated.

    Every method raises ProtocolViolation when the client breaks the protocol; unless the error is a
    MalformedMessage the phase is then CLOSED and nothing more is read.
    """

    __slots__ = ("_all_rules", "_buffer", "_negotiations", "_rules")

    def __init__(self, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._buffer = FrameBuffer(message_bytes_max)
        self._all_rules = frontend_rules(message_bytes_max)
        # Which kinds of encryption were asked for: each may be asked for once, as in Postgres.
        self._negotiations: set[type[FrontendMessage]] = set()
        self._enter(Phase.STARTUP)

    def __repr__(self) -> str:
        return f"ServerProtocol({self._rules.phase.name}, {len(self._buffer)} bytes unread)"

    @property
    def phase(self) -> Phase:
        """Where the conversation is."""
        return self._rules.phase

    @property
    def unread_bytes(self) -> int:
        """Bytes received and not yet returned as messages: the measure for back-pressure."""
        return len(self._buffer)

    @property
    def is_at_rest(self) -> bool:
        """Whether a session's next bytes would begin a message that is read, not skipped."""
        return self._rules.phase is Phase.SESSION and not len(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Store bytes from the client.

        Bytes that arrive while an encryption request is unanswered, or before the handshake that we
        agreed to, were not encrypted and are refused (CVE-2021-23214).
        """
        if self.phase is Phase.CLOSED:
            return
        if self.phase in phase.UNENCRYPTED_BYTES_REFUSED and data:
            raise self._close(_early_bytes())
        if self.phase not in phase.AUTHENTICATED and (
            len(self._buffer) + len(data) > PENDING_BYTES_MAX_BEFORE_AUTHENTICATION
        ):
            raise self._close(ProtocolViolation("too many bytes sent before authentication"))
        try:
            self._buffer.feed(data)
        except ProtocolViolation as violation:
            raise self._close(violation) from None

    def next_event(self) -> FrontendMessage | None:
        """Return the next message, or None when more bytes, or a change of phase, are needed."""
        while True:
            rules = self._rules
            if rules.bounds is None:
                return self._next_untyped()
            try:
                frame = self._buffer.next_frame(rules.bounds, self._refuse_type)
                if frame is None:
                    return None
                message_type, body = frame
                decode = rules.decoders[message_type]
                # A type without a decoder is one that this phase reads and drops.
                message = None if decode is None else decode(body)
            except MalformedMessage as violation:
                if self.phase in phase.AUTHENTICATING:
                    raise self._close(ProtocolViolation(violation.message)) from None
                raise
            except ProtocolViolation as violation:
                raise self._close(violation) from None
            following = rules.after_received.get(message_type)
            if following is not None:
                self._enter(following)
            if message is not None:
                return message

    def send(self, message: BackendMessage) -> bytes:
        """Return the bytes of an answer, and follow what it does to the conversation.

        Messages that change the phase (Authentication*, CopyInResponse, ErrorResponse during COPY)
        must go through here; batches of rows need not.
        """
        following = self._rules.after_sent.get(type(message))
        if following is not None:
            self._enter(following)
        return message.encode()

    def answer_negotiation(self, *, accepted: bool) -> bytes:
        """Return the one byte that answers the SSLRequest or GSSENCRequest just returned.

        When `accepted`, the handshake comes next, and `encryption_started` after it.
        """
        assert self.phase in phase.NEGOTIATING, "there is no request to answer"
        yes = b"S" if self.phase is Phase.NEGOTIATING_SSL else b"G"
        self._enter(Phase.HANDSHAKE if accepted else Phase.STARTUP)
        return yes if accepted else b"N"

    def encryption_started(self) -> None:
        """Note that everything from here on arrives encrypted (also for direct TLS)."""
        assert self.phase in (Phase.HANDSHAKE, Phase.STARTUP), "encryption starts a conversation"
        if len(self._buffer):
            raise self._close(_early_bytes())
        self._negotiations = {SSLRequest, GSSENCRequest}
        self._enter(Phase.STARTUP)

    def skip_until_sync(self) -> None:
        """Drop all messages up to the next Sync or Terminate, undecoded: the rule after an error in
        the extended protocol (docs §54.2.3)."""
        assert self.phase in phase.AUTHENTICATED, "only a session has something to skip"
        self._enter(Phase.SKIPPING)

    def _next_untyped(self) -> FrontendMessage | None:
        if self.phase is not Phase.STARTUP:
            return None
        try:
            packet = self._buffer.next_packet(STARTUP_PACKET_BYTES_MAX)
            if packet is None:
                return None
            message = decode_startup_packet(packet)
            if isinstance(message, SSLRequest | GSSENCRequest):
                if type(message) in self._negotiations:
                    raise ProtocolViolation("encryption was already asked for")
                if len(self._buffer):
                    raise _early_bytes()
                self._negotiations.add(type(message))
        except ProtocolViolation as violation:
            raise self._close(violation) from None
        self._enter(phase.AFTER_STARTUP_PACKET[type(message)])
        if isinstance(message, CancelRequest):
            self._buffer.clear()
        return message

    def _enter(self, following: Phase) -> None:
        self._rules = self._all_rules[following]

    def _refuse_type(self, message_type: int) -> ProtocolViolation:
        return refuse_frontend_type(self.phase, message_type)

    def _close(self, violation: ProtocolViolation) -> ProtocolViolation:
        self._enter(Phase.CLOSED)
        self._buffer.clear()
        return violation


class ClientProtocol:
    """We are the client. Args: `message_bytes_max`, the largest message once authenticated.

    `expected_columns`, when the owner sets it, makes a row with another number of columns a
    violation: a relay that looks into no row would otherwise hand it to a client that trusts us.
    After a ProtocolViolation the connection must be closed; the same violation is raised again.
    """

    __slots__ = (
        "_asynchronous_messages",
        "_bounds",
        "_message_bytes_max",
        "_needed",
        "_partial",
        "_violation",
        "expected_columns",
        "is_authenticated",
    )

    def __init__(self, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self.expected_columns: int | None = None
        self.is_authenticated = False
        self._message_bytes_max = message_bytes_max
        self._partial = bytearray()
        self._needed = 0
        self._bounds = phase.BOUNDS_BEFORE_AUTHENTICATION
        self._asynchronous_messages = 0
        self._violation: ProtocolViolation | None = None

    def __repr__(self) -> str:
        state = "authenticated" if self.is_authenticated else "authenticating"
        return f"ClientProtocol({state}, {len(self._partial)} bytes unread)"

    def receive_data(self, data: bytes) -> list[BackendMessage | RowBatch | CopyBatch]:
        """Return all messages that `data` completes, in order, rows and COPY data in their frames.

        Raises ProtocolViolation; a message that came before the violation in the same bytes is
        lost, as the connection is.
        """
        if self._violation is not None:
            raise self._violation
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return []
            data = bytes(self._partial)
            self._partial.clear()
        try:
            return self._split(data)
        except ProtocolViolation as violation:
            self._violation = violation
            self._partial.clear()
            raise

    def _split(self, data: bytes) -> list[BackendMessage | RowBatch | CopyBatch]:
        messages: list[BackendMessage | RowBatch | CopyBatch] = []
        position = 0
        size = len(data)
        while size - position >= HEADER_BYTES:
            message_type, length = HEADER.unpack_from(data, position)
            limit = self._bounds.get(message_type)
            if limit is None:
                raise phase.refuse_backend_type(message_type)
            if not 4 <= length <= limit:
                raise refuse_length(length, limit)
            end = position + 1 + length
            if end > size:
                self._needed = 1 + length
                break
            if message_type == _DATA_ROW:
                count, end = self.row_run(data, position)
                messages.append(RowBatch(count, data[position:end]))
            elif message_type == _COPY_DATA:
                count, end = self._copy_run(data, position)
                messages.append(CopyBatch(count, data[position:end]))
            else:
                messages.append(self._decode(message_type, data[position + HEADER_BYTES : end]))
            position = end
        else:
            self._needed = HEADER_BYTES
        if position < size:
            self._partial += data[position:] if position else data
        return messages

    def row_run(self, data: bytes, position: int) -> tuple[int, int]:
        """Walk whole DataRow frames from `position`, where there must be one: return their number
        and where they end. Raises ProtocolViolation."""
        unpack = _ROW_HEADER.unpack_from
        limit = self._message_bytes_max
        expected = self.expected_columns
        size = len(data)
        last_header = size - _ROW_HEADER_BYTES
        count = 0
        while position <= last_header:
            message_type, length, columns = unpack(data, position)
            if message_type != _DATA_ROW:
                break
            if not 6 <= length <= limit:
                raise refuse_length(length, limit)
            end = position + 1 + length
            if end > size:
                break
            if columns != expected and expected is not None:
                raise ProtocolViolation(f"a row has {columns} columns, {expected} were described")
            position = end
            count += 1
        if not count:
            # The caller saw a whole frame, so it is one too short to hold a column count.
            raise refuse_length(4, limit)
        return count, position

    def _copy_run(self, data: bytes, position: int) -> tuple[int, int]:
        """Walk whole CopyData frames from `position`: return their number and where they end."""
        unpack = HEADER.unpack_from
        limit = self._message_bytes_max
        size = len(data)
        last_header = size - HEADER_BYTES
        count = 0
        while position <= last_header:
            message_type, length = unpack(data, position)
            if message_type != _COPY_DATA:
                break
            if not 4 <= length <= limit:
                raise refuse_length(length, limit)
            end = position + 1 + length
            if end > size:
                break
            position = end
            count += 1
        return count, position

    def _decode(self, message_type: int, body: bytes) -> BackendMessage:
        message = backend.DECODERS[message_type](body)
        if message_type in phase.BACKEND_TYPES_NOTED:
            self._note(message_type, message)
        return message

    def _note(self, message_type: int, message: BackendMessage) -> None:
        """Follow what a message says about what may come next."""
        if message_type == _AUTHENTICATION:
            self.is_authenticated = isinstance(message, backend.AuthenticationOk)
            self._bounds = (
                phase.backend_bounds(self._message_bytes_max, is_copying=False)
                if self.is_authenticated
                else phase.BOUNDS_BEFORE_AUTHENTICATION
            )
        elif message_type in phase.BACKEND_TYPES_ASYNCHRONOUS:
            self._asynchronous_messages += 1
            if self._asynchronous_messages > ASYNCHRONOUS_MESSAGES_MAX:
                raise ProtocolViolation("the server sends notices without end")
        elif self.is_authenticated:
            is_copying = isinstance(message, backend.CopyOutResponse)
            self._bounds = phase.backend_bounds(self._message_bytes_max, is_copying=is_copying)
            if isinstance(message, backend.ReadyForQuery):
                self._asynchronous_messages = 0
