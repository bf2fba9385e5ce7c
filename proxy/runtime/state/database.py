"""The state database as services use it: a small pool, one kind of failure, and a clock of contact.

This file must not know tables. Whatever goes wrong between here and the database is one fault,
57P03, told in the same words: who cannot be checked is not let in (I5).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog

from proxy.faults import ConnectionFault
from proxy.runtime.state.migrate import migrate, read
from proxy.runtime.state.place import StateError, StatePlace

CONNECTIONS_MAX: Final = 4
"""Per process. A login takes one for about a millisecond."""
ANSWER_SECONDS_MAX: Final = 3.0
"""For one statement, the wait for a connection included: less than a client's patience."""
MOCK_KEY_BYTES: Final = 32

_FAILURES: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    TimeoutError,
    StateError,
)

_logger = structlog.get_logger("state")


class StateUnavailable(ConnectionFault):
    """The state database does not answer, so logins that it keeps cannot be checked."""

    sqlstate = "57P03"

    def __init__(self) -> None:
        super().__init__("access tokens cannot be checked now", hint="Retry later.")


class StateDatabase:
    """Statements to the state database. Safe for many tasks of one event loop.

    `contact_at`: when it last answered, by `clock` (seconds, monotonic).
    """

    def __init__(
        self, pool: asyncpg.Pool, place: StatePlace, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._place = place
        self._clock = clock
        self.contact_at = clock()

    def __repr__(self) -> str:
        return f"<StateDatabase contact {self.silence_seconds:.1f} s ago>"

    @property
    def silence_seconds(self) -> float:
        """How long it has not answered."""
        return self._clock() - self.contact_at

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        """The rows of one statement. Raises StateUnavailable."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                rows: list[Any] = await self._pool.fetch(statement, *arguments)
        except _FAILURES as error:
            _logger.warning("state database does not answer", reason=type(error).__name__)
            raise StateUnavailable() from error
        self.contact_at = self._clock()
        return rows

    @asynccontextmanager
    async def listening(self, channel: str, heard: Callable[[str], None]) -> AsyncIterator[None]:
        """While the context lasts, `heard` is called with each notification's payload.

        With an empty text when the connection is lost. Raises StateUnavailable.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                connection = await self._place.connect()
                await connection.add_listener(channel, lambda *told: heard(str(told[3])))
        except _FAILURES as error:
            raise StateUnavailable() from error
        connection.add_termination_listener(lambda _: heard(""))
        self.contact_at = self._clock()
        try:
            yield
        finally:
            connection.terminate()


@asynccontextmanager
async def opened(
    place: StatePlace, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[StateDatabase]:
    """The database for one process, which may be down: statements then fail until it is back."""

    async def connect(*_: object, **options: Any) -> asyncpg.Connection:
        # The pool's own way would keep the first password for good.
        return await asyncpg.connect(place.address(), **{**options, **place.options()})

    pool = asyncpg.create_pool(
        min_size=0, max_size=CONNECTIONS_MAX, connect=connect, reset=_no_reset
    )
    await pool
    try:
        yield StateDatabase(pool, place, clock)
    finally:
        pool.terminate()


async def _no_reset(_: asyncpg.Connection) -> None:
    """Nothing here changes a session."""


async def prepare(place: StatePlace) -> list[int]:
    """Migrate the database, and give it what is made once. Raises StateError.

    Returns the numbers of the migrations that were applied.
    """
    steps = read()
    connection = await place.connect()
    try:
        applied = await migrate(connection, steps)
        await connection.execute(
            "INSERT INTO sallyport.installation (mock_key) VALUES ($1) ON CONFLICT DO NOTHING",
            secrets.token_bytes(MOCK_KEY_BYTES),
        )
    except asyncpg.PostgresError as error:
        raise StateError(f"the state database cannot be prepared: {error}") from error
    finally:
        await connection.close()
    return applied
