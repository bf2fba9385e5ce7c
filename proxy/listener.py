"""Accepts clients and sees each through: handshake, conversation, farewell.

This file must not know SQL or policies. Each client is one task; whatever happens in it ends that
client's session only, with one clear message and a record (I11).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

import structlog

from proxy import port as ports
from proxy.cancel import CancelKey
from proxy.connection import SHUTDOWN, ClientConnection, ClientGone, StopRequested
from proxy.crowd import Crowd
from proxy.dialogue import Dialogue
from proxy.faults import ConnectionFault, Fault
from proxy.gate import Gate
from proxy.handshake import Reception, Welcomed, greet, welcome
from proxy.interrupt import Interrupter, Reason
from proxy.record import reason_of
from proxy.runtime.state.admission import Credential
from proxy.runtime.state.login import address_of
from proxy.runtime.state.revocation import RevocationWatch, Watched
from proxy.runtime.tasks import spawn
from proxy.sources.base import Source
from proxy.wire.backend import BackendKeyData
from proxy.wire.errors import ProtocolViolation
from proxy.workspace import Workspace

RELEASE_SECONDS = 0.5
"""In which clients that wait in the queue are accepted, before it is closed for good."""

LISTEN_BACKLOG = 512
"""Connections that the kernel holds for us while the loop is busy."""

REVOKED_GRACE_SECONDS = 0.7
"""Until a session whose token was revoked is cut, if what runs does not end: one second in all."""

_logger = structlog.get_logger("listener")


@dataclass(slots=True)
class _Client:
    connection: ClientConnection
    interrupter: Interrupter | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Listener:
    """The client side of one worker. `database` is the name of the one virtual database."""

    def __init__(
        self,
        gate: Gate,
        reception: Reception,
        sources: dict[str, Source],
        *,
        database: str,
        tls_context: ssl.SSLContext | None,
        watch: RevocationWatch | None = None,
    ) -> None:
        self._gate = gate
        self._watch = watch
        self._reception = reception
        self._sources = sources
        self._database = database
        self._tls_context = tls_context
        self._by_connection: dict[ClientConnection, _Client] = {}
        self._crowd = Crowd(reception.limits)
        self._server: asyncio.Server | None = None
        self._is_stopping = False

    @property
    def clients(self) -> int:
        """Connections that are open, those that still log in too."""
        return len(self._by_connection)

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._new_connection, host, port, reuse_port=True, backlog=LISTEN_BACKLOG
        )
        address = self._server.sockets[0].getsockname()
        return int(address[1])

    def prefer(self, index: int) -> None:
        """Take every new client of the port, as its socket number `index`. Raises OSError."""
        ports.prefer(self._descriptor(), index)

    def share(self) -> None:
        """Take new clients in turn with the other workers again. Raises OSError."""
        ports.share(self._descriptor())

    def _descriptor(self) -> int:
        assert self._server is not None, "open() comes first"
        return self._server.sockets[0].fileno()

    async def release(self) -> None:
        """Leave the port to a successor, who gets its new clients already, and wait until the last
        client has left."""
        await asyncio.sleep(RELEASE_SECONDS)
        if self._server is not None:
            self._server.close()
        while self._by_connection:
            tasks = [client.task for client in self._by_connection.values() if client.task]
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Drain: accept nobody, let statements end within their time, then cut."""
        self._is_stopping = True
        if self._server is not None:
            self._server.close()
        tasks = [client.task for client in self._by_connection.values() if client.task]
        for client in tuple(self._by_connection.values()):
            client.connection.request_stop()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._reception.limits.drain_seconds_max)
            for client in tuple(self._by_connection.values()):
                if client.interrupter is not None:
                    client.interrupter.interrupt(Reason.SHUTDOWN)
            if late:
                _, late = await asyncio.wait(late, timeout=5.0)
            for task in late:
                task.cancel()

    def _new_connection(self) -> ClientConnection:
        return ClientConnection(self._reception.limits, self._tls_context, self._accepted)

    def _accepted(self, connection: ClientConnection) -> None:
        client = _Client(connection)
        self._by_connection[connection] = client
        client.task = spawn(self._serve(client), name="client")

    async def _serve(self, client: _Client) -> None:
        connection = client.connection
        try:
            welcomed = await self._receive(connection)
            if welcomed is not None:
                await self._converse(client, welcomed)
        except ClientGone:
            pass
        except ConnectionFault as fault:
            connection.fail(fault)
        except ProtocolViolation as violation:
            connection.fail(ConnectionFault(violation.message, sqlstate=violation.sqlstate))
        except StopRequested as stop:
            connection.fail(ConnectionFault(str(stop), sqlstate="57P01"))
        except Fault as fault:
            connection.fail(ConnectionFault(fault.message, sqlstate=fault.sqlstate))
        except Exception:
            # Ours, not the client's doing: it learns only that, the operator's log has the rest.
            _logger.exception("session crashed")
            connection.fail(ConnectionFault("internal error", sqlstate="XX000"))
        finally:
            del self._by_connection[connection]
            self._crowd.leave(connection)
            await connection.close()

    async def _receive(self, connection: ClientConnection) -> Welcomed | None:
        """The handshake, with a record of everybody who is turned away."""
        limits = self._reception.limits
        until = asyncio.get_running_loop().time() + limits.authentication_seconds_max
        recorder = self._reception.recorder
        try:
            self._crowd.enter(connection, connection.host)
            welcomed = await welcome(connection, self._reception, until)
            if welcomed is not None and welcomed.session.database != self._database:
                raise ConnectionFault(
                    f'database "{welcomed.session.database}" does not exist', sqlstate="3D000"
                )
            self._crowd.know(connection)
            return welcomed
        except ConnectionFault as fault:
            await recorder.turned_away(connection.peer, fault, reason_of(fault))
            raise
        except ProtocolViolation as violation:
            broken = ConnectionFault(violation.message, sqlstate=violation.sqlstate)
            await recorder.turned_away(connection.peer, broken, violation.message)
            raise broken from violation
        except TimeoutError as late:
            slow = ConnectionFault("canceling authentication due to timeout", sqlstate="57014")
            await recorder.turned_away(connection.peer, slow, slow.message)
            raise slow from late

    async def _converse(self, client: _Client, welcomed: Welcomed) -> None:
        connection, session = client.connection, welcomed.session
        workspace = Workspace(session, self._sources)
        interrupter = Interrupter(workspace.upstream.cancel)
        client.interrupter = interrupter
        key: CancelKey = self._reception.desk.issue(
            lambda: interrupter.interrupt(Reason.USER), is_long=welcomed.has_long_cancel_key
        )
        session.number = key.process_id
        connection.on_lost = lambda: interrupter.interrupt(Reason.GONE)
        watched = self._watched(client, welcomed.credential)
        dialogue = Dialogue(connection, workspace, self._gate, interrupter)
        reason = "client"
        try:
            await self._reception.recorder.opened(
                session,
                is_encrypted=connection.is_encrypted,
                credential=welcomed.credential,
            )
            greet(connection, session)
            if self._is_stopping:
                connection.request_stop()
            await dialogue.run(BackendKeyData(key.process_id, key.secret))
        except ConnectionFault as fault:
            reason = f"{fault.sqlstate} {fault.message}"
            raise
        except ProtocolViolation as violation:
            reason = violation.message
            raise
        except ClientGone:
            reason = "connection lost"
            raise
        except StopRequested as stop:
            reason = "drain" if str(stop) == SHUTDOWN else str(stop)
            raise
        finally:
            connection.on_lost = None
            if self._watch is not None and watched is not None:
                self._watch.leave(watched)
            self._reception.desk.withdraw(key)
            await workspace.drop_portals()
            workspace.close()
            await self._reception.recorder.closed(session, reason, dialogue.statements)

    def _watched(self, client: _Client, credential: Credential | None) -> Watched | None:
        """From here on a credential that is revoked ends the session."""
        if self._watch is None or credential is None:
            return None
        connection = client.connection

        def end(reason: str) -> None:
            connection.request_stop(reason)
            if client.interrupter is not None:
                client.interrupter.interrupt(Reason.SHUTDOWN)
            asyncio.get_running_loop().call_later(REVOKED_GRACE_SECONDS, connection.abort)

        watched = Watched(credential, address_of(connection.peer), end)
        self._watch.enter(watched)
        return watched
