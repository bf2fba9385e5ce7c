"""How long to wait before the next try: exponential, capped, with full jitter.

It must not know what is tried. The jitter keeps many gates from calling a source that comes back
all at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

FIRST_DELAY_S = 0.1
DELAY_S_MAX = 15.0

_random = secrets.SystemRandom()


@dataclass(slots=True)
class Backoff:
    """Counts failures. `uniform(low, high)` is the source of chance, replaceable in tests."""

    first_s: float = FIRST_DELAY_S
    max_s: float = DELAY_S_MAX
    uniform: Callable[[float, float], float] = _random.uniform
    failures: int = field(default=0, init=False)

    def next_delay_s(self) -> float:
        """Note one more failure; return seconds to wait: between half and the whole of 2^n * first,
        capped.
        """
        # The exponent is bounded so that a source down for a year cannot overflow a float.
        ceiling = min(self.max_s, self.first_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return self.uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        """Note a success."""
        self.failures = 0
