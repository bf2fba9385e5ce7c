"""For the audit tests: a sample of each event, and a disk that breaks on command."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from proxy.runtime.audit.appender import Appender, encode
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import (
    Principal,
    Refusal,
    RelationAccess,
    SqlIntent,
    SqlOutcome,
    clear_text,
)

ALICE = Principal("alice", "https://login.example", "agent-7", "ab" * 32, ("sales", "analyst"))
NOON = 1_700_000_000.0


def intent(
    text: str = "select salary from employees",
    principal: Principal = ALICE,
    mask: str | None = None,
) -> SqlIntent:
    """A statement over `main.public.employees (id, salary)`."""
    return SqlIntent(
        principal=principal,
        session_id="session-1",
        policy_version="v1",
        statement_kind="select",
        original_text=text,
        guarded_text=f"/* guarded */ {text}",
        source="main",
        relations=(
            RelationAccess(
                "main",
                "public",
                "employees",
                ("id", "salary"),
                {} if mask is None else {"salary": mask},
            ),
        ),
        trace_id="trace-1",
    )


def outcome(rows: int = 3) -> SqlOutcome:
    """A success that returned `rows`."""
    return SqlOutcome(rows=rows, bytes=rows * 10, duration_ms={"source": 1.5})


def refusal(reason: str = "no rule grants main.public.secrets") -> Refusal:
    """A denied statement."""
    return Refusal(
        reason=reason,
        sqlstate="42P01",
        told='relation "secrets" does not exist',
        principal=ALICE,
        session_id="session-1",
        original_text="select * from secrets where pin = 4711",
    )


def payload(number: int = 0) -> bytes:
    """An encoded record, as `Appender.append` takes it."""
    return encode(intent(f"select {number}").payload(NOON + number, clear_text))


def write_log(directory: Path, records: int, *, per_segment: int | None = None) -> Path:
    """A cleanly closed log of `records` in `directory/gate`; returns that directory."""
    place = directory / "gate"
    appender = Appender.open(place, Disk())
    for number in range(records):
        appender.append([payload(number)])
        appender.sync()
        if per_segment is not None and (number + 1) % per_segment == 0:
            assert appender.rotate()
    appender.close()
    return place


@dataclass
class FaultyDisk(Disk):
    """A disk that fails while its switches say so. `room_bytes`: how much may still be written."""

    room_bytes: int | None = None
    write_error: int | None = None
    sync_error: int | None = None
    create_error: int | None = None
    syncs: int = 0
    calls: list[str] = field(default_factory=list)

    def create(self, path: Path) -> int:
        self.calls.append("create")
        if self.create_error is not None:
            raise OSError(self.create_error, os.strerror(self.create_error))
        return super().create(path)

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        self.calls.append("write")
        if self.write_error is not None:
            raise OSError(self.write_error, os.strerror(self.write_error))
        if self.room_bytes is None:
            return super().write(descriptor, content)
        if self.room_bytes == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # As a real file system: what fits is written, and only the next call fails.
        written = super().write(descriptor, content[: self.room_bytes])
        self.room_bytes -= written
        return written

    def datasync(self, descriptor: int) -> None:
        self.calls.append("datasync")
        self.syncs += 1
        if self.sync_error is not None:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        super().datasync(descriptor)

    def has_room(self, path: Path) -> bool:
        return self.room_bytes is None or self.room_bytes > 0
