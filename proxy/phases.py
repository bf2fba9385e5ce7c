"""Where the time of one statement goes: a stopwatch with one dial for each phase.

This file must not know what is done in a phase.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from proxy.runtime.log import Latency


class Phase(Enum):
    """`SOURCE`: waiting for rows, of the shadow too; `RELAY`: the client takes them."""

    PARSE = "parse"
    DECIDE = "decide"
    SOURCE = "source"
    RELAY = "relay"


class Phases:
    """Milliseconds by phase. `clock` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._spent = dict.fromkeys(Phase, 0.0)
        self._phase: Phase | None = None
        self._since = 0.0

    def enter(self, phase: Phase | None) -> None:
        """A phase begins, and with it the one before ends; None: nothing of ours goes on."""
        now = self._clock()
        if self._phase is not None:
            self._spent[self._phase] += (now - self._since) * 1000
        self._phase, self._since = phase, now

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Count what is done inside, however it ends."""
        self.enter(phase)
        try:
            yield
        finally:
            self.enter(None)

    def latency(self) -> Latency:
        """What was counted so far."""
        return Latency(**{f"{phase.value}_ms": spent for phase, spent in self._spent.items()})
