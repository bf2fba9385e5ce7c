"""Files into a run's folder and out of it: nothing outside is read, written or named."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sidecars.python import files
from sidecars.python.files import FileError
from sidecars.python.limits import RunLimits

LIMITS = replace(RunLimits(), files=10, files_bytes=1_000)


def test_what_is_written_comes_out_if_it_is_new(tmp_path: Path) -> None:
    sent = files.checked({"a/b.txt": base64.b64encode(b"in").decode()}, LIMITS)
    before = files.write(tmp_path, sent)
    assert files.changed(tmp_path, before, LIMITS) == {}
    (tmp_path / "new").write_bytes(b"out")
    (tmp_path / "a/b.txt").write_bytes(b"other")
    assert files.changed(tmp_path, before, LIMITS) == {"new": b"out", "a/b.txt": b"other"}


def test_links_and_odd_files_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    (folder / "up").symlink_to("..")
    os.mkfifo(folder / "pipe")
    (folder / "plain").write_text("x")
    assert files.changed(folder, {}, LIMITS) == {"plain": b"x"}


def test_links_are_not_written_through(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "work"
    (tmp_path / "outside").mkdir()
    folder.mkdir()
    (folder / "f").symlink_to(secret)
    (folder / "d").symlink_to(tmp_path / "outside")
    files.write(folder, {"f": b"1", "d/g": b"2"})
    assert not secret.exists()
    assert not list((tmp_path / "outside").iterdir())
    assert (folder / "d/g").read_bytes() == b"2"


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(FileError, match="cannot be written"):
        files.write(tmp_path, {"f": b""})


def test_only_so_much_comes_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(600))
    (tmp_path / "b").write_bytes(bytes(600))
    assert list(files.changed(tmp_path, {}, LIMITS)) == ["a"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "../a",
        "a/../b",
        "a//b",
        "./a",
        "a/",
        "a\0b",
        "a\nb",
        "a\\b",
        "x" * 256,
        "a/" * 9 + "b",
    ],
)
def test_names_are_plain(name: str) -> None:
    with pytest.raises(FileError):
        files.checked({name: ""}, LIMITS)


@pytest.mark.parametrize("content", [7, None, "%%%", "YQ", ["a"]])
def test_contents_are_base64(content: object) -> None:
    with pytest.raises(FileError):
        files.checked({"a": content}, LIMITS)


def test_not_more_than_allowed() -> None:
    with pytest.raises(FileError, match="at most 10"):
        files.checked({str(n): "" for n in range(11)}, LIMITS)
    with pytest.raises(FileError, match="at most 1000"):
        files.checked({"a": base64.b64encode(bytes(1_001)).decode()}, LIMITS)
    with pytest.raises(FileError, match="object"):
        files.checked([], LIMITS)
