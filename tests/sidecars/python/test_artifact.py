"""The delivered environment: as its manifest says, or nothing starts."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from sidecars.python import artifact
from sidecars.python.artifact import ArtifactError, Environment


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    """A small environment whose component is no component."""
    folder, made = tmp_path / "environment", tmp_path / "delivered"
    (folder / "stdlib").mkdir(parents=True)
    (folder / "runner.wasm").write_bytes(b"\0asm nothing")
    (folder / "stdlib/os.py").write_text("pass")
    made.mkdir()
    with tarfile.open(made / artifact.ARCHIVE, "w:xz") as archive:
        archive.add(folder, ".")
    manifest = {
        "archive_sha256": artifact.file_hash(made / artifact.ARCHIVE),
        "tree_sha256": artifact.tree_hash(folder),
    }
    (made / artifact.MANIFEST).write_text(json.dumps(manifest))
    return made


def test_the_delivered_one_is_whole(environment: Environment) -> None:
    manifest = artifact.read_manifest()
    assert artifact.file_hash(artifact.FOLDER / artifact.ARCHIVE) == manifest["archive_sha256"]
    assert environment.native.exists()
    assert (environment.stdlib / "os.py").exists()


def test_a_changed_archive_is_not_used(delivered: Path, tmp_path: Path) -> None:
    archive = delivered / artifact.ARCHIVE
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ArtifactError, match="not the one"):
        artifact.prepare(delivered, tmp_path / "cache")
    archive.unlink()
    with pytest.raises(ArtifactError, match="missing"):
        artifact.prepare(delivered, tmp_path / "cache")


def test_a_changed_file_in_the_cache_is_found(delivered: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(ArtifactError, match="compiled"):  # it is no component
        artifact.prepare(delivered, cache, tell=lambda _: None)
    (unpacked,) = cache.glob("*/environment")
    (unpacked / "stdlib/os.py").write_text("evil")
    with pytest.raises(ArtifactError, match="were changed"):
        artifact.prepare(delivered, cache, tell=lambda _: None)
    shutil.rmtree(unpacked)
    with pytest.raises(ArtifactError, match="compiled"):  # unpacked anew
        artifact.prepare(delivered, cache, tell=lambda _: None)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"archive_sha256": ""}'])
def test_a_manifest_must_be_one(tmp_path: Path, text: str) -> None:
    (tmp_path / artifact.MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest|cannot be read"):
        artifact.read_manifest(tmp_path)


def test_every_change_of_a_tree_shows(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    seen = {artifact.tree_hash(tmp_path)}
    (tmp_path / "a").write_text("2")
    seen.add(artifact.tree_hash(tmp_path))
    (tmp_path / "b").symlink_to("a")
    seen.add(artifact.tree_hash(tmp_path))
    (tmp_path / "b").unlink()
    (tmp_path / "a").rename(tmp_path / "b")
    seen.add(artifact.tree_hash(tmp_path))
    assert len(seen) == 4
