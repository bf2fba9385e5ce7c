"""Which tables a folder holds: names and paths only, and how a file is known again.

A file is a table of its name; a folder in it is one table of all files in it, however deep. Names
that begin with a dot or an underscore are not looked at: others' programs write there before they
rename. A symbolic link is never followed.

It must not know what is inside a file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FORMATS: Final = {
    ".parquet": "parquet", ".csv": "csv", ".csv.gz": "csv", ".tsv": "csv", ".json": "json",
    ".ndjson": "json", ".jsonl": "json", ".xlsx": "excel", ".duckdb": "duckdb", ".db": "sqlite",
    ".sqlite": "sqlite", ".sqlite3": "sqlite",
}  # fmt: skip
CONTAINERS: Final = frozenset({"excel", "duckdb", "sqlite"})
"""Formats whose one file holds tables of its own."""

FILES_MAX: Final = 10_000  # of one source; each is opened once to learn its columns
DEPTH_MAX: Final = 16
NAME_BYTES_MAX: Final = 63

_GLOB: Final = re.compile(r"[*?\[\]{}]")
_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9_]+")

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, times of change of content and of the file: another one, another file."""


@dataclass(slots=True)
class Found:
    """What makes one table, before anything was opened. `failure`: why it cannot be one."""

    name: str
    format: str
    paths: list[Path] = field(default_factory=list)
    failure: str | None = None


class FolderError(Exception):
    """A folder cannot be read as it must be; for the operator."""


def look(root: Path) -> dict[str, Found]:
    """The tables of a folder by name. Raises FolderError, OSError."""
    tables: dict[str, Found] = {}
    count = 0
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_symlink():
            _add(tables, Found(table_name(Path(entry.name).stem), "", [], "is a symbolic link"))
        elif entry.is_dir(follow_symlinks=False):
            found = _of_folder(Path(entry.path))
            count += len(found.paths)
            if found.paths or found.failure:
                _add(tables, found)
        else:
            path = Path(entry.path)
            format_name, stem = split_name(path.name)
            if format_name:
                count += 1
                _add(tables, Found(table_name(stem), format_name, [path], _failure(path)))
        if count > FILES_MAX:
            raise FolderError(f"more than {FILES_MAX} files")
    return tables


def _add(tables: dict[str, Found], found: Found) -> None:
    if found.name in tables:
        tables[found.name].failure = "two files make a table of this name"
    else:
        tables[found.name] = found


def _of_folder(root: Path) -> Found:
    found = Found(table_name(root.name), "")
    for path in _beneath(root, 0, found):
        format_name, _ = split_name(path.name)
        if not format_name:
            continue
        if found.format not in ("", format_name):
            found.failure = "holds files of several formats"
        if format_name in CONTAINERS:
            found.failure = "only files of rows may stand in a folder of one table"
        found.format = format_name
        found.failure = found.failure or _failure(path)
        found.paths.append(path)
        if len(found.paths) > FILES_MAX:
            raise FolderError(f"more than {FILES_MAX} files")
    return found


def _beneath(root: Path, depth: int, found: Found) -> Iterator[Path]:
    if depth > DEPTH_MAX:
        found.failure = f"lies deeper than {DEPTH_MAX} folders"
        return
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_symlink():
            found.failure = "holds a symbolic link"
        elif entry.is_dir(follow_symlinks=False):
            yield from _beneath(Path(entry.path), depth + 1, found)
        else:
            yield Path(entry.path)


def _failure(path: Path) -> str | None:
    if _GLOB.search(str(path)):
        return "its path holds a character that means a pattern"
    return None


def split_name(name: str) -> tuple[str, str]:
    """A file's format ("" for one that is none of ours) and its name without the ending."""
    lower = name.lower()
    for ending in sorted(FORMATS, key=len, reverse=True):
        if lower.endswith(ending) and len(name) > len(ending):
            return FORMATS[ending], name[: -len(ending)]
    return "", name


def table_name(text: str) -> str:
    """A name that needs no quotes in SQL."""
    name = _NOT_IN_A_NAME.sub("_", text.lower()).strip("_") or "unnamed"
    if name[0].isdigit():
        name = "t_" + name
    return name[:NAME_BYTES_MAX]


def identity(path: Path) -> Identity:
    """What tells one state of a file from another. Raises OSError; FolderError unless it is a
    plain file."""
    status = os.stat(path, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise FolderError("not a plain file")
    return (
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns,
    )  # fmt: skip
