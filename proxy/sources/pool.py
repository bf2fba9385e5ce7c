"""A bounded pool with fair, bounded waiting; for any kind of connection.

It must not know what a connection talks to, nor how one is reset: the owner calls `put_back` only
with a connection proven clean (I12), and everything else is dropped.

Theory of operation. At most `connections_max` connections exist: idle, busy or being opened. Who
finds none waits in one queue, which serves its owners in turn (`turns.py`) and each owner's own in
order. A freed connection is handed to the head of the queue, and a freed *place* gives the head
leave to open a connection itself; a newcomer never overtakes. When the queue is full, the owner
who has most in it gives way to one who has less. A waiter that gives up (timeout, cancellation) at
the very moment it was served passes on what it got.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from proxy.faults import LimitFault, SourceFault
from proxy.sources.turns import Turns

# PostgreSQL's own default for max_connections is 100; a sixth of it leaves room for others and for
# other workers.
CONNECTIONS_MAX = 16
WAITERS_MAX = 1_000
WAIT_MS_MAX = 10_000
IDLE_S_MAX = 300.0
# Connections are renewed hourly, so that memory a backend never gives back, and rotated
# credentials, are let go.
LIFETIME_S_MAX = 3_600.0

TOO_MANY_CONNECTIONS = "53300"
CONNECTION_DOES_NOT_EXIST = "08003"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The pool's limits; each name carries its unit."""

    connections_max: int = CONNECTIONS_MAX
    waiters_max: int = WAITERS_MAX
    wait_ms_max: int = WAIT_MS_MAX
    idle_s_max: float = IDLE_S_MAX
    lifetime_s_max: float = LIFETIME_S_MAX

    def __post_init__(self) -> None:
        if self.connections_max < 1 or self.waiters_max < 0 or self.wait_ms_max < 1:
            raise ValueError("connections_max and wait_ms_max must be at least 1, waiters_max 0")


class Poolable(Protocol):
    """What the pool asks of a connection."""

    @property
    def is_usable(self) -> bool: ...
    def abort(self) -> None:
        """Close at once, without awaiting anything."""
        ...


ConnectionType = TypeVar("ConnectionType", bound=Poolable)


@dataclass(slots=True)
class _Idle(Generic[ConnectionType]):
    connection: ConnectionType
    since: float


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """Connections by what they do, and statements that wait for one."""

    busy: int
    idle: int
    waiting: int
    connections_max: int


