"""`make runner`: from the reviewed inputs to the artifact that the service runs.

This file must not know how a step works. It runs twice: once to make the environment of the tools,
then inside that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sidecars.python import artifact
from sidecars.python.build import component, inputs, recipe, signatures

ROOT = Path(__file__).resolve().parents[3]
LOCK = Path(__file__).parent / "inputs.toml"
IN_TOOLS = "--in-tools"


def main(arguments: list[str]) -> int:
    """The exit code. `arguments`: `--in-tools` on the second run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    shop = recipe.Workshop(cache / "sallyport" / "python-build")
    lock = inputs.read(LOCK)
    python = shop.tools / "bin" / "python"
    if IN_TOOLS not in arguments:
        if not python.exists():
            _make_tools(shop, lock)
        command = [str(python), "-m", "sidecars.python.build", IN_TOOLS, *arguments]
        return subprocess.run(command, cwd=ROOT).returncode  # noqa: S603  our own module
    recipe.build_packages(shop, lock, [str(python), "-m", "pip"])
    wrong = _check_signatures(shop.site)
    if wrong:
        return 1
    print("-- component", flush=True)
    root = component.stage(shop.work, lock)
    made = shop.work / "runner.wasm"
    component.link(python.parent / "componentize-py", root, shop.site, made)
    folder = component.arrange(shop.work, made, shop.site, shop.work / "stdlib")
    print("-- archive", flush=True)
    manifest = component.deliver(folder, lock, recipe.HERE / "patches", artifact.FOLDER)
    print(f"-- done: {artifact.FOLDER / artifact.ARCHIVE} {manifest['archive_sha256']}")
    return 0


def _check_signatures(site: Path) -> int:
    """How many C functions would trap when they are called; each is told."""
    checked = wrong = 0
    for path in sorted(site.rglob("*.so")):
        report = signatures.check(path.read_bytes())
        checked, wrong = checked + report.checked, wrong + len(report.wrong)
        for sentence in report.wrong:
            print(f"{path.name}: {sentence}")
    print(f"-- {checked} entries of C tables checked, {wrong} wrong", flush=True)
    return wrong


def _make_tools(shop: recipe.Workshop, lock: inputs.Lock) -> None:
    builder = os.environ.get("BUILD_PYTHON", sys.executable)
    subprocess.run([builder, "-m", "venv", shop.tools], check=True)  # noqa: S603
    pip = [str(shop.tools / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, *lock.tools], check=True)  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
