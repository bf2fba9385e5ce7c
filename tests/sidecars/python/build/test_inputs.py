"""The reviewed inputs: complete, exact, and nothing else gets in."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from sidecars.python.build import inputs
from sidecars.python.build.inputs import InputError
from sidecars.python.build.recipe import HERE

ENTRY = """
[[input]]
name = "a"
version = "1"
kind = "pure"
file = "a-1.whl"
sha256 = "{hash}"
licence = "MIT"
"""


def test_the_projects_own_list_is_whole() -> None:
    lock = inputs.read(HERE / "inputs.toml")
    names = [one.name for one in lock.inputs]
    assert len(set(names)) == len(names)
    assert {"numpy", "pandas", "openpyxl", "reportlab", "pillow"} <= set(names)
    assert all(one.licence for one in lock.inputs)
    patches = {path.name for path in (HERE / "patches").iterdir()}
    assert {one.patch for one in lock.inputs if one.patch} == patches
    assert all("==" in tool for tool in lock.tools)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (('kind = "pure"', 'kind = "other"'), "kind"),
        (('"{hash}"', '"abc"'), "sha256"),
        (('"a-1.whl"', '"../a-1.whl"'), "plain file name"),
        (('licence = "MIT"', ""), "licence"),
        (('licence = "MIT"', 'licence = "MIT"\nunknown = 1'), "unknown"),
        (("[[input]]", "[[input]"), "inputs.toml"),
    ],
)
def test_a_wrong_entry_is_told(tmp_path: Path, change: tuple[str, str], part: str) -> None:
    path = tmp_path / "inputs.toml"
    path.write_text(ENTRY.replace(*change).replace("{hash}", "0" * 64))
    with pytest.raises(InputError, match=part):
        inputs.read(path)


def test_a_file_that_was_not_reviewed_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "inputs.toml"
    path.write_text(ENTRY.replace("{hash}", "0" * 64))
    (one,) = inputs.read(path).inputs
    (tmp_path / "a-1.whl").write_bytes(b"other")
    with pytest.raises(InputError, match="was reviewed"):
        inputs.fetch(one, tmp_path, ["false"], tmp_path)
    (tmp_path / "a-1.whl").unlink()
    with pytest.raises(InputError, match="nobody offers"):
        inputs.fetch(one, tmp_path, ["false"], tmp_path)


def test_archives_are_unpacked_anew(tmp_path: Path) -> None:
    wheel, source = tmp_path / "a-1.whl", tmp_path / "a.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/b.py", "x")
    with tarfile.open(source, "w:gz") as archive_:
        archive_.addfile(tarfile.TarInfo("a-1/setup.py"), io.BytesIO())
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").touch()
    assert sorted(p.name for p in inputs.unpack(wheel, tmp_path / "out").iterdir()) == ["a"]
    assert inputs.unpack(source, tmp_path / "out").name == "a-1"


def test_a_patch_fits_exactly_or_not_at_all(tmp_path: Path) -> None:
    patch = tmp_path / "x.patch"
    patch.write_text("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
    (tmp_path / "f").write_text("one\ntwo\n")
    inputs.apply(patch, tmp_path)
    assert (tmp_path / "f").read_text() == "one\n2\n"
    with pytest.raises(InputError, match="does not fit"):
        inputs.apply(patch, tmp_path)
