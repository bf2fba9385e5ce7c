"""Questions to the log: all records, what was denied, who saw a column; following a living one.

This file must not know the writer. It reads whole records (by CRC) and does not check the chain:
that is `verify`'s. Where a segment cannot be read on, `on_damage` is told and the next segment
follows.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.runtime.audit.frame import HEADER_BYTES, FrameDamage, decode_record
from proxy.runtime.audit.segment import process_directories, segment_numbers, segment_path

OnDamage = Callable[[str], None]
# How much of a growing segment one look reads; more than any record has.
_FOLLOW_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One record: `time` in Unix seconds, `phase` such as `intent`, `facts` the whole JSON."""

    process: str
    sequence: int
    time: float
    phase: str
    facts: dict[str, Any] = field(repr=False)

    @property
    def subject(self) -> str | None:
        """The principal's subject, None where there is none."""
        subject = self.facts.get("actor", {}).get("user", {}).get("uid")
        return subject if isinstance(subject, str) else None

    @property
    def agent(self) -> str | None:
        """Who acted on the subject's behalf."""
        agent = self.facts.get("actor", {}).get("invoked_by")
        return agent if isinstance(agent, str) else None

    @property
    def text(self) -> str | None:
        """The statement as it was stored (clear or redacted), None if only its digest is."""
        text = self.facts.get("query_info", {}).get("query_string", {}).get("text")
        return text if isinstance(text, str) else None

    @property
    def trace_id(self) -> str | None:
        trace = self.facts["metadata"].get("correlation_uid")
        return trace if isinstance(trace, str) else None


@dataclass(frozen=True, slots=True)
class Sighting:
    """One statement that read a column.

    `mask` None: clear. `rows` None: no outcome was recorded.
    """

    intent: Record
    relation: str
    column: str
    mask: str | None
    rows: int | None
    sqlstate: str | None


@dataclass(frozen=True, slots=True)
class Denial:
    """One refusal: the reason for auditors and the SQLSTATE the client was told."""

    record: Record
    reason: str
    sqlstate: str


def records(
    directory: Path,
    *,
    since: float | None = None,
    until: float | None = None,
    where: Callable[[Record], bool] | None = None,
    on_damage: OnDamage | None = None,
) -> Iterator[Record]:
    """Every record with `since` <= time < `until` (Unix seconds), all processes merged by time.

    Within a process the order is that of the chain, whatever the clock did.
    """
    streams = [_process_records(place, on_damage) for place in process_directories(directory)]
    for record in heapq.merge(*streams, key=lambda found: found.time):
        is_inside = (since is None or record.time >= since) and (
            until is None or record.time < until
        )
        if is_inside and (where is None or where(record)):
            yield record


def denied(
    directory: Path,
    *,
    since: float | None = None,
    until: float | None = None,
    subject: str | None = None,
    on_damage: OnDamage | None = None,
) -> Iterator[Denial]:
    """What was refused, to whom and why."""
    for record in records(directory, since=since, until=until, on_damage=on_damage):
        if record.phase == "refusal" and subject in (None, record.subject):
            facts = record.facts
            yield Denial(record, facts.get("status_detail", ""), facts.get("status_code", ""))


def who_saw(
    directory: Path,
    relation: str,
    column: str,
    *,
    since: float | None = None,
    until: float | None = None,
    on_damage: OnDamage | None = None,
) -> list[Sighting]:
    """Every statement begun in the period that read `column` of `relation`, masked or clear.

    `relation` is `schema.name`, or `source.schema.name`. Outcomes after `until` are found too.
    """
    intents: dict[tuple[str, int], tuple[Record, str, str | None]] = {}
    endings: dict[tuple[str, int], Record] = {}
    for record in records(directory, since=since, on_damage=on_damage):
        if record.phase == "intent" and (until is None or record.time < until):
            for access in record.facts["unmapped"].get("relations", []):
                if relation in _names(access) and column in access["columns"]:
                    mask = access["masks"].get(column)
                    full_name = f"{access['source']}.{access['schema']}.{access['name']}"
                    intents[record.process, record.sequence] = (record, full_name, mask)
        elif record.phase == "outcome":
            key = (record.process, record.facts["unmapped"].get("intent", 0))
            if key in intents:
                endings[key] = record
    return [
        _sighting(intent, name, column, mask, endings.get(key))
        for key, (intent, name, mask) in intents.items()
    ]


def follow(
    directory: Path, wait: Callable[[], bool], *, on_damage: OnDamage | None = None
) -> Iterator[Record]:
    """Records as they are written, from now on, without end, across rotation and new processes.

    `wait` is called when there is nothing new: it sleeps, and returns False to stop.
    """
    tails: dict[Path, _Tail] = {}
    is_first_look = True
    while True:
        is_idle = True
        for place in process_directories(directory):
            if place not in tails:
                tails[place] = _Tail(place)
                if is_first_look:
                    for _ in tails[place].read(on_damage):
                        pass
            for record in tails[place].read(on_damage):
                is_idle = False
                yield record
        is_first_look = False
        if is_idle and not wait():
            return


class _Tail:
    """How far one process's log has been read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self._offset = 0

    def read(self, on_damage: OnDamage | None) -> Iterator[Record]:
        """What is new. An incomplete last record is left for the next time."""
        for number in segment_numbers(self._directory):
            if number < self._number:
                continue
            if number > self._number:
                self._number, self._offset = number, HEADER_BYTES
            has_more = True
            while has_more:
                start = self._offset
                with segment_path(self._directory, number).open("rb") as file:
                    file.seek(start)
                    content = file.read(_FOLLOW_BYTES_MAX)
                yield from self._decode(content, on_damage)
                has_more = self._offset > start

    def _decode(self, content: bytes, on_damage: OnDamage | None) -> Iterator[Record]:
        place = 0
        while place < len(content):
            try:
                frame = decode_record(content, place)
            except FrameDamage as damage:
                if not damage.is_incomplete:
                    _tell(on_damage, self._directory, self._number, damage)
                    # Told once; the rest of this segment is `verify`'s business.
                    self._offset += len(content) - place
                return
            self._offset += frame.end - place
            place = frame.end
            yield _record(self._directory.name, frame.payload)


def _process_records(directory: Path, on_damage: OnDamage | None) -> Iterator[Record]:
    for number in segment_numbers(directory):
        content = segment_path(directory, number).read_bytes()
        offset = HEADER_BYTES
        while offset < len(content):
            try:
                frame = decode_record(content, offset)
            except FrameDamage as damage:
                _tell(on_damage, directory, number, damage)
                if damage.resume_offset is None:
                    break
                offset = damage.resume_offset
                continue
            yield _record(directory.name, frame.payload)
            offset = frame.end


def _record(process: str, payload: bytes) -> Record:
    facts = json.loads(payload)
    return Record(
        process,
        facts["metadata"]["sequence"],
        facts["time"] / 1000,
        facts["unmapped"]["phase"],
        facts,
    )


def _names(access: dict[str, Any]) -> tuple[str, str]:
    name = f"{access['schema']}.{access['name']}"
    return name, f"{access['source']}.{name}"


def _sighting(
    intent: Record, relation: str, column: str, mask: str | None, ending: Record | None
) -> Sighting:
    if ending is None:
        return Sighting(intent, relation, column, mask, None, None)
    facts = ending.facts
    return Sighting(
        intent, relation, column, mask, facts["unmapped"]["rows"], facts.get("status_code")
    )


def _tell(on_damage: OnDamage | None, directory: Path, number: int, damage: FrameDamage) -> None:
    if on_damage is not None:
        on_damage(f"{directory.name} segment {number}: {damage}")
