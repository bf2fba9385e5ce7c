"""Ends sessions whose access token or service account is good no longer, within a second.

This file must not know sockets or SQL: a session is a credential, an address and a way to end it.

Theory of operation. One connection listens for the database's notifications; each one, and each new
session, causes a check of all credentials that live sessions have: one statement. Between
notifications the check is repeated every few seconds, for a notification can be lost. A second task
counts the seconds since the last check that was answered: past the operator's limit everything that
could have been revoked meanwhile ends (I5). Sessions by JWT are not touched.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from proxy.runtime.state import login as logins
from proxy.runtime.state.admission import Credential
from proxy.runtime.state.database import StateDatabase, StateUnavailable
from proxy.runtime.state.login import IpAddress

POLL_SECONDS_MAX: Final = 5.0
"""A lost notification is made up for this late; three polls fit into the shortest silence."""
RETRY_SECONDS: Final = 0.5
TICK_SECONDS: Final = 0.25
"""How exactly the silence is counted."""

REVOKED: Final = "terminating connection because the access token is no longer valid"
SILENT: Final = "terminating connection because access tokens cannot be checked any more"

_logger = structlog.get_logger("revocation")


@dataclass(eq=False, slots=True)
class Watched:
    """A live session. `end` is called once, with the words for the client."""

    credential: Credential
    address: IpAddress | None
    end: Callable[[str], None] = field(repr=False)


class RevocationWatch:
    """Watches the sessions of one worker. `clock`: seconds, monotonic."""

    def __init__(
        self,
        state: StateDatabase,
        *,
        silence_seconds_max: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._silence_seconds_max = silence_seconds_max
        self._poll_seconds = min(POLL_SECONDS_MAX, silence_seconds_max / 3)
        self._clock = clock
        self._sessions: set[Watched] = set()
        self._checked_at = clock()
        self._changed = asyncio.Event()
        self._is_lost = False

    def __len__(self) -> int:
        return len(self._sessions)

    def enter(self, watched: Watched) -> None:
        """A session begins. It is checked at once: it may have been revoked while it logged in."""
        self._sessions.add(watched)
        self._changed.set()

    def leave(self, watched: Watched) -> None:
        """A session is over."""
        self._sessions.discard(watched)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._count_silence())

    async def _listen(self) -> None:
        while True:
            try:
                async with self._state.listening(logins.CHANNEL, self._heard):
                    self._is_lost = False
                    while not self._is_lost:
                        await self._check()
                        await self._wait()
            except StateUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                # Ours; sessions end by the count of silence while it goes on.
                _logger.exception("revocations are not seen")
                await asyncio.sleep(RETRY_SECONDS)

    def _heard(self, payload: str) -> None:
        self._is_lost = self._is_lost or not payload
        self._changed.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _check(self) -> None:
        """Ask about all credentials in use, and end those that are not good. StateUnavailable."""
        self._changed.clear()
        asked_at, asked = self._clock(), tuple(self._sessions)
        identifiers = {one.credential.secret_id for one in asked}
        good = await logins.still_good(self._state, identifiers)
        self._checked_at = asked_at
        for one in asked:
            networks = good.get(one.credential.secret_id, ())
            if not logins.is_within(one.address, networks):
                self._end(one, REVOKED)

    async def _count_silence(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._sessions and self._clock() - self._checked_at > self._silence_seconds_max:
                _logger.error("state database is silent: sessions by token end")
                for one in tuple(self._sessions):
                    self._end(one, SILENT)

    def _end(self, watched: Watched, reason: str) -> None:
        if watched in self._sessions:
            self._sessions.discard(watched)
            _logger.info("session ended", user=watched.credential.user, reason=reason)
            watched.end(reason)
