"""Where a log goes on after a restart: the last whole record, and what to say about the rest.

Runs once, under the directory's lock, before the first write. It must not know events beyond
`Recovery`.

A crash leaves one thing behind: an incomplete or unreadable end, past what the head file counts as
synced. That end is cut, its digest recorded. Anything else (records gone that the head file counts,
a broken chain, a missing head file) is not a crash's work: nothing is cut, numbers are never used
twice, and the next segment starts so that `verify` shows the gap for ever.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import Recovery
from proxy.runtime.audit.frame import (
    HEADER_BYTES,
    PROCESS_ID_BYTES,
    FrameDamage,
    SegmentHeader,
    chain,
    decode_record,
    genesis,
)
from proxy.runtime.audit.segment import (
    Position,
    read_head,
    segment_numbers,
    segment_path,
)


@dataclass(frozen=True, slots=True)
class Resumption:
    """What the writer needs: whose log, behind which record, which segment, what to record."""

    process_id: bytes
    position: Position
    next_segment: int
    recovery: Recovery | None


@dataclass(frozen=True, slots=True)
class _Scan:
    """One segment read to its end or to its first flaw, at `offset`."""

    header: SegmentHeader
    position: Position
    offset: int
    flaw: str | None
    is_chain_broken: bool
    content: bytes


def resume(directory: Path, head: Position | None, disk: Disk) -> Resumption:
    """Read the last segment, cut a torn end, and say where to go on.

    `head` is what the head file said before it was opened for writing. Raises OSError.
    """
    numbers = segment_numbers(directory)
    while numbers and segment_path(directory, numbers[-1]).stat().st_size < HEADER_BYTES:
        # Created and not yet given its header when the process died: nothing was ever in it.
        segment_path(directory, numbers.pop()).unlink()
    next_segment = numbers[-1] + 1 if numbers else 1
    if not numbers:
        return _without_segments(head, next_segment)
    try:
        scan = _scan(segment_path(directory, numbers[-1]))
    except FrameDamage as damage:
        return _without_header(directory, numbers, head, next_segment, damage)
    found = Resumption(scan.header.process_id, scan.position, next_segment, None)
    if head is not None and head.count > scan.position.count:
        missing = head.count - scan.position.count
        reason = f"{missing} synced records are gone from segment {numbers[-1]}"
        return replace(
            found, position=head, recovery=Recovery(reason=reason, records_missing=missing)
        )
    if scan.flaw is None:
        _settle(segment_path(directory, numbers[-1]), None, disk)
        return found
    if head is None or scan.is_chain_broken:
        reason = f"segment {numbers[-1]}: {scan.flaw}; left as it is"
        return replace(found, recovery=Recovery(reason=reason))
    torn = scan.content[scan.offset :]
    _settle(segment_path(directory, numbers[-1]), scan.offset, disk)
    reason = f"segment {numbers[-1]} ended inside a record"
    digest = hashlib.sha256(torn).hexdigest()
    return replace(found, recovery=Recovery(reason=reason, bytes_cut=len(torn), cut_digest=digest))


def head_position(path: Path) -> Position | None:
    """The newest position of a head file, None if it is missing or unreadable."""
    state = read_head(path)
    return None if state is None else state.position


def _without_segments(head: Position | None, next_segment: int) -> Resumption:
    process_id = secrets.token_bytes(PROCESS_ID_BYTES)
    if head is None or head.count == 0:
        return Resumption(process_id, Position(0, genesis(process_id)), next_segment, None)
    reason = f"all segments are gone; the head file counted {head.count} records"
    # Past the last number that the head file can have known: it cannot say how many segments were
    # there.
    recovery = Recovery(reason=reason, records_missing=head.count)
    return Resumption(process_id, head, max(next_segment, 2), recovery)


def _without_header(
    directory: Path,
    numbers: list[int],
    head: Position | None,
    next_segment: int,
    damage: FrameDamage,
) -> Resumption:
    """The last segment does not even say what it is: go on behind the best position known."""
    reason = f"segment {numbers[-1]}: {damage}; left as it is"
    for number in reversed(numbers[:-1]):
        try:
            scan = _scan(segment_path(directory, number))
        except FrameDamage:
            continue
        best = head if head is not None and head.count > scan.position.count else scan.position
        return Resumption(scan.header.process_id, best, next_segment, Recovery(reason=reason))
    process_id = secrets.token_bytes(PROCESS_ID_BYTES)
    position = head if head is not None else Position(0, genesis(process_id))
    return Resumption(process_id, position, next_segment, Recovery(reason=reason))


def _scan(path: Path) -> _Scan:
    content = path.read_bytes()
    header = SegmentHeader.decode(content)
    position = Position(header.first_sequence - 1, header.previous_hash)
    offset = HEADER_BYTES
    while offset < len(content):
        try:
            frame = decode_record(content, offset)
        except FrameDamage as damage:
            return _Scan(header, position, offset, damage.reason, False, content)
        if frame.hash != chain(position.hash, frame.payload):
            return _Scan(header, position, offset, "chain is broken", True, content)
        position = Position(position.count + 1, frame.hash)
        offset = frame.end
    return _Scan(header, position, offset, None, False, content)


def _settle(path: Path, length: int | None, disk: Disk) -> None:
    """Cut the file to `length` if given, and sync it before a head file counts on it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if length is not None:
            disk.truncate(descriptor, length)
        disk.datasync(descriptor)
    finally:
        os.close(descriptor)
