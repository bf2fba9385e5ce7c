"""Which tables a folder holds, and what of it is never followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.files import folder
from proxy.files.folder import FolderError, identity, look, split_name, table_name


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_a_file_is_a_table_and_a_folder_is_one_of_all_its_files(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "events/2026/01.parquet", "events/2026/02.parquet", "events/0.parquet")
    found = look(tmp_path)
    assert {name: (one.format, len(one.paths)) for name, one in found.items()} == {
        "a": ("csv", 1),
        "events": ("parquet", 3),
    }
    assert found["events"].paths == sorted(found["events"].paths)


def test_what_others_are_still_writing_is_not_looked_at(tmp_path: Path) -> None:
    make(
        tmp_path, "_tmp.csv", ".a.csv.swp", "a/_SUCCESS", "a/.part.parquet", "a/b.parquet", "x.txt"
    )
    assert [path.name for path in look(tmp_path)["a"].paths] == ["b.parquet"]
    assert list(look(tmp_path)) == ["a"]


def test_a_symbolic_link_is_never_followed(tmp_path: Path) -> None:
    make(tmp_path, "root/a/b.csv", "outside.csv")
    os.symlink(tmp_path / "outside.csv", tmp_path / "root/link.csv")
    os.symlink(tmp_path / "outside.csv", tmp_path / "root/a/c.csv")
    found = look(tmp_path / "root")
    assert (found["link"].failure, found["link"].paths) == ("is a symbolic link", [])
    assert found["a"].failure == "holds a symbolic link"


def test_what_cannot_be_one_table_says_why(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "a.json", "mixed/a.csv", "mixed/b.json", "star[1].csv", "books/a.xlsx")
    failures = {name: one.failure for name, one in look(tmp_path).items()}
    assert failures == {
        "a": "two files make a table of this name",
        "mixed": "holds files of several formats",
        "star_1": "its path holds a character that means a pattern",
        "books": "only files of rows may stand in a folder of one table",
    }


def test_files_and_depth_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/" + "b/" * (folder.DEPTH_MAX + 2) + "c.csv")
    assert "deeper" in (look(tmp_path)["a"].failure or "")
    monkeypatch.setattr(folder, "FILES_MAX", 2)
    make(tmp_path, "1.csv", "2.csv", "3.csv")
    with pytest.raises(FolderError, match="more than 2 files"):
        look(tmp_path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Web Events", "web_events"),
        ("2026-Q1", "t_2026_q1"),
        ("é", "unnamed"),
        ("a" * 80, "a" * 63),
    ],
)
def test_names_need_no_quotes(text: str, name: str) -> None:
    assert table_name(text) == name


def test_formats_by_ending() -> None:
    assert split_name("a.CSV.gz") == ("csv", "a")
    assert split_name("a.b.parquet") == ("parquet", "a.b")
    assert split_name(".csv") == ("", ".csv")


def test_another_state_is_another_identity(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    path = tmp_path / "a.csv"
    before = identity(path)
    assert identity(path) == before
    path.write_text("y")
    assert identity(path) != before
    with pytest.raises(FolderError):
        identity(tmp_path)