class Pool(Generic[ConnectionType]):
    """`connect` opens one new connection and may raise; `clock` gives seconds, never backward."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[ConnectionType]],
        limits: PoolLimits,
        clock: Callable[[], float],
    ) -> None:
        self._connect = connect
        self._limits = limits
        self._clock = clock
        self._idle: deque[_Idle[ConnectionType]] = deque()
        self._busy: dict[int, ConnectionType] = {}
        self._born: dict[int, float] = {}
        self._opening = 0
        # A future's result is a connection, or None: leave to open one (already counted in
        # `_opening`).
        self._waiters: Turns[asyncio.Future[ConnectionType | None]] = Turns()
        self._queued: dict[asyncio.Future[ConnectionType | None], tuple[Hashable, float]] = {}
        """Who queued up without awaiting its turn: for which owner, and when."""
        self._is_closed = False

    def __repr__(self) -> str:
        return (
            f"<Pool idle={len(self._idle)} busy={len(self._busy)} opening={self._opening} "
            f"waiting={len(self._waiters)} of={self._limits.connections_max}>"
        )

    @property
    def size(self) -> int:
        """Connections that exist or are being opened."""
        return len(self._idle) + len(self._busy) + self._opening

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return len(self._waiters)

    @property
    def figures(self) -> PoolFigures:
        """How it is used now."""
        return PoolFigures(
            len(self._busy), len(self._idle), self.waiting, self._limits.connections_max
        )

    @property
    def busy(self) -> tuple[ConnectionType, ...]:
        return tuple(self._busy.values())

    async def acquire(self, owner: Hashable = None) -> ConnectionType:
        """Borrow a connection for `owner`, among whom waiting is shared fairly. Raises LimitFault
        53300, SourceFault 08003 when closed, and what `connect` raises.
        """
        self._demand_open()
        if not self._waiters:
            connection = self._take_idle()
            if connection is not None:
                return connection
            if self.size < self._limits.connections_max:
                self._opening += 1
                return await self._open()
        self._make_room(owner)
        granted = await self._wait(owner)
        return granted if granted is not None else await self._open()

    def take_now(self) -> ConnectionType | None:
        """Borrow an idle connection if there is one and nobody waits for it; None otherwise."""
        if self._waiters or self._is_closed:
            return None
        return self._take_idle()

    def queue_up(self, owner: Hashable = None) -> asyncio.Future[ConnectionType | None] | None:
        """Wait in the owner's line without awaiting it; None when too many do, or the pool can
        grow.

        The future's result is a connection, or None: whoever gets that must `leave` and `acquire`.
        Whoever no longer wants what it brings must `leave`, too.
        """
        is_full = len(self._waiters) >= self._limits.waiters_max
        if self._is_closed or is_full or self.size < self._limits.connections_max:
            return None
        waiter: asyncio.Future[ConnectionType | None] = asyncio.get_running_loop().create_future()
        self._waiters.add(owner, waiter)
        self._queued[waiter] = (owner, self._clock())
        return waiter

    def overdue(self, waiter: asyncio.Future[ConnectionType | None]) -> LimitFault | None:
        """The fault of one that queued up and has waited for longer than the limit, else None."""
        _, since = self._queued.get(waiter, (None, None))
        if since is None or (self._clock() - since) * 1000 < self._limits.wait_ms_max:
            return None
        return self._waited_in_vain()

    def leave(self, waiter: asyncio.Future[ConnectionType | None]) -> None:
        """Leave the queue, and pass on what the waiter may have been given."""
        owner, _ = self._queued.pop(waiter, (None, 0.0))
        self._pass_on(owner, waiter)
        waiter.cancel()

    def put_back(self, connection: ConnectionType) -> None:
        """Return a borrowed connection that is proven clean; an unusable or old one is closed
        instead.
        """
        is_worn = self._clock() - self._born[id(connection)] > self._limits.lifetime_s_max
        if self._is_closed or is_worn or not connection.is_usable:
            self.drop(connection)
            return
        del self._busy[id(connection)]
        waiter = self._next_waiter()
        if waiter is None:
            self._idle.append(_Idle(connection, self._clock()))
        else:
            self._busy[id(connection)] = connection
            waiter.set_result(connection)

    def drop(self, connection: ConnectionType) -> None:
        """Close a borrowed connection, and give its place to the next in the queue."""
        del self._busy[id(connection)]
        self._discard(connection)
        self._grant_place()

    def discard_idle(self, *, all_of_them: bool = False) -> int:
        """Close idle connections that died or idled past the limit; return how many."""
        kept: deque[_Idle[ConnectionType]] = deque()
        dropped = 0
        for entry in self._idle:
            has_expired = self._clock() - entry.since > self._limits.idle_s_max
            if all_of_them or has_expired or not entry.connection.is_usable:
                self._discard(entry.connection)
                dropped += 1
            else:
                kept.append(entry)
        self._idle = kept
        return dropped

    def close(self) -> None:
        """Close everything at once, refuse whoever waits. Busy connections are aborted, too."""
        self._is_closed = True
        self.discard_idle(all_of_them=True)
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(_closed_fault())
        for connection in self.busy:
            connection.abort()

    def _demand_open(self) -> None:
        if self._is_closed:
            raise _closed_fault()

    def _take_idle(self) -> ConnectionType | None:
        # Last in, first out: the warmest caches are used, and the rest can expire.
        while self._idle:
            connection = self._idle.pop().connection
            if connection.is_usable:
                self._busy[id(connection)] = connection
                return connection
            self._discard(connection)
        return None

    async def _open(self) -> ConnectionType:
        """Open a connection in a place that is already counted; give the place away when that
        fails.
        """
        try:
            connection = await self._connect()
        except BaseException:
            self._opening -= 1
            self._grant_place()
            raise
        self._opening -= 1
        if self._is_closed:
            connection.abort()
            raise _closed_fault()
        self._busy[id(connection)] = connection
        self._born[id(connection)] = self._clock()
        return connection

    def _make_room(self, owner: Hashable) -> None:
        """Raise LimitFault 53300, here or for who gives way, when the queue is full."""
        while len(self._waiters) >= self._limits.waiters_max:
            displaced = self._waiters.give_way(owner)
            fault = LimitFault(
                "too many statements wait for a connection to the source",
                sqlstate=TOO_MANY_CONNECTIONS,
                detail=f"limit waiters_max ({self._limits.waiters_max}) reached",
            )
            if displaced is None:
                raise fault
            self._queued.pop(displaced, None)
            if not displaced.done():
                displaced.set_exception(fault)

    async def _wait(self, owner: Hashable) -> ConnectionType | None:
        waiter: asyncio.Future[ConnectionType | None] = asyncio.get_running_loop().create_future()
        self._waiters.add(owner, waiter)
        try:
            async with asyncio.timeout(self._limits.wait_ms_max / 1000):
                return await waiter
        except TimeoutError:
            self._pass_on(owner, waiter)
            raise self._waited_in_vain() from None
        except BaseException:
            self._pass_on(owner, waiter)
            raise

    def _waited_in_vain(self) -> LimitFault:
        return LimitFault(
            "no connection to the source became free in time",
            sqlstate=TOO_MANY_CONNECTIONS,
            detail=f"limit wait_ms_max ({self._limits.wait_ms_max} ms) reached",
        )

    def _pass_on(self, owner: Hashable, waiter: asyncio.Future[ConnectionType | None]) -> None:
        """The waiter will not use what it may have been given this very moment."""
        self._waiters.remove(owner, waiter)
        if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
            return
        connection = waiter.result()
        if connection is None:
            self._opening -= 1
            self._grant_place()
        else:
            self.put_back(connection)

    def _next_waiter(self) -> asyncio.Future[ConnectionType | None] | None:
        while (waiter := self._waiters.take()) is not None:
            self._queued.pop(waiter, None)
            if not waiter.done():
                return waiter
        return None

    def _grant_place(self) -> None:
        if self._is_closed or self.size >= self._limits.connections_max:
            return
        waiter = self._next_waiter()
        if waiter is not None:
            self._opening += 1
            waiter.set_result(None)

    def _discard(self, connection: ConnectionType) -> None:
        self._born.pop(id(connection), None)
        connection.abort()


def _closed_fault() -> SourceFault:
    return SourceFault("the source is closed", sqlstate=CONNECTION_DOES_NOT_EXIST)
