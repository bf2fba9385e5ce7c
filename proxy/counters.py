"""What one worker counts about its work: plain integers, so that counting costs next to nothing.

This file must not know how the figures leave the process (`metrics.py`), nor who was counted: no
name, no text and no address is kept, and every set of labels is bounded by this file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from proxy.runtime.audit import SqlOutcome

SECONDS_BOUNDS = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
)  # fmt: skip
"""Upper bounds of the histograms' buckets: from a cached decision to a statement's longest run."""

LIFETIME_BOUNDS = (
    60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 604_800.0, 2_592_000.0, 7_776_000.0,
)  # fmt: skip
"""From a minute, with which a session hardly begins, to ninety days."""

PHASES = ("parse", "decide", "source", "relay", "total")

SQLSTATE_CLASSES = frozenset(
    "00 01 02 03 08 0A 0B 20 21 22 23 25 26 28 2B 2D 34 3B 3D 3F 40 42 44 53 54 55 57 58 72"
    " F0 HV P0 XX".split()
)
"""PostgreSQL documentation, appendix A. A source's own code outside of it counts as `other`."""

_ENDS = {"client": "client", "connection lost": "lost", "drain": "drain"}
_ENDS_BY_SQLSTATE = {"57P01": "expired", "57P05": "idle", "25P03": "idle"}


class Histogram:
    """Durations of one kind. `counts` per bucket of `bounds`, the last beyond every bound."""

    __slots__ = ("bounds", "counts", "seconds")

    def __init__(self, bounds: tuple[float, ...] = SECONDS_BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds


class Counters:
    """Everything that only grows. Attributes are read by `metrics.py`, and by nobody else."""

    __slots__ = (
        "bytes",
        "cut",
        "decisions_made",
        "decisions_remembered",
        "ended",
        "latencies",
        "lifetimes",
        "reloads",
        "rows",
        "sessions_ended",
        "sessions_opened",
        "statements",
        "turned_away",
    )

    def __init__(self) -> None:
        self.statements: Counter[tuple[str, str, str]] = Counter()
        """By decision, source and class of SQLSTATE."""
        self.ended: Counter[tuple[str, str]] = Counter()
        """Statements that were allowed: by outcome and class of SQLSTATE."""
        self.latencies = {phase: Histogram() for phase in PHASES}
        self.rows = 0
        self.bytes = 0
        self.cut = 0
        self.decisions_made = 0
        self.decisions_remembered = 0
        self.sessions_opened = 0
        self.lifetimes = Histogram(LIFETIME_BOUNDS)
        self.sessions_ended: Counter[str] = Counter()
        self.turned_away: Counter[str] = Counter()
        self.reloads: Counter[str] = Counter()

    def let_in(self, lifetime_seconds: float) -> None:
        """A client was let in, with a credential that has so much left."""
        self.sessions_opened += 1
        self.lifetimes.observe(max(lifetime_seconds, 0.0))

    def allowed(self, source: str) -> None:
        """A statement is about to run. `source` is a name of the configuration, or empty."""
        self.statements["allowed", source, ""] += 1

    def decided(self, *, is_remembered: bool) -> None:
        """A statement was decided, from memory or anew."""
        if is_remembered:
            self.decisions_remembered += 1
        else:
            self.decisions_made += 1

    def refused(self, sqlstate: str) -> None:
        """A statement was refused."""
        self.statements["refused", "", sqlstate_class(sqlstate)] += 1

    def finished(self, outcome: SqlOutcome) -> None:
        """A statement that was allowed is over."""
        if outcome.sqlstate is None:
            self.ended["completed", ""] += 1
        else:
            self.ended["failed", sqlstate_class(outcome.sqlstate)] += 1
        self.rows += outcome.rows
        self.bytes += outcome.bytes
        self.cut += outcome.is_truncated
        for phase, milliseconds in outcome.duration_ms.items():
            self.latencies[phase].observe(milliseconds / 1000)

    def flown(self, rows: int, bytes_told: int, spent: tuple[float, float, float]) -> None:
        """A statement of the express lane succeeded. `spent`: milliseconds to decide, at the
        source, and in all."""
        self.ended["completed", ""] += 1
        self.rows += rows
        self.bytes += bytes_told
        latencies = self.latencies
        latencies["decide"].observe(spent[0] / 1000)
        latencies["source"].observe(spent[1] / 1000)
        latencies["total"].observe(spent[2] / 1000)
        # Neither was parsed nor relayed piece by piece; each phase counts every statement.
        latencies["parse"].counts[0] += 1
        latencies["relay"].counts[0] += 1

    def session_ended(self, reason: str) -> None:
        """A session is over. `reason` as it is recorded: a word of ours, or a SQLSTATE first."""
        sqlstate = reason.partition(" ")[0]
        self.sessions_ended[_ENDS.get(reason) or _ENDS_BY_SQLSTATE.get(sqlstate, "error")] += 1


def sqlstate_class(sqlstate: str) -> str:
    """The first two characters (SQL standard), if PostgreSQL has such a class."""
    found = sqlstate[:2]
    return found if found in SQLSTATE_CLASSES else "other"
