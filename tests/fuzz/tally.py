"""The figures that every fuzzer of this folder keeps of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What was generated, what became of it, and what differed where nothing may."""

    generated: int = 0
    accepted: int = 0
    errors: int = 0
    timeouts: int = 0
    compared: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def accepted_share(self) -> float:
        """From 0 to 1."""
        return self.accepted / self.generated if self.generated else 0.0
