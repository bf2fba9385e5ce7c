"""Makes a worker process of the gate count where it spends its time, in pure Python.

Python imports a module of this name at start when its folder is on PYTHONPATH, which only
`bench/profile.py` arranges: the gate itself knows nothing of it. The worker writes its process id
into the folder named by `SALLYPORT_BENCH_PROFILE`; SIGUSR1 begins, or the start itself where
`…_NOW=1`, and at exit the profile is written beside it.

Two ways. *Sampling*: the processor time's own timer interrupts every millisecond and the stack is
noted; a C function counts for the Python function that called it. *Counting* (`…_CALLS=1`):
cProfile, which tells how often a function ran, and distorts how long.
"""

from __future__ import annotations

import atexit
import cProfile
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL_SECONDS = 0.001
DEPTH_MAX = 100


class Sampler:
    """Counts stacks, from `begin` to `write`."""

    def __init__(self) -> None:
        self._stacks: Counter[tuple[str, ...]] = Counter()

    def begin(self) -> None:
        """From now on."""
        signal.signal(signal.SIGPROF, self._note)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def _note(self, number: int, frame: FrameType | None) -> None:
        stack: list[str] = []
        while frame is not None and len(stack) < DEPTH_MAX:
            code = frame.f_code
            stack.append(f"{code.co_filename}:{code.co_firstlineno}:{code.co_qualname}")
            frame = frame.f_back
        self._stacks[tuple(stack)] += 1

    def write(self, path: Path) -> None:
        """Stop, and write what was counted."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        stacks = [[list(stack), count] for stack, count in self._stacks.items()]
        path.with_suffix(".json").write_text(json.dumps(stacks))


class CallCounter:
    """Counts calls, from `begin` to `write`."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile()

    def begin(self) -> None:
        """From now on."""
        self._profile.enable()

    def write(self, path: Path) -> None:
        """Stop, and write what was counted."""
        self._profile.disable()
        self._profile.dump_stats(path.with_suffix(".pstats"))


def _arrange(folder: Path) -> None:
    chosen = CallCounter() if os.environ.get("SALLYPORT_BENCH_PROFILE_CALLS") else Sampler()
    path = folder / str(os.getpid())
    if os.environ.get("SALLYPORT_BENCH_PROFILE_NOW"):
        chosen.begin()
    else:
        signal.signal(signal.SIGUSR1, lambda number, frame: chosen.begin())
    atexit.register(chosen.write, path)
    path.write_text("")


if (_folder := os.environ.get("SALLYPORT_BENCH_PROFILE")) and (
    "proxy.worker_process" in sys.orig_argv
):
    _arrange(Path(_folder))
