"""The source connections that one session holds, and their transactions, which mirror the client's.

A connection is borrowed when a statement first needs its source, and goes back when the client's
transaction is over. Nothing is begun upstream before it is needed, so BEGIN alone costs no source
anything (pitfall 23). One connection belongs to one session until it is released (I12).

This file must not know sockets, policies or the client's protocol.

Theory of operation. `Transaction` says what the client believes. When a source is first used inside
an open block, BEGIN is sent there with every savepoint that exists by then, so that ROLLBACK TO
works on all sides. Savepoints upstream are named by their position, never by the client's text
(I1). A session that is failed only by a refusal of ours keeps its healthy upstream transaction:
ROLLBACK TO brings both back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator, Mapping

from proxy.faults import Fault, SourceFault
from proxy.runtime.tasks import spawn
from proxy.settings import Settings
from proxy.sources.base import Source, SourceConnection
from proxy.transaction import Block, Transaction

CONNECTION_LOST = "the connection to the source was lost"


class Upstream:
    """What one session has borrowed from `sources` (by name) for `principal`."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        transaction: Transaction,
        settings: Settings,
        principal: Hashable = None,
    ) -> None:
        self.principal = principal
        self._sources = sources
        self._transaction = transaction
        self._settings = settings
        self._held: dict[str, SourceConnection] = {}
        self._pins: dict[str, dict[str, str]] = {}
        """The pins that each source's connection was acquired with."""
        self._running: list[SourceConnection] = []
        self._adopted = 0

    def __repr__(self) -> str:
        return f"Upstream(held={sorted(self._held)}, is_running={bool(self._running)})"

    async def take(self, source: str) -> SourceConnection:
        """The session's connection to `source`, in the state that the client's transaction demands.

        Raises SourceFault, LimitFault 53300, UnsupportedFault.
        """
        held = self._held.get(source)
        if held is None:
            held = await self._acquire(source)
        elif not held.is_usable:
            self._demand_idle()
            self._give_back(source)
            held = await self._acquire(source)
        elif self._pins[source] != (pins := self._settings.pins()):
            held.pin(pins)
            self._pins[source] = pins
        # Outside a block a source keeps its implicit transaction, and held portals, until `sync`.
        if self._transaction.block is Block.OPEN and held.status == b"I":
            await self._begin(held)
        return held

    def find(self, source: str) -> Source | None:
        """The source of that name, if there is one that may be used."""
        return self._sources.get(source)

    def adopt(self, source: str, connection: SourceConnection) -> None:
        """Hold a connection that was borrowed elsewhere for this session's statement."""
        assert source not in self._held, "nothing is held between statements"
        self._held[source] = connection
        self._pins[source] = self._settings.pins()

    def keep_apart(self, connection: SourceConnection) -> str:
        """Hold a connection that was opened for one portal. Returns the name to `take` it by."""
        self._adopted += 1
        place = f"merge {self._adopted}"
        self._held[place] = connection
        self._pins[place] = self._settings.pins()
        return place

    def give_back(self, place: str) -> None:
        """The portal is over: let its connection go."""
        if place in self._held:
            self._give_back(place)

    async def _acquire(self, source: str) -> SourceConnection:
        found = self.find(source)
        if found is None:
            raise SourceFault("the source is not configured", sqlstate="08006")
        pins = self._settings.pins()
        connection = await found.acquire(pins, principal=self.principal)
        self._held[source] = connection
        self._pins[source] = pins
        return connection

    async def _begin(self, connection: SourceConnection) -> None:
        isolation = self._settings.of_transaction("transaction_isolation").upper()
        is_deferrable = self._settings.of_transaction("transaction_deferrable") == "on"
        await connection.begin(isolation, is_deferrable)
        for position in range(len(self._transaction.savepoints)):
            await connection.savepoint(_name(position))

    def _demand_idle(self) -> None:
        """A lost connection cannot be replaced unseen inside a transaction: its snapshot is
        gone."""
        if self._transaction.is_block:
            raise SourceFault(CONNECTION_LOST, sqlstate="08006")

    # What the client's transaction statements do upstream. Call after `Transaction` accepted them.

    async def savepoint(self) -> None:
        """The newest savepoint of the transaction was just made."""
        position = len(self._transaction.savepoints) - 1
        for connection in self._begun():
            await connection.savepoint(_name(position))

    async def release_savepoint(self) -> None:
        """A savepoint, and those after it, were just forgotten."""
        position = len(self._transaction.savepoints)
        for connection in self._begun():
            await connection.release_savepoint(_name(position))

    async def rollback_to(self) -> None:
        """The transaction went back to what is now its newest savepoint."""
        position = len(self._transaction.savepoints) - 1
        for connection in self._begun():
            await connection.rollback_to(_name(position))

    async def finish(self, *, is_committed: bool) -> None:
        """The client's transaction is over. Raises SourceFault when a commit failed."""
        failure: Fault | None = None
        # What is lost cannot be committed; rolled back it is already.
        for connection in self._begun() if is_committed else self._healthy():
            try:
                if is_committed and connection.status == b"T":
                    await connection.commit()
                else:
                    await connection.rollback()
            except Fault as fault:
                failure = fault
        if is_committed and failure is not None:
            raise failure

    def _begun(self) -> list[SourceConnection]:
        for connection in self._held.values():
            if not connection.is_usable:
                self._demand_usable()
        return self._healthy()

    def _healthy(self) -> list[SourceConnection]:
        return [c for c in self._held.values() if c.is_usable and c.status != b"I"]

    def _demand_usable(self) -> None:
        if self._transaction.block is Block.OPEN:
            raise SourceFault(CONNECTION_LOST, sqlstate="08006")

    async def close_portal(self, source: str, portal: str) -> None:
        """Close a portal at its source, if the connection that holds it is still healthy."""
        held = self._held.get(source)
        if held is not None and held.is_usable and held.status != b"E":
            await held.close_portal(portal)

    async def sync(self) -> None:
        """The client's Sync, or the end of its Query: portals outside a block end here."""
        if self._transaction.is_block:
            return
        for connection in self._held.values():
            if connection.is_usable:
                with contextlib.suppress(Fault):  # `release` then closes it; the answer stands
                    await connection.sync()

    def settle(self) -> None:
        """Give everything back unless a block is open. Nobody waits for the reset."""
        if self._transaction.is_block:
            return
        for source in tuple(self._held):
            self._give_back(source)

    def close(self) -> None:
        """The session is over: give everything back, whatever its state."""
        for source in tuple(self._held):
            self._give_back(source)

    def _give_back(self, source: str) -> None:
        connection = self._held.pop(source)
        del self._pins[source]
        spawn(connection.release(), name=f"release {source}")

    # Interrupts

    @contextlib.contextmanager
    def running(self, connection: SourceConnection) -> Iterator[None]:
        """Mark what a cancel must reach while a statement runs there."""
        self._running.append(connection)
        try:
            yield
        finally:
            self._running.remove(connection)

    async def cancel(self) -> bool:
        """Ask the source to stop what runs now; False when nothing of this session runs there."""
        if not self._running:
            return False
        for connection in tuple(self._running):
            with contextlib.suppress(Fault, OSError):
                await connection.cancel()
        return True


def _name(position: int) -> str:
    return f"s{position}"
