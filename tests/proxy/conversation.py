"""A session over stand-ins: a connection that keeps what is sent, a gate that allows."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.connection import ClientGone
from proxy.gate import Gate
from proxy.wire import backend
from proxy.wire.backend import BackendMessage
from proxy.wire.frontend import FrontendMessage
from proxy.wire.protocol import ClientProtocol
from proxy.workspace import Workspace
from tests.live.wire import told
from tests.proxy.doubles import AllowingDecider, Recorder, Source, make_workspace


class _Protocol:
    """What the dialogue asks of the wire: to skip."""

    def __init__(self, connection: FakeConnection) -> None:
        self._connection = connection

    def skip_until_sync(self) -> None:
        from proxy.wire.frontend import Sync

        events = self._connection.events
        while events and not isinstance(events[0], Sync):
            events.pop(0)


class FakeConnection:
    """Stands for a ClientConnection whose client sends `events` and goes."""

    def __init__(self, events: Sequence[FrontendMessage] = ()) -> None:
        self.events = list(events)
        self.protocol = _Protocol(self)
        self.output = b""
        self.flushes = 0
        self.until: list[float | None] = []

    async def next_event(self, *, until: float | None = None) -> FrontendMessage:
        self.until.append(until)
        if not self.events:
            raise ClientGone
        return self.events.pop(0)

    def send(self, message: BackendMessage) -> None:
        self.write(message.encode())

    def write(self, data: bytes) -> None:
        self.output += data

    def mark(self) -> tuple[int, int]:
        return self.flushes, len(self.output)

    def retract(self, mark: tuple[int, int]) -> None:
        flushes, length = mark
        if flushes == self.flushes:
            self.output = self.output[:length]

    def flush(self) -> None:
        self.flushes += 1

    async def drain(self) -> None: ...

    def lines(self) -> list[str]:
        """What was sent, one line per message; then forgotten."""
        protocol = ClientProtocol()
        greeting = backend.AuthenticationOk().encode() + backend.ReadyForQuery(b"I").encode()
        protocol.receive_data(greeting)
        found = told(protocol.receive_data(self.output))
        self.output = b""
        return found


class Stage:
    """Everything that a conversation needs."""

    def __init__(self, events: Sequence[FrontendMessage] = (), **limits: int) -> None:
        self.connection = FakeConnection(events)
        self.source = Source()
        self.decider = AllowingDecider()
        self.workspace: Workspace = make_workspace(self.source, **limits)
        self.gate = Gate(self.decider, Recorder())  # type: ignore[arg-type]
