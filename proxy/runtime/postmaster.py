"""The processes of a Postgres data directory, as the operating system tells of them.

This file must not know what a cluster is for. Where there is no /proc it finds less, and says so.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path


def is_postmaster(process_id: int, data: Path) -> bool:
    """Whether `process_id` is a Postgres over `data`: a pid alone may be another's by now."""
    if process_id <= 0:
        return False
    try:
        command = Path(f"/proc/{process_id}/cmdline").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists() and _is_alive(process_id)  # no /proc: trust the pid
    return os.fsencode(data) in command and b"postgres" in command


def process_ids_in(data: Path) -> list[int]:
    """The processes that work in `data`, as all of a Postgres do; none where there is no /proc."""
    place = str(data.resolve())
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if os.readlink(entry / "cwd") == place:
                found.append(int(entry.name))
    return found


async def stop_left_behind(data: Path, seconds_max: float, poll_seconds: float) -> None:
    """End what a postmaster that was killed has left in `data`: who is busy there works on for
    nobody, and a new one would not start beside it.

    SIGQUIT first, which needs no clean-up by others (PostgreSQL documentation, 18.5).
    """
    for kind in (signal.SIGQUIT, signal.SIGKILL):
        for process_id in process_ids_in(data):
            with suppress(ProcessLookupError):
                os.kill(process_id, kind)
        for _ in range(int(seconds_max / poll_seconds)):
            if not process_ids_in(data):
                return
            await asyncio.sleep(poll_seconds)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
