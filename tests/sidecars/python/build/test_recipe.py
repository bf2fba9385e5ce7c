"""The recipe's own parts; the whole is `make runner`, whose result every other test runs."""

from __future__ import annotations

from pathlib import Path

from sidecars.python.build import inputs, recipe


def test_every_meson_package_has_its_description(tmp_path: Path) -> None:
    shop = recipe.Workshop(tmp_path)
    for one in inputs.read(recipe.HERE / "inputs.toml").inputs:
        if one.kind == "meson":
            text = recipe.describe_target(shop, one).read_text()
            assert "cpu_family = 'wasm32'" in text
            assert recipe.OPTIMIZE[one.name] in text


def test_a_program_is_executable(tmp_path: Path) -> None:
    path = recipe.Workshop(tmp_path).program("x", "echo 1")
    assert path.read_text() == "#!/bin/sh\necho 1\n"
    assert path.stat().st_mode & 0o111
