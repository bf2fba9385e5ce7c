"""Every way to falsify a log, each on a copy of an intact one; and what is no falsification."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.runtime.audit.appender import Appender, encode
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import Recovery, clear_text
from proxy.runtime.audit.frame import (
    HEADER_BYTES,
    SegmentHeader,
    decode_records,
    encode_record,
)
from proxy.runtime.audit.segment import segment_numbers, segment_path
from proxy.runtime.audit.verify import Anchor, verify
from tests.proxy.runtime.audit.samples import NOON, payload, write_log


def _frames(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [content[frame.offset : frame.end] for frame in decode_records(content)]


def _store(path: Path, frames: list[bytes]) -> None:
    path.write_bytes(path.read_bytes()[:HEADER_BYTES] + b"".join(frames))


def _rewritten(frame: bytes, previous: bytes) -> bytes:
    """A record with another text and a correct CRC and chain hash behind `previous`."""
    record = json.loads(frame[40:])
    record["query_info"]["query_string"]["text"] = "select 'nothing to see'"
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    return encode_record(previous, text)[0]


def test_an_intact_log(tmp_path: Path) -> None:
    write_log(tmp_path, 10, per_segment=4)
    report = verify(tmp_path)
    assert report.is_intact
    assert report.problems == ()
    [process] = report.processes
    assert (process.process, process.records, process.segments) == ("gate", 10, 3)
    assert process.anchor is not None
    assert process.anchor.count == 10


def test_an_empty_directory_and_an_empty_log(tmp_path: Path) -> None:
    assert verify(tmp_path).processes == ()
    write_log(tmp_path, 0)
    assert verify(tmp_path).problems == ()


def test_every_flipped_bit_of_a_small_log_is_found(tmp_path: Path) -> None:
    place = write_log(tmp_path, 3, per_segment=2)
    for path in (
        *(segment_path(place, number) for number in segment_numbers(place)),
        place / "head",
    ):
        content = path.read_bytes()
        for offset in range(len(content)):
            changed = bytearray(content)
            changed[offset] ^= 1 << (offset % 8)
            path.write_bytes(changed)
            assert not verify(place).is_intact, (path.name, offset)
        path.write_bytes(content)
    assert verify(place).problems == ()


@pytest.mark.parametrize("per_segment", [None, 2])
def test_every_cut_of_a_closed_log_is_found(tmp_path: Path, per_segment: int | None) -> None:
    place = write_log(tmp_path, 4, per_segment=per_segment)
    for number in segment_numbers(place):
        path = segment_path(place, number)
        content = path.read_bytes()
        for length in range(len(content)):
            path.write_bytes(content[:length])
            if number == segment_numbers(place)[-1] and per_segment is not None:
                # The last segment is empty after a rotation: a cut header is a crash's work.
                continue
            assert not verify(place).is_intact, (number, length)
        path.write_bytes(content)


def _remove(frames: list[bytes]) -> list[bytes]:
    return frames[:2] + frames[3:]


def _remove_first(frames: list[bytes]) -> list[bytes]:
    return frames[1:]


def _remove_several(frames: list[bytes]) -> list[bytes]:
    return frames[:1] + frames[4:]


def _swap(frames: list[bytes]) -> list[bytes]:
    return [frames[0], frames[2], frames[1], *frames[3:]]


def _duplicate(frames: list[bytes]) -> list[bytes]:
    return [*frames[:3], frames[2], *frames[3:]]


def _duplicate_last(frames: list[bytes]) -> list[bytes]:
    return [*frames, frames[-1]]


def _insert(frames: list[bytes]) -> list[bytes]:
    forged = _rewritten(frames[2], frames[1][8:40])
    return [*frames[:2], forged, *frames[2:]]


def _rewrite(frames: list[bytes]) -> list[bytes]:
    return [*frames[:2], _rewritten(frames[2], frames[1][8:40]), *frames[3:]]


def _rewrite_last(frames: list[bytes]) -> list[bytes]:
    return [*frames[:-1], _rewritten(frames[-1], frames[-2][8:40])]


def _append_stranger(frames: list[bytes]) -> list[bytes]:
    return [*frames, encode_record(b"?" * 32, b'{"not":"ours"}')[0]]


def _append_garbage(frames: list[bytes]) -> list[bytes]:
    return [*frames, b"garbage" * 20]


@pytest.mark.parametrize(
    ("falsify", "kind"),
    [
        (_remove, "missing"),
        (_remove_first, "missing"),
        (_remove_several, "missing"),
        (_swap, "reordered"),
        (_duplicate, "reordered"),
        (_duplicate_last, "reordered"),
        (_insert, "reordered"),
        (_rewrite, "inserted"),
        (_rewrite_last, "head"),
        (_append_stranger, "inserted"),
    ],
)
@pytest.mark.parametrize("is_in_last_segment", [True, False])
def test_falsified_records(
    tmp_path: Path,
    falsify: Callable[[list[bytes]], list[bytes]],
    kind: str,
    is_in_last_segment: bool,
) -> None:
    place = write_log(tmp_path, 6)
    if not is_in_last_segment:
        write_log(tmp_path, 2)
    path = segment_path(place, 1)
    _store(path, falsify(_frames(path)))
    report = verify(place)
    assert not report.is_intact
    kinds = {problem.kind for problem in report.problems}
    if falsify is _rewrite_last and not is_in_last_segment:
        # The next segment's header remembers the hash that was.
        kind = "segment"
    assert kind in kinds, report.problems


def test_garbage_behind_the_synced_end_is_called_what_a_crash_leaves(tmp_path: Path) -> None:
    place = write_log(tmp_path, 3)
    path = segment_path(place, 1)
    _store(path, _append_garbage(_frames(path)))
    [problem] = verify(place).problems
    assert problem.kind == "torn tail"
    assert problem.record == 4


def test_the_problem_names_the_record(tmp_path: Path) -> None:
    place = write_log(tmp_path, 6)
    path = segment_path(place, 1)
    _store(path, _remove_several(_frames(path)))
    [problem] = verify(place).problems
    assert problem.record == 2
    assert "2 to 4" in problem.detail
    assert str(problem).startswith("gate segment 1 record 2: missing")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_segment(tmp_path: Path, number: int) -> None:
    place = write_log(tmp_path, 8, per_segment=3)
    segment_path(place, number).unlink()
    report = verify(place)
    assert not report.is_intact
    expected = "cut tail" if number == 3 else "segment"
    assert expected in {problem.kind for problem in report.problems}


def test_a_segment_of_another_process(tmp_path: Path) -> None:
    place = write_log(tmp_path, 4, per_segment=2)
    other = write_log(tmp_path / "other", 4, per_segment=2)
    shutil.copy(segment_path(other, 2), segment_path(place, 2))
    assert "segment" in {problem.kind for problem in verify(place).problems}


def test_a_whole_log_under_another_segment_number(tmp_path: Path) -> None:
    place = write_log(tmp_path, 4, per_segment=2)
    first, second = segment_path(place, 1), segment_path(place, 2)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert not verify(place).is_intact


def test_a_first_segment_that_begins_nowhere(tmp_path: Path) -> None:
    place = write_log(tmp_path, 1)
    path = segment_path(place, 1)
    header = SegmentHeader.decode(path.read_bytes())
    forged = SegmentHeader(1, 1, header.process_id, b"x" * 32)
    path.write_bytes(forged.encode() + path.read_bytes()[HEADER_BYTES:])
    assert not verify(place).is_intact


def test_a_cut_tail_without_a_head_cannot_be_seen_and_is_said_so(tmp_path: Path) -> None:
    place = write_log(tmp_path, 5)
    path = segment_path(place, 1)
    _store(path, _frames(path)[:3])
    assert [problem.kind for problem in verify(place).problems] == ["cut tail"]
    (place / "head").unlink()
    report = verify(place)
    [problem] = report.problems
    assert problem.kind == "head"
    assert "cannot be seen" in problem.detail
    assert not report.is_intact


def test_an_anchor_finds_what_the_files_cannot_show(tmp_path: Path) -> None:
    place = write_log(tmp_path, 5)
    noted = verify(tmp_path).processes[0].anchor
    assert noted is not None
    assert verify(tmp_path, anchors={"gate": noted}).is_intact
    # Everything computed anew, head file included: only the note tells.
    shutil.rmtree(place)
    write_log(tmp_path, 7)
    assert verify(tmp_path).is_intact
    assert not verify(tmp_path, anchors={"gate": noted}).is_intact
    shutil.rmtree(place)
    write_log(tmp_path, 2)
    assert not verify(tmp_path, anchors={"gate": noted}).is_intact
    shutil.rmtree(place)
    [problem] = verify(tmp_path, anchors={"gate": noted}).problems
    assert "gone" in problem.detail


def test_an_anchor_of_an_empty_log_is_met(tmp_path: Path) -> None:
    write_log(tmp_path, 2)
    assert verify(tmp_path, anchors={"gate": Anchor(0, "")}).is_intact


def test_a_loss_that_the_log_recorded_is_told(tmp_path: Path) -> None:
    appender = Appender.open(tmp_path, Disk())
    lost = Recovery("log was not writable", records_dropped=7).payload(NOON, clear_text)
    appender.append([encode(lost)])
    appender.sync()
    appender.close()
    report = verify(tmp_path)
    assert [problem.kind for problem in report.problems] == ["recovered"]
    assert "7 records" in report.problems[0].detail


def test_a_living_log_is_intact(tmp_path: Path) -> None:
    appender = Appender.open(tmp_path, Disk())
    for number in range(5):
        appender.append([payload(number)])
        if number % 2:
            appender.sync()
        assert verify(tmp_path).problems == ()
    appender.close()


def test_several_processes_are_told_apart(tmp_path: Path) -> None:
    write_log(tmp_path, 3)
    os.rename(tmp_path / "gate", tmp_path / "gate-0")
    write_log(tmp_path, 2)
    os.rename(tmp_path / "gate", tmp_path / "gate-1")
    path = segment_path(tmp_path / "gate-1", 1)
    _store(path, _frames(path)[1:])
    report = verify(tmp_path)
    assert [process.records for process in report.processes] == [3, 1]
    assert {problem.process for problem in report.problems} == {"gate-1"}
