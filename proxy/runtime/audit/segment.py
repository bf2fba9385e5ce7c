"""Files of one process's log: the names of its segments, and the head file beside them.

This file must not know events. It is used by the writer and by every reader.

The head file says how far the log went at its last sync: two slots, written in turn, so that a torn
write costs the older one at most. A slot is written after the records it counts were synced; the
log may therefore be longer than its head says, and never shorter unless its tail was cut.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.frame import HASH_BYTES

HEAD_NAME = "head"
_SUFFIX = ".log"
_SLOT = struct.Struct(">8sQ32sI")
_SLOT_MAGIC = b"SPHEAD\x00\x01"
# Slots in sectors of their own: a torn sector never takes both.
_SLOT_STRIDE_BYTES = 512


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a chain: behind `count` records, the last of which has `hash`."""

    count: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class HeadState:
    """What was found in a head file: its newest whole slot, and whether the other is damaged."""

    position: Position | None
    is_damaged: bool


def segment_path(directory: Path, number: int) -> Path:
    """Where segment `number` (from 1) of a process lies."""
    return directory / f"{number:08d}{_SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """The numbers of the segments in a directory, ascending. Files of other names are not ours."""
    stems = (path.name.removesuffix(_SUFFIX) for path in directory.glob("*" + _SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdecimal())


def process_directories(directory: Path) -> list[Path]:
    """The logs under an audit directory: one subdirectory per process, or `directory` itself."""
    if (directory / HEAD_NAME).exists() or segment_numbers(directory):
        return [directory]
    found = [path for path in sorted(directory.iterdir()) if path.is_dir()]
    return [path for path in found if (path / HEAD_NAME).exists() or segment_numbers(path)]


def read_head(path: Path) -> HeadState | None:
    """Read a head file; None if there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    positions: list[Position] = []
    for offset in (0, _SLOT_STRIDE_BYTES):
        slot = content[offset : offset + _SLOT.size]
        if len(slot) < _SLOT.size or zlib.crc32(slot[:-4]) != int.from_bytes(slot[-4:], "big"):
            continue
        magic, count, digest, _ = _SLOT.unpack(slot)
        if magic == _SLOT_MAGIC:
            positions.append(Position(count, digest))
    newest = max(positions, key=lambda position: position.count, default=None)
    is_whole = len(positions) == 2 and len(content) == _SLOT_STRIDE_BYTES + _SLOT.size
    # The gap between the slots is zero; anything else there was not written by us.
    gap = content[_SLOT.size : _SLOT_STRIDE_BYTES]
    return HeadState(newest, is_damaged=not is_whole or any(gap))


class HeadFile:
    """The writer's side of a head file; its descriptor also carries the lock of the directory."""

    def __init__(self, path: Path, disk: Disk) -> None:
        """Open or create, and lock.

        Raises OSError, BlockingIOError if another process has the lock.
        """
        self._disk = disk
        self._next_slot = 0
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.descriptor)
            raise

    def write(self, position: Position) -> None:
        """Say that everything up to `position` is synced."""
        assert len(position.hash) == HASH_BYTES
        body = _SLOT.pack(_SLOT_MAGIC, position.count, position.hash, 0)[:-4]
        slot = body + zlib.crc32(body).to_bytes(4, "big")
        self._disk.write_at(self.descriptor, slot, self._next_slot * _SLOT_STRIDE_BYTES)
        self._next_slot = 1 - self._next_slot

    def is_linked(self) -> bool:
        """Whether the file we write is still the one that readers find."""
        return is_same_file(self.descriptor, self.path)

    def close(self) -> None:
        """Release the descriptor and with it the directory's lock."""
        os.close(self.descriptor)


def is_same_file(descriptor: int, path: Path) -> bool:
    """Whether `path` still names the open file (not removed, renamed or replaced)."""
    mine = os.fstat(descriptor)
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_ino, mine.st_dev) == (found.st_ino, found.st_dev)
