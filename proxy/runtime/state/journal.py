"""Notes policy loads while the state database may be away: nothing is lost before the process ends.

This file must not know what a policy says. What cannot be written waits in memory, in order; the
audit log has had it since before the policy came into force.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.runtime.state import history
from proxy.runtime.state.database import StateDatabase, StateUnavailable

WAITING_MAX: Final = 100
"""Loads that wait; a policy that is edited all day while the database is away. The oldest go."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    files: tuple[history.PolicyFile, ...]
    version_before: str
    version_after: str
    is_accepted: bool
    reason: str


class PolicyJournal:
    """The history as one process writes it. `paths`: policy files, or directories of them."""

    def __init__(self, state: StateDatabase, paths: Sequence[Path]) -> None:
        self._state = state
        self._paths = tuple(paths)
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING_MAX)
        self._lock = asyncio.Lock()

    async def note(
        self, *, version_before: str, version_after: str, is_accepted: bool, reason: str = ""
    ) -> None:
        """Take down what became of a policy that was offered; never raises."""
        files = await asyncio.to_thread(history.files_of, self._paths)
        self._waiting.append(_Waiting(files, version_before, version_after, is_accepted, reason))
        await self.flush()

    async def flush(self) -> None:
        """Write what waits, as far as the database answers."""
        async with self._lock:
            while self._waiting:
                one = self._waiting[0]
                try:
                    await history.note(
                        self._state,
                        one.files,
                        version_before=one.version_before,
                        version_after=one.version_after,
                        is_accepted=one.is_accepted,
                        reason=one.reason,
                    )
                except StateUnavailable:
                    return
                if self._waiting and self._waiting[0] is one:
                    self._waiting.popleft()
