"""One connection of our own to a class database of the shadow: messages out, answers in.

The smallest client that can do it: a Unix socket, no TLS, a role that Postgres trusts there. What
is asked, in which order, and what the answers mean is `shadow`'s business; this file must not know
catalogs. Theory: one exchange at a time; the write ends with Sync or is a Query, and the answer
ends with ReadyForQuery, as often as `exchanges` says. Reading pauses while the consumer is behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, cast

from proxy.faults import Fault, InternalFault, LimitFault, SourceFault
from proxy.wire.backend import (
    AuthenticationOk,
    AuthenticationSASL,
    BackendMessage,
    ErrorResponse,
    NoticeResponse,
    ParameterStatus,
    ReadyForQuery,
)
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.errors import ProtocolViolation
from proxy.wire.frontend import StartupMessage, Terminate
from proxy.wire.protocol import ClientProtocol

OPEN_TIMEOUT_SECONDS: Final = 10.0  # connect plus first answer take 2.4 ms when the machine is idle
ANSWER_TIMEOUT_SECONDS: Final = 20.0  # above the shadow's own statement_timeout
# Of one query: out of memory, more temporary files than temp_file_limit (appendix A).
EXHAUSTED_SQLSTATES: Final = frozenset({"53200", "53400"})
UNREAD_MESSAGES_MAX: Final = 64  # a batch holds up to 64 kB of rows; beyond this, reading pauses

Answer = BackendMessage | RowBatch | CopyBatch


class LinkLost(Exception):
    """The connection ended or broke the protocol; what was asked may be asked on another one."""


class Link(asyncio.Protocol):
    """An authenticated connection. `statements` counts exchanges, for recycling."""

    def __init__(self) -> None:
        self._protocol = ClientProtocol()
        self._transport: asyncio.Transport | None = None
        self._answers: deque[Answer] = deque()
        self._arrived = asyncio.Event()
        self._lost: Exception | None = None
        self._is_paused = False
        self.is_busy = False
        self.statements = 0
        self.search_path: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        state = "lost" if self._lost else "busy" if self.is_busy else "idle"
        return f"<Link {state} after {self.statements} statements>"

    @classmethod
    async def open(cls, path: Path, role: str, database: str) -> Link:
        """Connect and log in. Raises LinkLost, or Fault with Postgres' own refusal."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
                _, link = await loop.create_unix_connection(cls, str(path))
                parameters = {"user": role, "database": database, "client_encoding": "UTF8"}
                startup = StartupMessage((3, 0), parameters)
                async for answer in link.converse(startup.encode()):
                    if isinstance(answer, ErrorResponse):
                        link.close()
                        raise fault_of(answer)
                    if isinstance(answer, AuthenticationSASL):
                        # Only a role that exists is trusted: Postgres asks others for a password.
                        link.close()
                        raise Fault("the class has no role", sqlstate="28000")
        except (OSError, TimeoutError) as error:
            raise LinkLost(f"cannot reach the catalog server: {error}") from error
        return link

    @property
    def is_usable(self) -> bool:
        """Whether another exchange may start on it."""
        return self._lost is None and not self.is_busy

    async def converse(self, request: bytes, exchanges: int = 1) -> AsyncGenerator[Answer, None]:
        """Send `request`, yield its answers but notices and settings, to the last ReadyForQuery.

        A consumer that stops early leaves the link busy, so it must close it. Raises LinkLost.
        """
        assert self.is_usable, "one exchange at a time"
        assert self._transport is not None
        self.is_busy = True
        self.statements += 1
        self._transport.write(request)
        while exchanges:
            for answer in await self._next_answers():
                if isinstance(answer, ReadyForQuery):
                    exchanges -= 1
                elif not isinstance(answer, NoticeResponse | ParameterStatus | AuthenticationOk):
                    yield answer
        self.is_busy = False

    async def _next_answers(self) -> list[Answer]:
        if not self._answers:
            if self._lost is not None:
                raise LinkLost(str(self._lost)) from self._lost
            self._arrived.clear()
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                self.close()
                raise LinkLost("the catalog server does not answer") from None
        taken = list(self._answers)
        self._answers.clear()
        if self._is_paused and self._transport is not None and self._lost is None:
            self._transport.resume_reading()
            self._is_paused = False
        return taken

    def close(self) -> None:
        """End the connection; safe at any time, and again."""
        if self._transport is not None and not self._transport.is_closing():
            if not self.is_busy:
                self._transport.write(Terminate().encode())
            self._transport.close()
        if self._lost is None:
            self._lost = ConnectionError("closed")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._answers.extend(self._protocol.receive_data(data))
        except ProtocolViolation as violation:
            self._lost = violation
            self.close()
        if len(self._answers) > UNREAD_MESSAGES_MAX and not self._is_paused:
            assert self._transport is not None
            self._transport.pause_reading()
            self._is_paused = True
        self._arrived.set()

    def connection_lost(self, error: Exception | None) -> None:
        if self._lost is None:
            self._lost = error or ConnectionError("the catalog server closed the connection")
        self._arrived.set()


def fault_of(error: ErrorResponse) -> Fault:
    """The shadow's own error as a fault: it speaks of the class's visible schema only.

    A broken shadow (class XX, or an administrator's shutdown) is told without Postgres' text.
    """
    sqlstate = error.sqlstate
    if sqlstate.startswith("XX"):
        return InternalFault("the catalog cannot answer this statement")
    if sqlstate in EXHAUSTED_SQLSTATES:
        return LimitFault(
            "the catalog query needs more memory or temporary space than it may use",
            sqlstate=sqlstate,
        )
    if sqlstate.startswith(("57P", "58", "53")):
        return SourceFault("the catalog is not available", sqlstate="57P03")
    position = error.fields.get("P", "")
    return Fault(
        error.message,
        sqlstate=sqlstate,
        detail=error.fields.get("D"),
        hint=error.fields.get("H"),
        position=int(position) if position.isdigit() else None,
    )
