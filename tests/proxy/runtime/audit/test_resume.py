"""Starting again: what a crash leaves is cut and recorded, anything else is kept as it is."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from proxy.runtime.audit.appender import Appender
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import Recovery
from proxy.runtime.audit.frame import HEADER_BYTES, decode_records
from proxy.runtime.audit.segment import segment_numbers, segment_path
from proxy.runtime.audit.verify import verify
from tests.proxy.runtime.audit.samples import payload, write_log


def _reopen(place: Path) -> tuple[Recovery | None, int]:
    """Open again and append one record; returns what was recovered and the record's number."""
    appender = Appender.open(place, Disk())
    recovered = appender.recovered
    number = appender.append([payload(99)])
    appender.sync()
    appender.close()
    return recovered, number


def _unsynced_log(place: Path) -> None:
    """Two synced records and a third that only the kernel has, as `kill -9` leaves it."""
    appender = Appender.open(place, Disk())
    appender.append([payload(1), payload(2)])
    appender.sync()
    appender.append([payload(3)])
    appender.close()


def test_a_clean_end_is_no_recovery(tmp_path: Path) -> None:
    place = write_log(tmp_path, 3)
    assert _reopen(place) == (None, 4)


def test_a_torn_record_is_cut_at_every_length_and_recorded(tmp_path: Path) -> None:
    _unsynced_log(tmp_path / "original")
    whole = segment_path(tmp_path / "original", 1).read_bytes()
    last = list(decode_records(whole))[-1]
    head = (tmp_path / "original" / "head").read_bytes()
    for length in range(last.offset + 1, len(whole), 37):
        place = tmp_path / str(length)
        place.mkdir()
        segment_path(place, 1).write_bytes(whole[:length])
        (place / "head").write_bytes(head)
        report = verify(place)
        assert [problem.kind for problem in report.problems] == ["torn tail"]
        assert report.is_intact
        recovered, number = _reopen(place)
        assert recovered is not None
        assert recovered.bytes_cut == length - last.offset
        assert recovered.cut_digest == hashlib.sha256(whole[last.offset : length]).hexdigest()
        assert recovered.records_missing == 0
        assert number == 3
        assert verify(place).problems == ()


def test_a_garbage_tail_past_the_synced_part_is_cut(tmp_path: Path) -> None:
    _unsynced_log(tmp_path)
    path = segment_path(tmp_path, 1)
    last = list(decode_records(path.read_bytes()))[-1]
    # Power loss: the length reached the device, the bytes did not.
    content = path.read_bytes()
    path.write_bytes(content[: last.offset] + bytes(len(content) - last.offset))
    recovered, number = _reopen(tmp_path)
    assert recovered is not None
    assert recovered.bytes_cut > 0
    assert number == 3
    assert verify(tmp_path).problems == ()


def test_records_that_the_head_counts_are_missed_for_ever(tmp_path: Path) -> None:
    place = write_log(tmp_path, 5)
    path = segment_path(place, 1)
    frames = list(decode_records(path.read_bytes()))
    os.truncate(path, frames[2].end)
    assert [problem.kind for problem in verify(place).problems] == ["cut tail"]
    recovered, number = _reopen(place)
    assert recovered is not None
    assert recovered.records_missing == 2
    # Numbers 4 and 5 were told to somebody; they are not used again.
    assert number == 6
    assert "missing" in {problem.kind for problem in verify(place).problems}
    _reopen(place)
    assert not verify(place).is_intact


@pytest.mark.parametrize("where", ["middle", "end"])
def test_damage_in_the_synced_part_is_left_for_the_auditor(tmp_path: Path, where: str) -> None:
    place = write_log(tmp_path, 5)
    path = segment_path(place, 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if where == "middle" else -1] ^= 1
    path.write_bytes(content)
    _reopen(place)
    assert path.read_bytes() == content
    assert not verify(place).is_intact


def test_without_a_head_nothing_is_cut(tmp_path: Path) -> None:
    _unsynced_log(tmp_path)
    path = segment_path(tmp_path, 1)
    os.truncate(path, path.stat().st_size - 5)
    (tmp_path / "head").unlink()
    before = path.read_bytes()
    recovered, _ = _reopen(tmp_path)
    assert recovered is not None
    assert "left as it is" in recovered.reason
    assert path.read_bytes() == before
    assert not verify(tmp_path).is_intact


@pytest.mark.parametrize("length", [0, 1, HEADER_BYTES - 1])
def test_a_segment_without_its_header_never_held_anything(tmp_path: Path, length: int) -> None:
    place = write_log(tmp_path, 3)
    second = segment_path(place, 2)
    second.write_bytes(segment_path(place, 1).read_bytes()[:length])
    assert _reopen(place) == (None, 4)
    assert verify(place).problems == ()


def test_a_damaged_header_does_not_stop_the_log(tmp_path: Path) -> None:
    place = write_log(tmp_path, 4, per_segment=2)
    path = segment_path(place, segment_numbers(place)[-1])
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    recovered, number = _reopen(place)
    assert recovered is not None
    assert number == 5
    assert not verify(place).is_intact


def test_all_segments_gone(tmp_path: Path) -> None:
    place = write_log(tmp_path, 4)
    segment_path(place, 1).unlink()
    recovered, number = _reopen(place)
    assert recovered is not None
    assert recovered.records_missing == 4
    assert number == 5
    assert not verify(place).is_intact


def test_a_death_before_the_first_segment(tmp_path: Path) -> None:
    (tmp_path / "head").touch()
    assert _reopen(tmp_path) == (None, 1)
    assert verify(tmp_path).problems == ()
