"""The delivered folder and archive: what is in them, and that equal inputs give equal bytes."""

from __future__ import annotations

from pathlib import Path

from sidecars.python import artifact
from sidecars.python.build import component, inputs, recipe

LOCK = inputs.read(recipe.HERE / "inputs.toml")


def test_the_guest_is_staged_with_its_packages(tmp_path: Path) -> None:
    root = component.stage(tmp_path, LOCK)
    guest = root / component.PACKAGE
    assert (guest / "program.py").exists()
    assert "numpy 2.5.5" in (guest / "packages.txt").read_text().splitlines()
    assert not (component.stage(tmp_path, None) / component.PACKAGE / "packages.txt").exists()


def test_the_same_folder_gives_the_same_archive(tmp_path: Path) -> None:
    site, stdlib, wasm = tmp_path / "site", tmp_path / "lib", tmp_path / "x.wasm"
    for path in (site / "p/m.so", site / "p/__pycache__/m.pyc", stdlib / "os.py", wasm):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
    hashes = set()
    for name in "ab":
        folder = (
            component.arrange(tmp_path / name, wasm, site, stdlib)
            if (tmp_path / name).mkdir() is None
            else Path()
        )
        manifest = component.deliver(folder, LOCK, recipe.HERE / "patches", tmp_path / name / "out")
        hashes.add((manifest["archive_sha256"], manifest["tree_sha256"]))
        assert (folder / "site/p/m.so").read_bytes() == b""
        assert not (folder / "site/p/__pycache__").exists()
    assert len(hashes) == 1
    assert artifact.read_manifest(tmp_path / "a/out")["packages"]
