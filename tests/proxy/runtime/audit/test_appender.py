"""The writer: numbering, rotation, and what is left in the file after each kind of disk error."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from proxy.runtime.audit.appender import Appender, SegmentAltered, encode
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import clear_text
from proxy.runtime.audit.frame import HEADER_BYTES, decode_records
from proxy.runtime.audit.segment import HeadFile, read_head, segment_numbers, segment_path
from proxy.runtime.audit.verify import verify
from tests.proxy.runtime.audit.samples import NOON, FaultyDisk, intent, payload, write_log


def _sequences(place: Path) -> list[int]:
    return [
        json.loads(frame.payload)["metadata"]["sequence"]
        for number in segment_numbers(place)
        for frame in decode_records(segment_path(place, number).read_bytes())
    ]


def test_records_are_numbered_from_one_without_gaps_over_restarts(tmp_path: Path) -> None:
    write_log(tmp_path, 3)
    place = write_log(tmp_path, 2)
    assert _sequences(place) == [1, 2, 3, 4, 5]
    assert verify(tmp_path).problems == ()


def test_append_returns_the_first_number_of_the_batch(tmp_path: Path) -> None:
    appender = Appender.open(tmp_path, Disk())
    assert appender.append([payload(), payload()]) == 1
    assert appender.append([payload()]) == 3
    assert appender.written.count == 3
    assert appender.synced.count == 0
    appender.sync()
    assert appender.synced == appender.written
    appender.close()


def test_a_statement_cannot_imitate_the_number_slot(tmp_path: Path) -> None:
    text = '"sequence":0 \\"sequence":0'
    appender = Appender.open(tmp_path, Disk())
    appender.append([encode(intent(text).payload(NOON, clear_text))])
    appender.close()
    [frame] = decode_records(segment_path(tmp_path, 1).read_bytes())
    record = json.loads(frame.payload)
    assert record["query_info"]["query_string"]["text"] == text
    assert record["metadata"]["sequence"] == 1


def test_encoded_records_are_inert_in_a_terminal() -> None:
    encoded = encode(intent("a\n\x1b[2J\u202e\x00\ud800").payload(NOON, clear_text))
    assert all(32 <= byte < 127 for byte in encoded)


def test_rotation_keeps_the_chain(tmp_path: Path) -> None:
    place = write_log(tmp_path, 10, per_segment=3)
    assert segment_numbers(place) == [1, 2, 3, 4]
    assert verify(tmp_path).problems == ()


def test_the_head_counts_what_is_synced_and_no_more(tmp_path: Path) -> None:
    appender = Appender.open(tmp_path, Disk())
    appender.append([payload()])
    appender.sync()
    appender.append([payload()])
    head = read_head(tmp_path / "head")
    assert head is not None
    assert head.position is not None
    assert head.position.count == 1
    appender.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    appender = Appender.open(tmp_path, Disk())
    with pytest.raises(BlockingIOError):
        Appender.open(tmp_path, Disk())
    appender.close()
    Appender.open(tmp_path, Disk()).close()


def test_a_full_disk_leaves_whole_records_only(tmp_path: Path) -> None:
    disk = FaultyDisk()
    appender = Appender.open(tmp_path, disk)
    appender.append([payload()])
    length = segment_path(tmp_path, 1).stat().st_size
    disk.room_bytes = 100
    with pytest.raises(OSError, match="No space"):
        appender.append([payload(), payload()])
    assert segment_path(tmp_path, 1).stat().st_size == length
    disk.room_bytes = None
    appender.recover()
    assert appender.append([payload()]) == 2
    appender.sync()
    appender.close()
    assert verify(tmp_path).problems == ()


def test_a_cut_that_fails_as_well_is_made_up_for(tmp_path: Path) -> None:
    class Stubborn(FaultyDisk):
        is_stubborn = False

        def truncate(self, descriptor: int, length: int) -> None:
            if self.is_stubborn:
                raise OSError(errno.EIO, "no")
            super().truncate(descriptor, length)

    disk = Stubborn()
    appender = Appender.open(tmp_path, disk)
    appender.append([payload()])
    disk.room_bytes, disk.is_stubborn = 50, True
    with pytest.raises(OSError, match="No space"):
        appender.append([payload()])
    with pytest.raises(OSError, match="no"):
        appender.recover()
    disk.room_bytes, disk.is_stubborn = None, False
    appender.recover()
    appender.append([payload()])
    appender.sync()
    appender.close()
    assert _sequences(tmp_path) == [1, 2]
    assert verify(tmp_path).problems == ()


def test_after_a_failed_sync_the_records_are_written_again_elsewhere(tmp_path: Path) -> None:
    disk = FaultyDisk()
    appender = Appender.open(tmp_path, disk)
    appender.append([payload(1)])
    appender.sync()
    synced = segment_path(tmp_path, 1).stat().st_size
    appender.append([payload(2), payload(3)])
    disk.sync_error = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        appender.sync()
    # The next sync would succeed and mean nothing: the record must not be trusted where it is.
    disk.sync_error = None
    appender.recover()
    assert segment_path(tmp_path, 1).stat().st_size == synced
    assert appender.synced.count == 3
    appender.close()
    assert _sequences(tmp_path) == [1, 2, 3]
    assert segment_numbers(tmp_path) == [1, 2]
    assert verify(tmp_path).problems == ()


def test_recovery_may_itself_fail_half_way(tmp_path: Path) -> None:
    disk = FaultyDisk()
    appender = Appender.open(tmp_path, disk)
    appender.append([payload(1)])
    disk.sync_error = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        appender.sync()
    for switch in ("sync_error", "create_error", "write_error"):
        disk.sync_error = disk.create_error = disk.write_error = None
        setattr(disk, switch, errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            appender.recover()
    disk.sync_error = disk.create_error = disk.write_error = None
    disk.room_bytes = HEADER_BYTES + 10
    with pytest.raises(OSError, match="No space"):
        appender.recover()
    disk.room_bytes = None
    appender.recover()
    appender.close()
    assert _sequences(tmp_path) == [1]
    assert verify(tmp_path).problems == ()


def test_what_was_refused_is_forgotten(tmp_path: Path) -> None:
    disk = FaultyDisk()
    appender = Appender.open(tmp_path, disk)
    appender.append([payload(1)])
    disk.sync_error = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        appender.sync()
    assert appender.forget_unsynced() == 1
    disk.sync_error = None
    appender.recover()
    assert appender.append([payload(2)]) == 1
    appender.sync()
    appender.close()
    assert _sequences(tmp_path) == [1]
    assert verify(tmp_path).problems == ()


def test_a_segment_that_cannot_be_created_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    disk = FaultyDisk()
    appender = Appender.open(tmp_path, disk)
    appender.append([payload()])
    disk.create_error = errno.ENOSPC
    assert not appender.rotate()
    disk.create_error = None
    appender.append([payload()])
    assert appender.rotate()
    appender.append([payload()])
    appender.sync()
    appender.close()
    assert _sequences(tmp_path) == [1, 2, 3]
    assert verify(tmp_path).problems == ()


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced", "cut", "extended"])
def test_a_file_altered_under_us_is_noticed_and_left(tmp_path: Path, how: str) -> None:
    appender = Appender.open(tmp_path, Disk())
    appender.append([payload(1)])
    appender.sync()
    path = segment_path(tmp_path, 1)
    content = path.read_bytes()
    match how:
        case "removed":
            path.unlink()
        case "renamed":
            path.rename(tmp_path / "elsewhere")
        case "replaced":
            path.unlink()
            path.write_bytes(content)
        case "cut":
            os.truncate(path, HEADER_BYTES)
        case "extended":
            path.write_bytes(content + b"x")
    appender.append([payload(2)])
    with pytest.raises(SegmentAltered):
        appender.sync()
    appender.recover()
    appender.append([payload(3)])
    appender.sync()
    appender.close()
    # Whatever was done to the old file, the records since then are safe in a new one.
    survivors = [
        json.loads(frame.payload)["metadata"]["sequence"]
        for frame in decode_records(segment_path(tmp_path, 2).read_bytes())
    ]
    assert survivors == [2, 3]
    if how != "replaced":
        assert not verify(tmp_path).is_intact


def test_a_replacement_that_fails_is_itself_cut_back(tmp_path: Path) -> None:
    class FailsSecondSync(FaultyDisk):
        def datasync(self, descriptor: int) -> None:
            # The new segment's header is synced, the records in it are not.
            self.sync_error = errno.EIO if self.syncs == 1 else None
            super().datasync(descriptor)

    disk = FailsSecondSync()
    disk.syncs = 2
    appender = Appender.open(tmp_path, disk)
    appender.append([payload(1)])
    segment_path(tmp_path, 1).rename(tmp_path / "elsewhere")
    with pytest.raises(SegmentAltered):
        appender.sync()
    disk.syncs = 0
    with pytest.raises(OSError, match="Input/output"):
        appender.recover()
    appender.recover()
    appender.close()
    # Each record stands once: not in the segment whose sync failed.
    assert segment_numbers(tmp_path) == [2, 3]
    assert _sequences(tmp_path) == [1]


def test_a_removed_head_is_noticed_and_made_again(tmp_path: Path) -> None:
    appender = Appender.open(tmp_path, Disk())
    appender.append([payload(1)])
    (tmp_path / "head").unlink()
    with pytest.raises(SegmentAltered):
        appender.sync()
    appender.recover()
    appender.sync()
    appender.close()
    assert verify(tmp_path).problems == ()
    HeadFile(tmp_path / "head", Disk()).close()
