"""The stand-in backend answers with an archive's name and version."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecars.python.build.stand_in import mesonpy


def test_metadata_come_from_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: a\nVersion: 1.2\n")
    monkeypatch.chdir(tmp_path)
    made = mesonpy.prepare_metadata_for_build_wheel(str(tmp_path / "out"))
    assert made == "a-1.2.dist-info"
    assert "Version: 1.2" in (tmp_path / "out" / made / "METADATA").read_text()
    assert mesonpy.get_requires_for_build_wheel() == []
