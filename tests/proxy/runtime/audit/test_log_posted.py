"""AuditLog.post: records of one turn of the loop, written before their callers go on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.runtime.audit import log as log_module
from proxy.runtime.audit.appender import encode
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import clear_text
from proxy.runtime.audit.log import AuditFault, AuditLog, Mode
from proxy.runtime.audit.query import records
from proxy.runtime.audit.verify import verify
from tests.proxy.runtime.audit.samples import NOON, FaultyDisk, intent

MODES: tuple[Mode, Mode] = ("strict", "fast")


@contextlib.asynccontextmanager
async def _opened(directory: Path, mode: Mode, disk: Disk | None = None) -> AsyncIterator[AuditLog]:
    log = await AuditLog.open(directory, mode, clock=lambda: NOON, disk=disk)
    try:
        yield log
    finally:
        await log.close()


def _phases(directory: Path) -> list[str]:
    return [record.phase for record in records(directory)]


async def _until(is_reached: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_reached():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


def _posted(number: int) -> bytes:
    return encode(intent(f"SELECT {number}").payload(NOON, clear_text))


@pytest.mark.parametrize("mode", MODES)
async def test_posted_records_are_written_before_their_callers_go_on(
    tmp_path: Path, mode: Mode
) -> None:
    told: list[tuple[int, int]] = []

    def then(number: int, fault: AuditFault | None) -> None:
        assert fault is None
        if not told and mode == "fast":
            assert len(list(records(tmp_path))) == 3, "one write for all of a turn"
        told.append((number, len(list(records(tmp_path)))))

    async with _opened(tmp_path, mode) as log:
        for number in range(3):
            log.post(_posted(number), then)
        assert not told
        await log.record(intent("SELECT 'after'"))
        await _until(lambda: len(told) == 3)
    assert [number for number, _ in told] == [1, 2, 3]
    assert all(number <= written for number, written in told)
    assert [record.sequence for record in records(tmp_path)] == [1, 2, 3, 4]
    assert verify(tmp_path).is_intact


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_posted_while_the_disk_fails(
    tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "PROBE_SECONDS", 0.01)
    disk = FaultyDisk()
    faults: list[str] = []

    def then(number: int, fault: AuditFault | None) -> None:
        assert number == 0
        assert fault is not None
        faults.append(fault.sqlstate)

    async with _opened(tmp_path, mode, disk) as log:
        disk.write_error = errno.ENOSPC
        log.post(_posted(1), then)
        log.post(_posted(2), None)
        await _until(lambda: bool(faults))
        assert faults == ["53100"]
        disk.write_error = None
        await _until(lambda: log.failure is None)
    assert "intent" in _phases(tmp_path), "what had happened was kept"
    assert _phases(tmp_path).count("intent") == 1


async def test_nothing_is_posted_to_a_closed_log(tmp_path: Path) -> None:
    faults: list[AuditFault | None] = []
    async with _opened(tmp_path, "fast") as log:
        pass
    log.post(_posted(1), lambda number, fault: faults.append(fault))
    await asyncio.sleep(0.01)
    assert isinstance(faults[0], AuditFault)


async def test_closing_writes_what_was_posted(tmp_path: Path) -> None:
    async with _opened(tmp_path, "fast") as log:
        log.post(_posted(1), None)
    assert _phases(tmp_path) == ["intent"]
