"""The Postgres source: dialling with fail-over, the pool, health, and the state it tells.

It must not know policy or SQL: it lends connections.

Theory of operation. `start` tries once and never raises for an unreachable server: the state
becomes DOWN, and a keeper task tries again after a growing, jittered delay. While DOWN, `acquire`
fails at once with 08006 until the next try is due; nobody queues for a dead server. The keeper also
expires idle connections and, when nothing else proves that the server lives, asks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING
from weakref import WeakSet

from proxy.faults import Fault, SourceFault
from proxy.runtime.credential import CredentialError
from proxy.runtime.tasks import spawn
from proxy.sources.backoff import Backoff
from proxy.sources.base import SourceState
from proxy.sources.condition import CONNECTION_FAILURE
from proxy.sources.express import Answered, Order
from proxy.sources.pool import Pool, PoolFigures
from proxy.sources.postgres_backend import PostgresBackend
from proxy.sources.postgres_channel import Channel
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_dial import DialError, Dialled, dial, tls_context
from proxy.sources.postgres_express import (
    PostgresDispatch,
    PostgresOrder,
    dispatch,
    order_of,
)
from proxy.sources.postgres_login import LoginError, UnfitServer, log_in
from proxy.sources.postgres_options import Address, Pooling, PostgresOptions
from proxy.sources.postgres_pins import ParameterWatch, born_settings, checked_pins

if TYPE_CHECKING:
    # A type only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import Fragment

# How often idle connections are looked after; also the longest that an idle, dead server goes
# unnoticed.
KEEPER_INTERVAL_SECONDS = 5.0

# For a server to answer a goodbye, before its socket is closed without.
FAREWELL_SECONDS_MAX = 1.0

# Told at each change of state, with the reason when it is DOWN; for the log and the health report.
Observer = Callable[[SourceState, str | None], None]


class PostgresSource:
    """Implements base.Source for one Postgres. Raises OSError or ssl.SSLError for unreadable TLS
    files.
    """

    def __init__(
        self,
        options: PostgresOptions,
        observe: Observer = lambda state, reason: None,
    ) -> None:
        self._observe = observe
        self._options = options
        self._context = tls_context(options.tls)
        self._state = SourceState.NEW
        self._down_reason: str | None = None
        self._is_unfit = False
        self._backoff = Backoff()
        self._retry_at = 0.0
        self._first_address = 0
        self._keeper: asyncio.Task[None] | None = None
        self._born = born_settings(options)
        self._pool = Pool(self._connect, options.pool, _now)
        self._channels: WeakSet[Channel] = WeakSet()
        """Everything that was ever connected and is not yet closed."""

    def __repr__(self) -> str:
        return f"<PostgresSource {self.name!r} {self._state.value} {self._pool!r}>"

    @property
    def name(self) -> str:
        return self._options.name

    @property
    def state(self) -> SourceState:
        return self._state

    @property
    def down_reason(self) -> str | None:
        return self._down_reason

    @property
    def is_unfit(self) -> bool:
        """True while it is DOWN because its servers are of a version that is never served."""
        return self._is_unfit

    @property
    def is_contended(self) -> bool:
        """True while somebody waits for a connection: who holds one between statements, let go."""
        return self._pool.waiting > 0

    @property
    def pool_figures(self) -> PoolFigures:
        """How its connections are used now."""
        return self._pool.figures

    async def start(self) -> None:
        """Try to connect once, and keep trying in the background. Does not raise for an unreachable
        server.
        """
        await self._probe()
        self._keeper = spawn(self._keep(), f"source {self.name}")

    async def close(self) -> None:
        """Close every connection, also borrowed ones, and refuse new work."""
        self._enter(SourceState.CLOSED, None)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._pool.close()
        # A loop that ended first would leave sockets open: TLS says goodbye in several turns.
        await asyncio.gather(*(_parted(channel) for channel in self._channels))

    async def acquire(
        self, pins: Mapping[str, str], *, principal: Hashable = None
    ) -> PostgresConnection:
        """Borrow a connection; see base.Source."""
        checked = checked_pins(pins, self._options)
        backend = await self._pool.acquire(principal)
        return PostgresConnection(backend, checked, self._take_back)

    def dispatch(
        self, order: Order, receiver: Answered, *, principal: Hashable = None
    ) -> PostgresDispatch | None:
        """See express.ExpressSource."""
        assert isinstance(order, PostgresOrder), "made by `order`"
        return dispatch(self._pool, order, receiver, self._take_back, principal)

    def order(
        self, fragment: Fragment, pins: Mapping[str, str], result_formats: tuple[int, ...]
    ) -> PostgresOrder | None:
        """See express.ExpressSource."""
        return order_of(fragment, checked_pins(pins, self._options), self._born, result_formats)

    def _take_back(self, backend: PostgresBackend, is_clean: bool) -> None:
        # INVARIANT I12, asserted a second time where it matters: not clean, not pooled.
        if is_clean and backend.is_clean:
            self._pool.put_back(backend)
        else:
            self._pool.drop(backend)

    # --- connecting -----------------------------------------------------------------------------

    async def _connect(self) -> PostgresBackend:
        """Open and log in, trying each address once. Raises SourceFault 08006; notes the state."""
        if _now() < self._retry_at:
            raise self._unreachable()
        reasons: list[str] = []
        is_unfit = False
        addresses = self._options.addresses
        for offset in range(len(addresses)):
            index = (self._first_address + offset) % len(addresses)
            address = addresses[index]
            try:
                backend = await self._connect_to(address)
            except (DialError, LoginError, CredentialError) as error:
                reasons.append(f"{address.host}:{address.port}: {error}")
                is_unfit |= isinstance(error, UnfitServer)
            except SourceFault as fault:
                reasons.append(f"{address.host}:{address.port}: {fault.detail or fault.message}")
            else:
                self._first_address = index
                self._note_up()
                return backend
        self._is_unfit = is_unfit
        self._note_down("; ".join(reasons))
        raise self._unreachable()

    async def _connect_to(self, address: Address) -> PostgresBackend:
        options = self._options
        # Read anew each time: tokens rotate.
        password = None if options.password is None else await options.password.read()
        dialled = await dial(address, self._context, options.connect_seconds_max)
        channel = dialled.channel
        self._channels.add(channel)
        watch = ParameterWatch(
            is_strict=options.pooling is Pooling.SESSION, search_path=options.search_path
        )
        channel.observe_parameter = watch.observe
        try:
            async with asyncio.timeout(options.connect_seconds_max):
                session = await log_in(dialled, options, password)
        except TimeoutError:
            channel.break_off("login took too long")
            raise LoginError(
                f"the login took longer than {options.connect_seconds_max:g} s"
            ) from None
        except BaseException:
            channel.break_off("login failed")
            raise
        watch.is_open = False
        return PostgresBackend(
            channel,
            session,
            options,
            address=_reached(address, dialled),
            context=self._context,
            watch=watch,
            server_name=address.host,
        )

    def _unreachable(self) -> SourceFault:
        return SourceFault("the source is unreachable", sqlstate=CONNECTION_FAILURE)

    def _note_up(self) -> None:
        self._retry_at = 0.0
        self._is_unfit = False
        self._backoff.reset()
        self._enter(SourceState.UP, None)

    def _note_down(self, reason: str) -> None:
        self._retry_at = _now() + self._backoff.next_delay_s()
        self._enter(SourceState.DOWN, reason)

    def _enter(self, state: SourceState, reason: str | None) -> None:
        has_changed = state is not self._state
        self._down_reason = reason
        # A connection attempt that was under way may end after `close`: closed stays closed.
        if has_changed and self._state is not SourceState.CLOSED:
            self._state = state
            self._observe(state, reason)

    # --- keeping --------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while self._state is not SourceState.CLOSED:
            wait_s = KEEPER_INTERVAL_SECONDS
            if self._state is SourceState.DOWN:
                wait_s = min(max(self._retry_at - _now(), 0.0), KEEPER_INTERVAL_SECONDS)
            await asyncio.sleep(wait_s)
            self._pool.discard_idle()
            is_due = self._state is SourceState.DOWN and _now() >= self._retry_at
            is_unseen = self._state is SourceState.UP and not self._pool.busy
            if is_due or is_unseen:
                await self._probe()

    async def _probe(self) -> None:
        """Borrow, ask, give back: an idle connection that is dead, or a source that came back, is
        found out.
        """
        try:
            backend = await self._pool.acquire()
        except Fault:
            return
        is_clean = False
        try:
            await backend.ping()
            is_clean = backend.is_clean
        except Fault:
            is_clean = False
        finally:
            self._take_back(backend, is_clean)


async def _parted(channel: Channel) -> None:
    """Wait until its socket is closed, politely if the server takes part."""
    if not await channel.wait_closed(FAREWELL_SECONDS_MAX):
        channel.break_off("closed")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _reached(address: Address, dialled: Dialled) -> Address:
    """The numeric address that a host name led to: a cancel request must reach the same server."""
    peer = dialled.channel.get_extra_info("peername")
    if isinstance(peer, tuple) and len(peer) >= 2:
        return Address(str(peer[0]), int(peer[1]))
    return address
