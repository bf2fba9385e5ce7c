"""The real disk: what the log relies on, tried on a real file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from proxy.runtime.audit.disk import FREE_BYTES_MIN, Disk


def test_created_files_are_new_private_and_append_only(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "00000001.log"
    descriptor = disk.create(path)
    disk.write(descriptor, b"one")
    os.lseek(descriptor, 0, os.SEEK_SET)
    disk.write(descriptor, b"two")
    disk.datasync(descriptor)
    assert path.read_bytes() == b"onetwo"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    disk.truncate(descriptor, 3)
    assert path.read_bytes() == b"one"
    os.close(descriptor)
    with pytest.raises(FileExistsError):
        disk.create(path)
    disk.sync_directory(tmp_path)


def test_room_is_what_the_file_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Disk().has_room(tmp_path)

    class Full:
        f_bavail = FREE_BYTES_MIN // 4096 - 1
        f_frsize = 4096

    monkeypatch.setattr(os, "statvfs", lambda path: Full())
    assert not Disk().has_room(tmp_path)
