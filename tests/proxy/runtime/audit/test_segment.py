"""Names of segments, and the head file's two slots."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.segment import (
    HeadFile,
    Position,
    process_directories,
    read_head,
    segment_numbers,
    segment_path,
)

START = Position(0, b"0" * 32)


def _head(directory: Path, *positions: Position) -> Path:
    head = HeadFile(directory / "head", Disk())
    head.write(START)
    head.write(START)
    for position in positions:
        head.write(position)
    head.close()
    return head.path


def test_numbers_are_read_back_in_order_and_strangers_ignored(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        segment_path(tmp_path, number).touch()
    for stranger in ("notes.log", "3.txt", "-1.log", "head"):
        (tmp_path / stranger).touch()
    assert segment_numbers(tmp_path) == [1, 2, 10]


def test_head_gives_the_newest_position(tmp_path: Path) -> None:
    path = _head(tmp_path, Position(7, b"7" * 32), Position(9, b"9" * 32))
    state = read_head(path)
    assert state is not None
    assert state.position == Position(9, b"9" * 32)
    assert not state.is_damaged


def test_a_torn_newest_slot_leaves_the_older_one(tmp_path: Path) -> None:
    path = _head(tmp_path, Position(7, b"7" * 32), Position(9, b"9" * 32))
    content = bytearray(path.read_bytes())
    # Slots are written in turn: 9 went to the second.
    content[512 + 20] ^= 0xFF
    path.write_bytes(content)
    state = read_head(path)
    assert state is not None
    assert state.position == Position(7, b"7" * 32)
    assert state.is_damaged


def test_every_flipped_bit_of_a_head_is_noticed(tmp_path: Path) -> None:
    path = _head(tmp_path, Position(7, b"7" * 32))
    content = path.read_bytes()
    for bit in range(0, len(content) * 8):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        state = read_head(path)
        assert state is not None
        assert state.is_damaged, bit


def test_no_head_and_an_empty_head(tmp_path: Path) -> None:
    assert read_head(tmp_path / "head") is None
    (tmp_path / "head").touch()
    state = read_head(tmp_path / "head")
    assert state is not None
    assert state.position is None
    assert state.is_damaged


def test_a_head_is_locked_and_knows_when_it_was_replaced(tmp_path: Path) -> None:
    head = HeadFile(tmp_path / "head", Disk())
    with pytest.raises(BlockingIOError):
        HeadFile(tmp_path / "head", Disk())
    assert head.is_linked()
    (tmp_path / "head").unlink()
    assert not head.is_linked()
    (tmp_path / "head").touch()
    assert not head.is_linked()
    head.close()


def test_process_directories(tmp_path: Path) -> None:
    for name in ("gate-0", "gate-1", "empty"):
        (tmp_path / name).mkdir()
    segment_path(tmp_path / "gate-1", 1).touch()
    (tmp_path / "gate-0" / "head").touch()
    assert process_directories(tmp_path) == [tmp_path / "gate-0", tmp_path / "gate-1"]
    assert process_directories(tmp_path / "gate-1") == [tmp_path / "gate-1"]
