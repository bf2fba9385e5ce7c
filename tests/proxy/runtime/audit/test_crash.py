"""`kill -9` at every write boundary: nothing acknowledged is lost, and the log goes on."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.runtime.audit.appender import Appender
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.query import records
from proxy.runtime.audit.verify import verify
from tests.proxy.runtime.audit.samples import payload

ROOT = Path(__file__).parents[4]


def _crash(
    directory: Path, mode: str, call: int, fraction: float
) -> tuple[list[tuple[int, str]], bool]:
    """Run the writer; returns what it acknowledged and whether it came to its end."""
    command = [sys.executable, "-m", "tests.proxy.runtime.audit.crash_driver"]
    done = subprocess.run(
        [*command, str(directory), mode, str(call), str(fraction)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    lines = done.stdout.decode().splitlines()
    is_over = "done" in lines
    assert done.returncode == (0 if is_over else -9), done.stderr.decode()
    told = [line.split() for line in lines if line != "done"]
    return [(int(identifier), f"select {number}") for identifier, number in told], is_over


def _check(directory: Path, mode: str, call: int, fraction: float) -> bool:
    """One crash and one restart. Returns whether the writer had come to its end before the call."""
    acknowledged, is_over = _crash(directory, mode, call, fraction)
    case = (mode, call, fraction)
    before = verify(directory)
    # A crash may leave a torn tail; before the first sync also a head file without its slots.
    allowed = {"torn tail"} if acknowledged else {"torn tail", "head"}
    assert {problem.kind for problem in before.problems} <= allowed, (case, before.problems)
    appender = Appender.open(directory / "gate", Disk())
    recovered = appender.recovered
    appender.append([payload()])
    appender.sync()
    appender.close()
    assert recovered is None or recovered.records_missing == 0, (case, recovered)
    after = verify(directory)
    assert after.problems == (), (case, after.problems)
    stored = {record.sequence: record.text for record in records(directory)}
    for identifier, text in acknowledged:
        assert stored[identifier] == text, case
    # Nobody was told of more than one further intent: the one in flight.
    assert len([text for text in stored.values() if text]) <= len(acknowledged) + 2, case
    return is_over


@pytest.mark.parametrize("mode", ["strict", "fast"])
def test_kill_at_every_write_boundary(tmp_path: Path, mode: str) -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:

        def run(call: int) -> bool:
            fraction = (0.0, 0.03, 0.5, 1.0)[call * 5 // 2 % 4]
            return _check(tmp_path / f"{mode}-{call}", mode, call, fraction)

        finished = list(pool.map(run, range(1, 45)))
    # The calls covered the whole life of the writer.
    assert finished[-1]
    assert finished.count(False) > 15
    if mode == "strict":  # in fast mode syncs fall together as it happens: lives differ in length
        assert all(finished[finished.index(True) :])


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.7, 0.99])
def test_kill_inside_a_record(tmp_path: Path, fraction: float) -> None:
    # In strict mode calls 1 to 5 open the log; then write, datasync and head file by turns.
    assert not _check(tmp_path, "strict", 9, fraction)
