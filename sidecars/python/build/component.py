"""From compiled packages and the guest to the artifact: link, snapshot, manifest, archive.

`componentize-py` links every dynamic library below the packages' folder, runs the top of the
guest's entry, and stores the memory. This file must not know how packages are compiled.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from sidecars.python import artifact
from sidecars.python.build.inputs import Lock

GUEST = Path(__file__).parents[1] / "guest"
PACKAGE = Path("sidecars/python/guest")
ENTRY = "sidecars.python.guest.program"
TIME = 1_700_000_000
"""Of every file in the archive: the same inputs give the same archive, the snapshot aside."""

DIFFERENCES = (
    "Floating-point warnings are missing: 1.0 / 0 in an array gives inf, log(-1) nan, without"
    " RuntimeWarning and whatever numpy.errstate says. Integer division by zero warns.",
    "Index results of numpy (argsort, nonzero, bincount, searchsorted, argmax, counts of unique)"
    " are int32: cast with .astype('int64') before arithmetic. Values, sums and ranges are int64.",
    "Memory ends at 4 GiB, one array below 2 GiB.",
    "There are no threads, processes, sockets, mmap, ctypes, lzma and bz2.",
    "ndarray.tofile and numpy.fromfile are missing; numpy.save and numpy.load work.",
    "sqlite3 cannot lock files: use ':memory:' or one connection.",
    "hash() of a text is the same in every run.",
)
"""What differs silently or surprises; told to callers by `GET /environment`."""


def stage(work: Path, lock: Lock | None) -> Path:
    """The guest as the build tool wants it, for the packages of `lock`; None: without packages."""
    root = work / "guest"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(GUEST, root / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (PACKAGE.parent, PACKAGE.parent.parent):
        (root / folder / "__init__.py").touch()
    if lock is not None:
        packages = [one for one in lock.inputs if one.is_package]
        added = [name for one in packages for name in one.preload]
        (root / PACKAGE / "preload.txt").write_text("\n".join(added))
        listed = sorted(f"{one.name} {one.version}" for one in packages)
        (root / PACKAGE / "packages.txt").write_text("\n".join(listed))
    return root


def link(tool: Path, root: Path, site: Path, made: Path) -> None:
    """Raises CalledProcessError: the guest could not be loaded, or a library not be linked.

    The first snapshot leaves byte code beside the packages, with which the second is smaller.
    """
    site.mkdir(exist_ok=True)
    for _ in range(2 if any(site.iterdir()) else 1):
        command = [tool, "-q", "-d", GUEST / "sandbox.wit", "-w", "sandbox", "componentize"]
        command += ["-p", root, "-p", site, ENTRY, "-o", made]
        # Without a Python on the path the tool finds no packages of this machine to put in.
        environment = {"PATH": "", "HOME": str(root)}
        subprocess.run([str(part) for part in command], check=True, env=environment)  # noqa: S603


def arrange(work: Path, component: Path, site: Path, stdlib: Path) -> Path:
    """The folder that is delivered. Linked libraries need only their names there."""
    folder = work / "environment"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(component, folder / "runner.wasm")
    ignored = shutil.ignore_patterns("__pycache__", "test", "tests", "idlelib", "*.pyi")
    shutil.copytree(site, folder / "site", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(stdlib, folder / "stdlib", ignore=ignored)
    for library in folder.rglob("*.so"):
        library.write_bytes(b"")
    return folder


def deliver(folder: Path, lock: Lock, patches: Path, made: Path) -> dict[str, Any]:
    """Write archive and manifest to `made`; returns the manifest."""
    made.mkdir(parents=True, exist_ok=True)
    archive = made / artifact.ARCHIVE
    _pack(folder, archive)
    manifest = {
        "archive_sha256": artifact.file_hash(archive),
        "tree_sha256": artifact.tree_hash(folder),
        "component_sha256": artifact.file_hash(folder / "runner.wasm"),
        "python": "3.14.0",
        "packages": [
            {
                "name": one.name,
                "version": one.version,
                "file": one.file,
                "sha256": one.sha256,
                "licence": one.licence,
                "patch": one.patch,
                "patch_sha256": one.patch and _hash((patches / one.patch).read_bytes()),
                "is_importable": one.is_package,
            }
            for one in lock.inputs
        ],
        "tools": list(lock.tools),
        "differences": list(DIFFERENCES),
    }
    text = json.dumps(manifest, indent=1) + "\n"
    (made / artifact.MANIFEST).write_text(text, encoding="utf-8")
    return manifest


def _pack(folder: Path, archive: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 * 1024 * 1024}]
    with (
        lzma.open(archive, "wb", format=lzma.FORMAT_XZ, filters=filters) as out,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as content,
    ):
        for path in sorted(folder.rglob("*")):
            content.add(path, path.relative_to(folder), recursive=False, filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = TIME
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
