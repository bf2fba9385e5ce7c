"""Stopping a running statement: by the client's cancel, by a timeout, by its going away.

This file must not know sockets or SQL. It knows how to ask the source, and what to do when the
source does not listen.

Theory of operation. A statement runs inside `limited`. An interrupt is first polite: the source is
asked to cancel, and its own error ends the statement, so the connection and an open transaction
survive. What is not running at a source, or does not end within `INTERRUPT_GRACE_SECONDS`, is
cancelled here. Either way the client is told the reason of the interrupt, not the source's words.
A cancel that finds nothing running is forgotten: it never reaches the next statement. That the
client is gone, or the worker stops, is remembered: nothing starts after it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from proxy.faults import Fault
from proxy.limits import INTERRUPT_GRACE_SECONDS
from proxy.runtime.tasks import spawn

Result = TypeVar("Result")

QUERY_CANCELED = "57014"


class Reason(Enum):
    """Why a statement is stopped; the value is what the client reads (Postgres' own words)."""

    USER = "canceling statement due to user request"
    TIMEOUT = "canceling statement due to statement timeout"
    GONE = "the client is gone"
    SHUTDOWN = "terminating connection due to administrator command"


class Interrupter:
    """Interrupts of one session. `ask_source` asks what runs to stop; False: nothing runs there."""

    def __init__(self, ask_source: Callable[[], Awaitable[bool]]) -> None:
        self._ask_source = ask_source
        self._scope: asyncio.Timeout | None = None
        self._reason: Reason | None = None
        self._final: Reason | None = None
        self.divert: Callable[[Reason], None] = lambda reason: None
        """Told of an interrupt when nothing runs inside `limited`."""

    def interrupt(self, reason: Reason) -> None:
        """Stop what runs now, if anything does. The first reason is the one that is told."""
        if reason in (Reason.GONE, Reason.SHUTDOWN):
            self._final = reason
        if self._scope is None:
            self.divert(reason)
            return
        if self._reason is not None:
            return
        self._reason = reason
        spawn(self._stop(self._scope), name="interrupt")

    async def _stop(self, scope: asyncio.Timeout) -> None:
        was_asked = await self._ask_source()
        if self._scope is not scope:
            return
        grace = INTERRUPT_GRACE_SECONDS if was_asked else 0.0
        # `scope` may have ended while the source was asked: it then refuses a new deadline.
        scope.reschedule(asyncio.get_running_loop().time() + grace)

    async def limited(
        self, work: Awaitable[Result], milliseconds_max: int, *, reason: Reason | None = None
    ) -> Result:
        """Await `work`, at most so long. Raises Fault 57014 when it was interrupted.

        `reason`: it has been interrupted already, and is to be stopped at once.
        """
        if self._final is not None:
            if inspect.iscoroutine(work):
                work.close()
            raise Fault(self._final.value, sqlstate=QUERY_CANCELED)
        self._reason = None
        timer = asyncio.get_running_loop().call_later(
            milliseconds_max / 1000, self.interrupt, Reason.TIMEOUT
        )
        try:
            async with asyncio.timeout(None) as scope:
                self._scope = scope
                if reason is not None:
                    self.interrupt(reason)
                return await work
        except (TimeoutError, Fault) as error:
            if self._reason is None:
                raise
            if isinstance(error, Fault) and error.sqlstate != QUERY_CANCELED:
                raise
            told = Fault(self._reason.value, sqlstate=QUERY_CANCELED)
            told.is_on_record = isinstance(error, Fault) and error.is_on_record
            raise told from error
        finally:
            timer.cancel()
            self._scope = None
