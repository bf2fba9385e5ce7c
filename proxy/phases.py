"""Where the time of one statement goes: a stopwatch with one dial for each phase.

This file must not know what is done in a phase.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from proxy.runtime.log import Latency


class Phase(Enum):
    """`SOURCE`: waiting for rows, of the shadow too; `RELAY`: the client takes them."""

    PARSE = "parse"
    DECIDE = "decide"
    SOURCE = "source"
    RELAY = "relay"


@dataclass(slots=True)
class Stretch:
    """From a phase's first beginning to its last end, in seconds of the clock, and the milliseconds
    between that it really took."""

    began: float
    ended: float
    spent_ms: float = 0.0


class Phases:
    """Milliseconds by phase. `clock` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._stretches: dict[Phase, Stretch] = {}
        self._phase: Phase | None = None
        self._since = 0.0

    def enter(self, phase: Phase | None) -> None:
        """A phase begins, and with it the one before ends; None: nothing of ours goes on."""
        now = self._clock()
        if self._phase is not None:
            self.note(self._phase, self._since, now)
        self._phase, self._since = phase, now

    def note(self, phase: Phase, began: float, ended: float) -> None:
        """A phase went on from `began` to `ended`."""
        stretch = self._stretches.get(phase)
        if stretch is None:
            stretch = self._stretches[phase] = Stretch(began, ended)
        stretch.ended = ended
        stretch.spent_ms += (ended - began) * 1000

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
        return Latency(
            **{f"{phase.value}_ms": one.spent_ms for phase, one in self._stretches.items()}
        )

    def stretches(self) -> Mapping[Phase, Stretch]:
        """The phases that there were, in the order in which they began."""
        return self._stretches

    def now(self) -> float:
        """The clock's time, in seconds."""
        return self._clock()
