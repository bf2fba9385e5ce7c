"""Files that go into a run's folder and come out of it. This file must not know runs or HTTP.

A program may leave links, odd names and folders in its folder: only regular files are read, opened
without following a link, and nothing outside the folder is ever named.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from sidecars.python.limits import FILE_DEPTH_MAX, FILE_NAME_BYTES_MAX, RunLimits


class FileError(ValueError):
    """A file cannot be taken; the message names it and says why."""


def checked(files: object, limits: RunLimits) -> dict[str, bytes]:
    """Files of a request: names with their content in base64. Raises FileError."""
    if not isinstance(files, dict):
        raise FileError("files must be an object: names with their content in base64")
    if len(files) > limits.files:
        raise FileError(f"files: at most {limits.files}")
    found: dict[str, bytes] = {}
    for name, content in files.items():
        path = _checked_name(name)
        if not isinstance(content, str):
            raise FileError(f"files: the content of {name!r} must be a text in base64")
        try:
            found[path] = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise FileError(f"files: the content of {name!r} is not base64") from None
    if sum(map(len, found.values())) > limits.files_bytes:
        raise FileError(f"files: at most {limits.files_bytes} bytes together")
    for name in found:
        parents = {str(parent) for parent in PurePosixPath(name).parents}
        if parents & found.keys():
            raise FileError(f"files: {name!r} lies below another file")
    return found


def _checked_name(name: str) -> str:
    """A relative path of plain parts. Raises FileError."""
    parts = name.split("/")
    encoded = name.encode("utf-8", "surrogatepass")
    is_plain = all(part not in ("", ".", "..") for part in parts) and name.isprintable()
    if not is_plain or "\\" in name or len(parts) > FILE_DEPTH_MAX + 1:
        raise FileError(f"files: {name[:80]!r} is not a plain relative path")
    if any(len(part.encode("utf-8", "surrogatepass")) > FILE_NAME_BYTES_MAX for part in parts):
        raise FileError(f"files: {name[:80]!r} is too long")
    if len(encoded) > FILE_NAME_BYTES_MAX * (FILE_DEPTH_MAX + 1):
        raise FileError(f"files: {name[:80]!r} is too long")
    return name


def write(folder: Path, files: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    """Put checked files there. A link of an earlier program is replaced, not followed.

    Returns the state of each, for `changed`. Raises FileError.
    """
    for name, content in files.items():
        path = folder
        try:
            for part in PurePosixPath(name).parts[:-1]:
                path = path / part
                if path.is_symlink() or not path.is_dir():
                    path.unlink(missing_ok=True)
                    path.mkdir()
            path = folder / name
            if path.is_symlink():
                path.unlink()
            how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(path, how, 0o600), "wb") as file:
                file.write(content)
        except OSError as error:
            raise FileError(f"files: {name!r} cannot be written: {error.strerror}") from None
    return states(folder, len(files) + 10_000)


def states(folder: Path, entries_max: int) -> dict[str, tuple[int, int]]:
    """Names of the regular files with size and time of change (ns)."""
    found: dict[str, tuple[int, int]] = {}
    pending = [(folder, "")]
    seen = 0
    while pending and seen <= entries_max:
        place, prefix = pending.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:
            continue  # removed, or not ours to read
        for entry in entries:
            seen += 1
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False) and name.count("/") < FILE_DEPTH_MAX:
                pending.append((Path(entry.path), name + "/"))
            elif entry.is_file(follow_symlinks=False):
                about = entry.stat(follow_symlinks=False)
                found[name] = (about.st_size, about.st_mtime_ns)
    return found


def changed(
    folder: Path, before: Mapping[str, tuple[int, int]], limits: RunLimits
) -> dict[str, bytes]:
    """The contents of regular files that are new or other than `before`, within the limits."""
    found: dict[str, bytes] = {}
    left = limits.files_bytes
    for name, state in sorted(states(folder, limits.files).items()):
        if before.get(name) == state or len(found) >= limits.files:
            continue
        content = _read(folder, name, left)
        if content is not None:
            found[_as_text(name)] = content
            left -= len(content)
    return found


def _read(folder: Path, name: str, most: int) -> bytes | None:
    """The content of a regular file of at most so many bytes, None for anything else."""
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > most:
            return None
        return file.read(most)


def _as_text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
