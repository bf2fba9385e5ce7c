"""The one writer of a process's log: append, sync, rotate, and carry on after a disk error.

Blocking, and safe for one appending and one syncing thread. It must not know asyncio or modes.

Theory of operation. `append` writes whole batches with one write(2) and remembers their bytes until
a `sync` succeeds. A failed write is cut back to the last whole record, so the file never holds half
a batch. A failed sync says nothing about what reached the device, and a later success would not
either (the kernel drops the dirty flag with the error): the segment is cut to its last synced
length, and the remembered bytes are written again to a new segment. The same happens when somebody
removes, replaces or resizes the file under us, except that nothing is cut then.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import Recovery
from proxy.runtime.audit.frame import (
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    SegmentHeader,
    encode_record,
)
from proxy.runtime.audit.resume import head_position, resume
from proxy.runtime.audit.segment import (
    HEAD_NAME,
    HeadFile,
    Position,
    is_same_file,
    segment_path,
)

# ASCII only: a newline, an escape sequence or a bidirectional mark in a statement stays inert in a
# terminal.
_encode_json = json.JSONEncoder(
    separators=(",", ":"), sort_keys=True, ensure_ascii=True, allow_nan=False
).encode
# Inside a JSON string every quote is escaped, so this can only be `metadata.sequence` itself.
_SEQUENCE_SLOT = b'"sequence":0'


def encode(payload: dict[str, Any]) -> bytes:
    """A record's bytes, its number still 0.

    Raises ValueError above the record limit (32 MiB) or for a number that JSON has not.
    """
    encoded = _encode_json(payload).encode("ascii")
    assert _SEQUENCE_SLOT in encoded
    # Room for the digits of the number that replaces the 0.
    if len(encoded) > PAYLOAD_BYTES_MAX - 20:
        raise ValueError(f"audit record of {len(encoded)} bytes, limit {PAYLOAD_BYTES_MAX}")
    return encoded


class SegmentAltered(OSError):
    """The file being written was removed, replaced or resized by somebody else."""


class Appender:
    """Open with `Appender.open`.

    Methods raise OSError; after one, only `recover` and `close` are valid.
    """

    def __init__(
        self, directory: Path, head: HeadFile, process_id: bytes, start: Position, disk: Disk
    ) -> None:
        self._directory = directory
        self._head = head
        self._process_id = process_id
        self._disk = disk
        self._lock = threading.Lock()
        self._written = start
        self._synced = start
        self._synced_length = 0
        self._length = 0
        self._unsynced: list[bytes] = []
        self._descriptor = -1
        self._number = 0
        self._must_replace = False
        self._must_cut = False
        self._is_altered = False
        self.recovered: Recovery | None = None

    @classmethod
    def open(cls, directory: Path, disk: Disk) -> Appender:
        """Take a process's directory (created if needed), cut a torn end, start a new segment.

        `recovered` then says what was found. Raises OSError; BlockingIOError if the directory is in
        use.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = head_position(directory / HEAD_NAME)
        head = HeadFile(directory / HEAD_NAME, disk)
        try:
            state = resume(directory, before, disk)
            appender = cls(directory, head, state.process_id, state.position, disk)
            appender.recovered = state.recovery
            appender._start_segment(state.next_segment)
            head.write(state.position)
            head.write(state.position)
        except BaseException:
            head.close()
            raise
        return appender

    @property
    def written(self) -> Position:
        """The position behind the last record in the kernel."""
        return self._written

    @property
    def synced(self) -> Position:
        """The position behind the last record on the device."""
        return self._synced

    @property
    def segment_length(self) -> int:
        """Bytes in the current segment."""
        return self._length

    @property
    def unsynced_bytes(self) -> int:
        """Bytes written and not yet synced."""
        return self._length - self._synced_length

    def append(self, payloads: Sequence[bytes]) -> int:
        """Number and write records (from `encode`) with one write(2), all or none.

        Returns the first one's sequence number. Raises OSError.
        """
        with self._lock:
            first = self._written.count + 1
            count, digest = self._written.count, self._written.hash
            frames: list[bytes] = []
            for payload in payloads:
                count += 1
                numbered = payload.replace(_SEQUENCE_SLOT, b'"sequence":%d' % count, 1)
                frame, digest = encode_record(digest, numbered)
                frames.append(frame)
            self._write_all(frames[0] if len(frames) == 1 else b"".join(frames))
            self._unsynced.extend(frames)
            self._written = Position(count, digest)
            return first

    def sync(self) -> None:
        """Put everything appended before this call on the device, and say so in the head file."""
        with self._lock:
            descriptor, length, position = self._descriptor, self._length, self._written
            frames = len(self._unsynced)
            self._check_unaltered()
        if position.count == self._synced.count:
            return
        try:
            self._disk.datasync(descriptor)
        except OSError:
            self._must_replace = self._must_cut = True
            raise
        with self._lock:
            self._synced, self._synced_length = position, length
            del self._unsynced[:frames]
        self._head.write(position)

    def rotate(self) -> bool:
        """Finish this segment and start the next one. Appending waits meanwhile.

        Returns False if the next one cannot be created: this one then stays current, and is whole.
        Raises OSError if this one cannot be synced.
        """
        self.sync()
        with self._lock:
            if self._unsynced:
                # Appended between the sync and the lock.
                self._sync_rest()
            retired = self._descriptor
            try:
                self._start_segment(self._number + 1)
            except OSError:
                return False
            os.close(retired)
            return True

    def forget_unsynced(self) -> int:
        """Take back what was not synced, because its callers were refused.

        Returns how many records.
        """
        with self._lock:
            dropped = len(self._unsynced)
            self._unsynced.clear()
            self._written = self._synced
            self._must_replace = self._must_cut = True
            return dropped

    def recover(self) -> None:
        """Make the log writable again after an OSError. Raises OSError if it still is not."""
        with self._lock:
            if not self._head.is_linked():
                self._reopen_head()
            if not self._must_replace:
                # A failed write: what it left behind the last whole record goes away.
                self._cut(self._length)
            if not self._must_replace:
                return
            if self._must_cut and not self._is_altered:
                self._cut(self._synced_length)
                self._disk.datasync(self._descriptor)
            self._replace_segment()
            self._must_replace = self._must_cut = self._is_altered = False

    def close(self) -> None:
        """Release the files. Sync first: this does not."""
        os.close(self._descriptor)
        self._head.close()

    def _write_all(self, content: bytes) -> None:
        view = memoryview(content)
        try:
            while view:
                view = view[self._disk.write(self._descriptor, view) :]
        except OSError:
            # recover() cuts again if this fails as well.
            with contextlib.suppress(OSError):
                self._cut(self._length)
            raise
        self._length += len(content)

    def _cut(self, length: int) -> None:
        """Cut the file back to `length`; never lengthen one that somebody else has shortened."""
        size = os.fstat(self._descriptor).st_size
        if size > length:
            self._disk.truncate(self._descriptor, length)
        elif size < length:
            self._must_replace = self._is_altered = True

    def _sync_rest(self) -> None:
        try:
            self._disk.datasync(self._descriptor)
        except OSError:
            self._must_replace = self._must_cut = True
            raise
        self._synced, self._synced_length = self._written, self._length
        self._unsynced.clear()
        self._head.write(self._synced)

    def _start_segment(self, number: int) -> None:
        """Create segment `number` behind the synced position. A half-made file is removed again."""
        path = segment_path(self._directory, number)
        header = SegmentHeader(
            number, self._synced.count + 1, self._process_id, self._synced.hash
        ).encode()
        descriptor = self._disk.create(path)
        try:
            view = memoryview(header)
            while view:
                view = view[self._disk.write(descriptor, view) :]
            self._disk.datasync(descriptor)
            self._disk.sync_directory(self._directory)
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        self._descriptor, self._number = descriptor, number
        self._length = self._synced_length = HEADER_BYTES

    def _replace_segment(self) -> None:
        """Leave the current file and write what was not synced to a new one."""
        retired = self._descriptor
        self._start_segment(self._number + 1)
        os.close(retired)
        # Until this one is synced it is no better than the one it replaces.
        self._must_cut, self._is_altered = True, False
        pending = b"".join(self._unsynced)
        if pending:
            self._write_all(pending)
            self._sync_rest()

    def _check_unaltered(self) -> None:
        state = os.fstat(self._descriptor)
        path = segment_path(self._directory, self._number)
        if state.st_size != self._length or not is_same_file(self._descriptor, path):
            self._must_replace = self._is_altered = True
            raise SegmentAltered(f"audit segment {self._number} was altered by another program")
        if not self._head.is_linked():
            raise SegmentAltered("the head file of the audit log was removed or replaced")

    def _reopen_head(self) -> None:
        head = HeadFile(self._directory / HEAD_NAME, self._disk)
        head.write(self._synced)
        head.write(self._synced)
        self._head.close()
        self._head = head
