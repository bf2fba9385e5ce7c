"""A source of files in the configuration: what it needs, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime.config import ConfigurationError, Source, loads
from proxy.runtime.config_files import Files

BEGIN = """
identity: {issuers: [{issuer: "https://i.test", audience: a, jwks: {file: keys.json}}]}
policies: [policy.yaml]
audit: {directory: audit}
sources:
"""
DATABASE = "  - {name: main, kind: postgres, hosts: [h], database: shop, user: u}\n"
FOLDER = "  - {name: web, kind: files, folder: files}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "keys.json").write_text("{}")
    (tmp_path / "policy.yaml").write_text("")
    (tmp_path / "files").mkdir()
    return tmp_path


def test_a_folder_stands_among_databases(root: Path) -> None:
    found = loads((BEGIN + FOLDER + DATABASE).encode(), root / "sallyport.yaml")
    assert found.folders == (Files("web", "files", root / "files"),)
    assert [type(one) for one in found.sources] == [Files, Source]
    assert [one.name for one in found.databases] == ["main"]
    assert found.database == "web"
    assert found.folders[0].readers.memory_bytes_max == 512 << 20


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        ("{name: web, kind: files}", "sources[0].folder", "missing"),
        ("{name: web, kind: files, folder: none}", "sources[0].folder", "no such folder"),
        ("{name: web, kind: file, folder: files}", "sources[0].kind", "did you mean `files`"),
        ("{name: web, folder: files}", "sources[0].kind", "missing"),
        ("{name: web, kind: files, folder: files, hosts: [h]}", "sources[0].hosts", "unknown key"),
        ("{name: web, kind: files, folder: files, schema: A}", "sources[0].schema", "lower-case"),
        ("{name: merge, kind: files, folder: files}", "sources[0].name", "merge engine"),
        (
            "{name: web, kind: files, folder: files, readers: {memory_bytes_max: 1}}",
            "sources[0].readers.memory_bytes_max",
            "at least",
        ),
    ],
)
def test_what_is_wrong_is_told_by_field(root: Path, line: str, field: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loads(f"{BEGIN}  - {line}\n".encode(), root / "sallyport.yaml")
    told = [one for one in caught.value.problems if one.field == field]
    assert any(message in one.message for one in told), str(caught.value)
