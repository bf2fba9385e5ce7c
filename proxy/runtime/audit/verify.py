"""Is the log intact: read every byte of it and name each thing that is wrong.

This file must not know the writer: it shares the byte format with it and nothing else. It never
changes a file and may run beside a living writer.

What it can find: a flipped bit, a removed, reordered or inserted record, a removed or foreign
segment, and, by the head file, a cut tail. What it cannot: a log whose whole chain was computed
anew together with its head file, and a process directory removed altogether. For both, note the
anchors of a report somewhere else and pass them the next time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from proxy.runtime.audit.frame import (
    HEADER_BYTES,
    Frame,
    FrameDamage,
    SegmentHeader,
    chain,
    decode_record,
    genesis,
)
from proxy.runtime.audit.segment import (
    HEAD_NAME,
    HeadState,
    Position,
    process_directories,
    read_head,
    segment_numbers,
    segment_path,
)

Kind = Literal[
    "damaged",  # bytes that are not what was written: a flipped bit, an overwritten part
    "missing",  # records that were there
    "reordered",  # a record at another place than its number says, or twice
    "inserted",  # a record that the chain does not know, or one that was rewritten
    "segment",  # a segment that is missing, foreign or misnamed
    "cut tail",  # fewer records than the head file counted
    "torn tail",  # an end inside a record that was never synced: a crash, mended at the next start
    "head",  # the head file is missing or damaged: a cut tail could not be seen
    "recovered",  # the log itself recorded that it lost something
    "anchor",  # the log is not the one that an earlier report described
]
# A crash explains these; everything else needs a person.
_EXPLAINED: frozenset[Kind] = frozenset({"torn tail"})
# A report, not a copy of a destroyed log.
PROBLEMS_MAX = 1000
# Quotes inside values are escaped, so no statement's text can imitate these.
_RECOVERY = b'"phase":"recovery"'


@dataclass(frozen=True, slots=True)
class Anchor:
    """A chain's position to remember elsewhere: after `count` records its hash is `hash` (hex)."""

    count: int
    hash: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `record` is a sequence number, None if it cannot be known."""

    process: str
    segment: int | None
    record: int | None
    kind: Kind
    detail: str

    def __str__(self) -> str:
        where = self.process
        where += f" segment {self.segment}" if self.segment is not None else ""
        where += f" record {self.record}" if self.record is not None else ""
        return f"{where}: {self.kind}: {self.detail}"


@dataclass(slots=True)
class ProcessReport:
    """What was found in one process's log. `anchor` is the last position that was read."""

    process: str
    records: int = 0
    segments: int = 0
    recoveries: int = 0
    anchor: Anchor | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict over a directory."""

    processes: tuple[ProcessReport, ...]
    missing: tuple[Problem, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, by process and place."""
        return self.missing + tuple(
            problem for process in self.processes for problem in process.problems
        )

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found that a crash does not explain."""
        return all(problem.kind in _EXPLAINED for problem in self.problems)


def verify(directory: Path, *, anchors: Mapping[str, Anchor] | None = None) -> Report:
    """Check every process's log under `directory` (or `directory` itself, if it is one).

    `anchors` by process name, from earlier reports. Raises OSError if a file cannot be read.
    """
    anchors = anchors or {}
    places = process_directories(directory)
    reports = tuple(_Walk(place, anchors.get(place.name)).run() for place in places)
    absent = sorted(set(anchors) - {place.name for place in places})
    return Report(
        reports,
        tuple(
            Problem(name, None, None, "anchor", "the whole log of this process is gone")
            for name in absent
        ),
    )


class _Walk:
    """One pass over one process's segments. `_position` None: unknown, nothing to compare with."""

    def __init__(self, directory: Path, anchor: Anchor | None) -> None:
        self._directory = directory
        self._report = ProcessReport(directory.name)
        self._anchor = anchor
        self._is_anchor_met = anchor is None or anchor.count == 0
        self._process_id: bytes | None = None
        self._position: Position | None = None
        self._segment: int | None = None

    def run(self) -> ProcessReport:
        # Before the segments: a living writer only ever makes them longer than this says.
        head = read_head(self._directory / HEAD_NAME)
        numbers = segment_numbers(self._directory)
        for index, number in enumerate(numbers):
            self._segment = number
            if number != index + 1 and (index == 0 or number != numbers[index - 1] + 1):
                self._problem("segment", f"the segment before number {number} is missing")
            content = segment_path(self._directory, number).read_bytes()
            self._read_segment(content, number, is_last=index == len(numbers) - 1, head=head)
            self._report.segments += 1
        self._segment = None
        self._compare_head(head)
        if not self._is_anchor_met:
            assert self._anchor is not None
            detail = f"the log does not reach the anchor at record {self._anchor.count}"
            self._problem("anchor", detail, self._anchor.count)
        if self._position is not None:
            self._report.anchor = Anchor(self._position.count, self._position.hash.hex())
        return self._report

    def _problem(self, kind: Kind, detail: str, record: int | None = None) -> None:
        if len(self._report.problems) < PROBLEMS_MAX:
            problem = Problem(self._report.process, self._segment, record, kind, detail)
            self._report.problems.append(problem)

    def _read_segment(
        self, content: bytes, number: int, *, is_last: bool, head: HeadState | None
    ) -> None:
        try:
            header = SegmentHeader.decode(content)
        except FrameDamage as damage:
            if damage.is_incomplete and is_last:
                self._problem("torn tail", "the segment has no whole header")
            else:
                self._problem("damaged", str(damage))
            return
        self._enter(header, number)
        offset = HEADER_BYTES
        while offset < len(content):
            try:
                frame = decode_record(content, offset)
            except FrameDamage as damage:
                if damage.resume_offset is None:
                    self._broken_off(damage, is_last=is_last, head=head)
                    return
                self._problem("damaged", damage.reason, self._next())
                offset = damage.resume_offset
                self._skip(content, damage.offset)
                continue
            self._follow(frame)
            offset = frame.end

    def _enter(self, header: SegmentHeader, number: int) -> None:
        """Check a header against what came before, then trust it: the chain goes on from there."""
        if header.number != number:
            self._problem("segment", f"the file holds segment {header.number}")
        if self._process_id is None:
            self._process_id = header.process_id
            if number == 1 and header.previous_hash != genesis(header.process_id):
                self._problem("segment", "the first segment does not begin the chain")
        elif header.process_id != self._process_id:
            self._problem("segment", "the segment belongs to another process's log")
        start = Position(header.first_sequence - 1, header.previous_hash)
        if self._position is not None and start != self._position:
            gap = start.count - self._position.count
            if gap > 0:
                detail = f"{gap} records before this segment are missing"
                self._problem("missing", detail, self._position.count + 1)
            else:
                detail = "the segment does not follow the one before it"
                self._problem("segment", detail, start.count + 1)
        self._position = start

    def _follow(self, frame: Frame) -> None:
        """Check one whole record against the chain and move on behind it."""
        assert self._position is not None
        expected = self._position.count + 1
        number = expected
        if chain(self._position.hash, frame.payload) != frame.hash:
            found = _sequence(frame.payload)
            if found is None or found == expected:
                self._problem("inserted", "the record is not the one that was written", expected)
            elif found > expected:
                detail = f"records {expected} to {found - 1} are not before this one"
                self._problem("missing", detail, expected)
                number = found
            else:
                self._problem("reordered", f"record {found} stands here", expected)
                number = found
        self._position = Position(number, frame.hash)
        self._report.records += 1
        if _RECOVERY in frame.payload:
            self._recovery(frame.payload, number)
        if self._anchor is not None and number == self._anchor.count:
            self._is_anchor_met = True
            if frame.hash.hex() != self._anchor.hash:
                self._problem("anchor", "the chain was rewritten: another hash was noted", number)

    def _skip(self, content: bytes, offset: int) -> None:
        """Go behind a damaged record with the hash it claims.

        The next one tells if that is true.
        """
        assert self._position is not None
        claimed = content[offset + 8 : offset + 40]
        self._position = Position(self._position.count + 1, claimed)
        self._report.records += 1

    def _broken_off(self, damage: FrameDamage, *, is_last: bool, head: HeadState | None) -> None:
        """The rest of the segment cannot be read. Past the synced part of the last one, a crash."""
        assert self._position is not None
        synced = None if head is None else head.position
        is_unsynced = synced is not None and self._position.count >= synced.count
        kind: Kind = "torn tail" if is_last and is_unsynced else "damaged"
        self._problem(kind, str(damage), self._next())

    def _compare_head(self, head: HeadState | None) -> None:
        reached = 0 if self._position is None else self._position.count
        if head is None:
            detail = f"the head file is missing: a tail cut after record {reached} cannot be seen"
            self._problem("head", detail)
            return
        if head.is_damaged:
            self._problem("head", "the head file is damaged")
        if head.position is None:
            return
        if head.position.count > reached:
            detail = (
                f"the head file counts {head.position.count} records, the log ends at {reached}"
            )
            self._problem("cut tail", detail, reached + 1)
        elif self._position is not None and head.position.count == reached:
            is_same = reached == 0 or head.position.hash == self._position.hash
            if not is_same:
                self._problem("head", "the head file's hash is not that of the last record")

    def _recovery(self, payload: bytes, number: int) -> None:
        self._report.recoveries += 1
        facts = json.loads(payload)
        lost = facts["unmapped"]["records_missing"] + facts["unmapped"]["records_dropped"]
        if lost:
            self._problem("recovered", f"{lost} records lost: {facts['status_detail']}", number)

    def _next(self) -> int | None:
        return None if self._position is None else self._position.count + 1


def _sequence(payload: bytes) -> int | None:
    """The number a record gives itself; None if it is not one of ours."""
    try:
        number = json.loads(payload)["metadata"]["sequence"]
    except (ValueError, TypeError, KeyError):
        return None
    return number if isinstance(number, int) else None
