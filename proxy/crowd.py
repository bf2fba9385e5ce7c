"""Who is in: how many clients at all, and how many from one address that have not logged in.

This file must not know sockets or sessions: a client is whatever object stands for it. Without the
second count one address that opens a thousand connections and says nothing would keep everybody
else out for as long as a handshake may take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from proxy.faults import ConnectionFault
from proxy.limits import SessionLimits

SQLSTATE = "53300"
"""too_many_connections"""


class Crowd:
    """The clients of one worker."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._strangers: dict[Hashable, str] = {}
        self._strangers_of: Counter[str] = Counter()
        self._known: set[Hashable] = set()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def enter(self, client: Hashable, address: str) -> None:
        """A client connected. Raises ConnectionFault 53300, and then it does not count."""
        if self._strangers_of[address] >= self._limits.strangers_per_address_max:
            raise ConnectionFault("too many connections from this address", sqlstate=SQLSTATE)
        if len(self) >= self._limits.connections_max:
            raise ConnectionFault("sorry, too many clients already", sqlstate=SQLSTATE)
        self._strangers[client] = address
        self._strangers_of[address] += 1

    def know(self, client: Hashable) -> None:
        """It logged in."""
        self._forget_stranger(client)
        self._known.add(client)

    def leave(self, client: Hashable) -> None:
        """It is gone, or was never let in."""
        self._forget_stranger(client)
        self._known.discard(client)

    def _forget_stranger(self, client: Hashable) -> None:
        address = self._strangers.pop(client, None)
        if address is None:
            return
        self._strangers_of[address] -= 1
        if not self._strangers_of[address]:
            del self._strangers_of[address]
