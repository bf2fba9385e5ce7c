"""A writer that kills itself at its N-th system call, run as a process of its own by test_crash.py.

    python -m tests.proxy.runtime.audit.crash_driver DIRECTORY MODE CALL FRACTION

Each acknowledged intent is printed, unbuffered, before the next one begins. At call number CALL the
process dies by SIGKILL; a write is first carried out for FRACTION (0 to 1) of its bytes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.log import AuditLog
from tests.proxy.runtime.audit.samples import intent, outcome

INTENTS = 5


class DeadlyDisk(Disk):
    """Counts calls from the first on, and dies at one of them."""

    def __init__(self, call: int, fraction: float) -> None:
        self._left = call
        self._fraction = fraction

    def _is_last(self) -> bool:
        self._left -= 1
        return self._left == 0

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def create(self, path: Path) -> int:
        if self._is_last():
            if self._fraction > 0:
                super().create(path)
            self._die()
        return super().create(path)

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        if self._is_last():
            super().write(descriptor, content[: int(len(content) * self._fraction)])
            self._die()
        return super().write(descriptor, content)

    def write_at(self, descriptor: int, content: bytes, offset: int) -> None:
        if self._is_last():
            self._die()
        super().write_at(descriptor, content, offset)

    def datasync(self, descriptor: int) -> None:
        if self._is_last():
            self._die()
        super().datasync(descriptor)


async def _run(directory: Path, mode: str, call: int, fraction: float) -> None:
    assert mode in ("strict", "fast")
    disk = DeadlyDisk(call, fraction)
    log = await AuditLog.open(
        directory, "strict" if mode == "strict" else "fast", disk=disk, segment_bytes_max=2500
    )
    for number in range(INTENTS):
        identifier = await log.intent(intent(f"select {number}"))
        os.write(1, f"{identifier} {number}\n".encode())
        await log.outcome(identifier, outcome())
        if mode == "fast":
            await asyncio.sleep(0.03)
    await log.close()
    os.write(1, b"done\n")


def child(directory: Path, mode: str, call: int, fraction: float) -> None:
    """Run to the end or to the fatal call, in this process."""
    asyncio.run(_run(directory, mode, call, fraction))


if __name__ == "__main__":
    child(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
