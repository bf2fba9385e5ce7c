"""What a measure is, and how two sides are compared: alternating, medians, spread.

This file must not know Postgres or the gate.

Theory of operation. A machine's speed drifts by more than what is measured here. So both sides are
sampled in turn, A B, B A, A B …; each round gives one ratio from two neighbours in time, and the
result is the median of these ratios. The spread is the lowest and the highest of them: when it
straddles the reach, or is wide, the verdict is noise, and says so. A third side is ours with the
audit log `strict`; it is sampled beside the other two and has a ratio of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median
from typing import Generic, TypeVar

Sampler = Callable[[float], float]
"""Works for about so many seconds; returns one figure in the measure's unit. It may have a `note`,
a text about its side that belongs to the row."""

SPREAD_MAX = 2.0
"""The highest round is more than so many times the lowest: something else was measured, too."""

StageType = TypeVar("StageType")


class Compared(Enum):
    """How ours relates to the peer's, and in which direction lies better."""

    RATIO_AT_MOST = "×, at most"
    RATIO_AT_LEAST = "×, at least"
    ADDED_AT_MOST = "added, at most"


@dataclass(frozen=True, slots=True)
class Reach:
    """What is aimed at. For ADDED_AT_MOST `limit` has the measure's own unit."""

    compared: Compared
    limit: float

    def relation(self, ours: float, peer: float) -> float:
        """One round's result."""
        if self.compared is Compared.ADDED_AT_MOST:
            return ours - peer
        return ours / peer

    def is_met(self, relation: float) -> bool:
        """Whether the result reaches it."""
        if self.compared is Compared.RATIO_AT_LEAST:
            return relation >= self.limit
        return relation <= self.limit


@dataclass(frozen=True, slots=True)
class Measure(Generic[StageType]):
    """One row of the table. `opened` gives the samplers of ours and of the peer, and has checked
    that both give the same answer. `workers`: processes of the gate, and of a peer that has any."""

    name: str
    title: str
    peer: str
    unit: str
    reach: Reach
    opened: Callable[[StageType], AbstractContextManager[tuple[Sampler, Sampler]]]
    seconds: float = 0.7
    needs_bouncer: bool = False
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """A measured row; `relation`s as of `Reach.relation`."""

    name: str
    title: str
    peer_name: str
    unit: str
    compared: str
    limit: float
    ours: float
    peer: float
    relation: float
    lowest: float
    highest: float
    is_met: bool
    rounds: int
    strict: float | None = None
    strict_relation: float | None = None
    note: str = ""

    @property
    def is_noisy(self) -> bool:
        """Whether another run could come to the other verdict, or the rounds differ widely."""
        low, high = self.lowest <= self.limit, self.highest <= self.limit
        is_ratio = self.compared != Compared.ADDED_AT_MOST.value
        return low != high or (is_ratio and self.highest > SPREAD_MAX * self.lowest)

    def as_json(self) -> dict[str, object]:
        """For `latest.json`."""
        return {**asdict(self), "is_noisy": self.is_noisy}


def compare(
    measure: Measure[StageType],
    stage: StageType,
    *,
    rounds: int,
    seconds_scale: float = 1.0,
    strict: StageType | None = None,
) -> Result:
    """Run one measure; each of `rounds` samples every side once. `strict`: the same stage as seen
    by who goes through the gate with the strict audit log."""
    seconds = measure.seconds * seconds_scale
    with ExitStack() as stack:
        samplers = list(stack.enter_context(measure.opened(stage)))
        if strict is not None:
            samplers.append(stack.enter_context(measure.opened(strict))[0])
        samples: list[list[float]] = [[] for _ in samplers]
        for number in range(rounds):
            turns = list(zip(samplers, samples, strict=True))
            for sampler, found in reversed(turns) if number % 2 else turns:
                found.append(sampler(seconds))
        notes = [getattr(sampler, "note", "") for sampler in samplers]
    reach = measure.reach
    ours, peers = samples[0], samples[1]
    relations = [reach.relation(our, peer) for our, peer in zip(ours, peers, strict=True)]
    relation = median(relations)
    stricter = None
    if strict is not None:
        pairs = zip(samples[2], peers, strict=True)
        stricter = median([reach.relation(one, peer) for one, peer in pairs])
    return Result(
        name=measure.name,
        title=measure.title,
        peer_name=measure.peer,
        unit=measure.unit,
        compared=reach.compared.value,
        limit=reach.limit,
        ours=median(ours),
        peer=median(peers),
        relation=relation,
        lowest=min(relations),
        highest=max(relations),
        is_met=reach.is_met(relation),
        rounds=rounds,
        strict=None if strict is None else median(samples[2]),
        strict_relation=stricter,
        note="; ".join(filter(None, notes[:2])),
    )
