"""The standard library is found in a foreign file, or it is said that it is not there."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sidecars.python.build.standard_library import FRAME_MAGIC, LibraryMissing, extract


def archive(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as content:
        about = tarfile.TarInfo(name)
        about.size = 1
        content.addfile(about, io.BytesIO(b"x"))
    return out.getvalue()


def test_it_is_the_frame_that_holds_it(tmp_path: Path) -> None:
    contents = {
        b"1": b"nothing",
        b"2": archive("other.py"),
        b"3": archive("./encodings/__init__.py"),
    }
    file = b"".join(b"junk" + FRAME_MAGIC + name for name in contents)
    extract(file, tmp_path, lambda data: contents[data[4:5]])
    assert (tmp_path / "encodings/__init__.py").read_text() == "x"
    assert not (tmp_path / "other.py").exists()


def test_another_file_has_none(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing):
        extract(b"x" + FRAME_MAGIC, tmp_path, lambda _: None)
