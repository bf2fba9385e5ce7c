"""Figures of the gate by itself or in a crowd; no peer is sampled beside them, round by round.

This file must not know how a figure is measured (`alone.py`, `crowd.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`reach` None: it is told, and has no aim. `at_least`: which way lies better.

    `peer` is the same of `peer_name`, measured before or after. `lowest` and `highest` of several
    rounds, whose median `value` is.
    """

    name: str
    title: str
    unit: str
    value: float
    reach: float | None = None
    at_least: bool = False
    peer: float | None = None
    peer_name: str = ""
    lowest: float | None = None
    highest: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether it reaches what is aimed at, None without an aim."""
        if self.reach is None:
            return None
        return self.value >= self.reach if self.at_least else self.value <= self.reach

    @property
    def is_noisy(self) -> bool:
        """Whether another run could come to the other verdict."""
        if self.reach is None or self.lowest is None or self.highest is None:
            return False
        return (self.lowest <= self.reach) != (self.highest <= self.reach)

    def as_json(self) -> dict[str, object]:
        """For `latest.json`."""
        return {**asdict(self), "is_met": self.is_met, "is_noisy": self.is_noisy}


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that are measured together. `measure` gets a scale for times and numbers, 1 at
    most."""

    name: str
    title: str
    measure: Callable[[float], list[Figure]]
