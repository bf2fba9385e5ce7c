"""How many logins there are, and how many end soon: counted now and then, for operators.

This file must not know who they belong to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from proxy.runtime.state.database import StateDatabase, StateUnavailable

SOON: Final = timedelta(days=7)
COUNT_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 5.0

_COUNT: Final = """
    SELECT kind, count(*) AS valid, count(*) FILTER (WHERE expires_at <= now() + $1) AS ending
    FROM sallyport.login WHERE revoked_at IS NULL AND expires_at > now() GROUP BY kind
"""


@dataclass(frozen=True, slots=True)
class LoginCount:
    """Logins of one kind: those that are `valid`, and those of them that are `ending` soon."""

    valid: int
    ending: int


class ExpiryCount:
    """`by_kind` as last counted; empty before the first time."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        self.by_kind: Mapping[str, LoginCount] = {}

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            try:
                await self.count()
                await asyncio.sleep(COUNT_SECONDS)
            except StateUnavailable:
                await asyncio.sleep(RETRY_SECONDS)

    async def count(self) -> None:
        """Count once. Raises StateUnavailable; what was counted before stands then."""
        rows = await self._state.fetch(_COUNT, SOON)
        self.by_kind = {row["kind"]: LoginCount(row["valid"], row["ending"]) for row in rows}
