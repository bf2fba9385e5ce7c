"""The system calls the audit log makes, behind one small class.

It exists so that tests can fill the disk, break a sync or kill the process at any one of them. It
must not know records. Every method raises OSError.
"""

from __future__ import annotations

import os
from pathlib import Path

# A log that fits the last free byte would recover and fail by turns; it asks for this much first.
FREE_BYTES_MIN = 64 * 1024


class Disk:
    """The real one."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist, for appending, readable by its owner only."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        """Append; may write less than asked, as write(2)."""
        return os.write(descriptor, content)

    def write_at(self, descriptor: int, content: bytes, offset: int) -> None:
        """Overwrite in place. For the head file's slots, small enough to go in one call."""
        os.pwrite(descriptor, content, offset)

    def datasync(self, descriptor: int) -> None:
        """Return when the file's bytes and length are on the device."""
        os.fdatasync(descriptor)

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut the file to `length` bytes."""
        os.ftruncate(descriptor, length)

    def sync_directory(self, path: Path) -> None:
        """Make creations and removals in a directory durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def has_room(self, path: Path) -> bool:
        """Whether the file system has at least `FREE_BYTES_MIN` for us."""
        state = os.statvfs(path)
        return state.f_bavail * state.f_frsize >= FREE_BYTES_MIN
