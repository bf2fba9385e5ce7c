"""What a measure is, and how two sides are compared: alternating, medians, spread.

This file must not know Postgres or the gate.

Theory of operation. A machine's speed drifts by more than what is measured here. So both sides are
sampled in turn, A B, B A, A B …; each round gives one ratio from two neighbours in time, and the
result is the median of these ratios. The spread is the lowest and the highest of them: when it
straddles the reach, the verdict is noise, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median
from typing import Generic, TypeVar

Sampler = Callable[[float], float]
"""Works for about so many seconds; returns one figure in the measure's unit."""

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
    that both give the same answer."""

    name: str
    title: str
    peer: str
    unit: str
    reach: Reach
    opened: Callable[[StageType], AbstractContextManager[tuple[Sampler, Sampler]]]
    seconds: float = 0.7
    needs_bouncer: bool = False


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

    @property
    def is_noisy(self) -> bool:
        """Whether another run could come to the other verdict."""
        low, high = self.lowest <= self.limit, self.highest <= self.limit
        return low != high

    def as_json(self) -> dict[str, object]:
        """For `latest.json`."""
        return {**asdict(self), "is_noisy": self.is_noisy}


def compare(
    measure: Measure[StageType], stage: StageType, *, rounds: int, seconds_scale: float = 1.0
) -> Result:
    """Run one measure; each of `rounds` samples both sides once."""
    seconds = measure.seconds * seconds_scale
    ours: list[float] = []
    peers: list[float] = []
    with measure.opened(stage) as (our_sampler, peer_sampler):
        for number in range(rounds):
            if number % 2:
                peers.append(peer_sampler(seconds))
                ours.append(our_sampler(seconds))
            else:
                ours.append(our_sampler(seconds))
                peers.append(peer_sampler(seconds))
    reach = measure.reach
    relations = [reach.relation(our, peer) for our, peer in zip(ours, peers, strict=True)]
    relation = median(relations)
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
    )
