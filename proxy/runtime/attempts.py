"""How often somebody may be wrong: a budget per address and per name, refilled slowly.

This file must not know what is attempted, nor sockets. A secret of 256 bits cannot be guessed at
any pace; the budgets bound what guessing costs everybody else: database look-ups, audit records,
and the operator's attention.

Theory of operation. Each failure costs one unit of the address's budget and one of the name's. An
empty address budget turns everything from there away before any work is done; an empty name budget
turns away those who have not been let in lately, so that nobody can lock the owner out. Whoever was
let in under a name from an address is always tried again there. Each process counts on its own.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.faults import ConnectionFault

ADDRESS_BURST_MAX: Final = 50.0
"""Wrong attempts at once: a misconfigured pool that opens all its connections."""
ADDRESS_PER_SECOND: Final = 0.5
NAME_BURST_MAX: Final = 100.0
NAME_PER_SECOND: Final = 1.0
REMEMBERED_MAX: Final = 10_000
"""Addresses, names and pairs kept of each; the oldest go. About 2 MB."""
IPV6_PREFIX_BITS: Final = 64
"""What one subscriber of IPv6 has to choose addresses from (RFC 6177)."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class TooManyAttempts(ConnectionFault):
    """Told instead of an answer; the same for every address and name."""

    sqlstate = "53400"

    def __init__(self) -> None:
        super().__init__("too many failed logins", hint="Retry later.")


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class _Budgets:
    def __init__(self, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def left(self, key: str, now: float) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return self._burst
        return min(self._burst, bucket.left + (now - bucket.at) * self._per_second)

    def spend(self, key: str, now: float) -> None:
        self._buckets[key] = _Bucket(max(0.0, self.left(key, now) - 1), now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > REMEMBERED_MAX:
            self._buckets.popitem(last=False)


class Attempts:
    """Budgets of one process. `clock`: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._addresses = _Budgets(ADDRESS_BURST_MAX, ADDRESS_PER_SECOND)
        self._names = _Budgets(NAME_BURST_MAX, NAME_PER_SECOND)
        self._welcome: OrderedDict[tuple[str, str], None] = OrderedDict()

    def check_address(self, address: IpAddress | None, name: str) -> None:
        """Before any work. Raises TooManyAttempts."""
        place = _place(address)
        if (place, name) in self._welcome:
            return
        if self._addresses.left(place, self._clock()) < 1:
            raise TooManyAttempts()

    def check_name(self, address: IpAddress | None, name: str, *, is_known: bool) -> None:
        """Before a proof is asked for; `is_known`: the name was used from here last.

        Raises TooManyAttempts.
        """
        if is_known or (_place(address), name) in self._welcome:
            return
        if self._names.left(name, self._clock()) < 1:
            raise TooManyAttempts()

    def failed(self, address: IpAddress | None, name: str) -> None:
        """Somebody was wrong."""
        now = self._clock()
        self._addresses.spend(_place(address), now)
        self._names.spend(name, now)

    def succeeded(self, address: IpAddress | None, name: str) -> None:
        """Somebody was let in."""
        pair = (_place(address), name)
        self._welcome[pair] = None
        self._welcome.move_to_end(pair)
        while len(self._welcome) > REMEMBERED_MAX:
            self._welcome.popitem(last=False)


def _place(address: IpAddress | None) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, IPV6_PREFIX_BITS), strict=False))
    return str(address)
