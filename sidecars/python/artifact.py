"""The sealed environment as it is delivered, checked at every start, compiled once per machine.

Beside this file, `artifact/environment.json` is the manifest and `environment.tar.xz` the archive:
the component, the standard library and the packages' files. Unpacked and compiled it lies in the
cache, and is checked again there before it is used: what is loaded runs as native code.
This file must not know runs or workers.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "artifact"
MANIFEST, ARCHIVE = "environment.json", "environment.tar.xz"
COMPILE_SECONDS_MAX = 1_800
"""Half a minute where nothing else runs; a shared machine may take much longer."""

_BLOCK_BYTES = 1024 * 1024


class ArtifactError(Exception):
    """The environment is damaged or missing; the message says what to do. Nothing may start."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the parts lie on this machine. `manifest`: what is in it, for `GET /environment`."""

    native: Path
    stdlib: Path
    site: Path
    scratch: Path
    manifest: dict[str, Any]


def cache_folder() -> Path:
    """Where unpacked environments are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sallyport" / "python-runner"


def prepare(
    delivered: Path = FOLDER, cache: Path | None = None, tell: Callable[[str], None] = print
) -> Environment:
    """The environment, ready to load. The first time on a machine this takes a minute.

    Raises ArtifactError: an archive or a file is not the one that the manifest names.
    """
    manifest = read_manifest(delivered)
    archive = delivered / ARCHIVE
    expected = manifest["archive_sha256"]
    if not archive.exists():
        raise ArtifactError(f"{archive} is missing: `make runner` builds it")
    if file_hash(archive) != expected:
        raise ArtifactError(f"{archive} is not the one that its manifest names: it is not used")
    home = (cache or cache_folder()) / expected[:16]
    with _alone(home):
        unpacked = home / "environment"
        if not unpacked.exists():
            tell("unpacking the Python environment")
            _unpack(archive, unpacked)
        found = tree_hash(unpacked)
        if found != manifest["tree_sha256"]:
            raise ArtifactError(f"files in {unpacked} were changed: remove that folder")
        native = home / f"{_machine()}.cwasm"
        _compile(unpacked / "runner.wasm", native, tell)
    scratch = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108
    return Environment(native, unpacked / "stdlib", unpacked / "site", scratch, manifest)


def read_manifest(delivered: Path = FOLDER) -> dict[str, Any]:
    """The manifest. Raises ArtifactError."""
    try:
        manifest = json.loads((delivered / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{delivered / MANIFEST} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or not {"archive_sha256", "tree_sha256"} <= manifest.keys():
        raise ArtifactError(f"{delivered / MANIFEST} is no manifest of an environment")
    return manifest


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of all files below a folder, in the order of names.

    A link counts as its target's name, so none can be slipped in.
    """
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            whole.update(f"link {name} {os.readlink(path)}\n".encode())
        elif path.is_file():
            whole.update(f"file {name} {file_hash(path)}\n".encode())
    return whole.hexdigest()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One process at a time unpacks and compiles."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(archive: Path, unpacked: Path) -> None:
    """All or nothing: what was interrupted is not mistaken for the whole."""
    partial = unpacked.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with tarfile.open(archive, "r:xz") as content:
            content.extractall(partial, filter="data")
    except (OSError, tarfile.TarError, EOFError) as error:
        raise ArtifactError(f"{archive} cannot be unpacked: {error}") from error
    partial.rename(unpacked)


def _machine() -> str:
    """What native code depends on: the engine's version and this processor's abilities."""
    abilities = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        abilities = next((one for one in lines if one.startswith(("flags", "Features"))), "")
    facts = f"{importlib.metadata.version('wasmtime')} {platform.machine()} {abilities}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _compile(wasm: Path, native: Path, tell: Callable[[str], None]) -> None:
    """Make `native` unless it is there and whole; its hash lies beside it."""
    note = native.with_suffix(".sha256")
    if native.exists() and note.exists():
        if file_hash(native) == note.read_text():
            return
        tell("the compiled environment is damaged: compiling it again")
    tell("compiling the Python environment for this machine, once: about a minute")
    partial = native.with_suffix(".partial")
    # In a process of its own: the compiler's memory goes with it.
    code = (
        "import sys, pathlib; from sidecars.python.sandbox import compiled;"
        " pathlib.Path(sys.argv[2]).write_bytes(compiled(pathlib.Path(sys.argv[1])))"
    )
    root = str(Path(__file__).resolve().parents[2])
    try:
        subprocess.run(  # noqa: S603  our own interpreter and code
            [sys.executable, "-c", code, str(wasm), str(partial)],
            check=True,
            timeout=COMPILE_SECONDS_MAX,
            env={**os.environ, "PYTHONPATH": root},
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise ArtifactError(f"the environment cannot be compiled here: {error}") from error
    note.write_text(file_hash(partial))
    partial.rename(native)
