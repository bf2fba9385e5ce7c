"""What the environment is made of: `inputs.toml`, and its files fetched and checked by hash.

An administrator adds a reviewed package as one more entry there (see the README of this folder).
This file must not know how anything is compiled.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

FETCH_SECONDS_MAX = 600
KINDS = ("pure", "meson", "pillow", "extension", "python-source", "library", "headers")
_HASH = re.compile(r"[0-9a-f]{64}")


class InputError(Exception):
    """An entry is wrong, or a file is not the one that was reviewed; the message says which."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A C extension of a package: the module's full name and its sources."""

    module: str
    sources: tuple[str, ...]
    includes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """One reviewed file. `file`: its name where it is published; `sha256`: of its bytes."""

    name: str
    version: str
    kind: str
    file: str
    sha256: str
    licence: str
    patch: str | None = None
    preload: tuple[str, ...] = ()
    extensions: tuple[Extension, ...] = ()
    packages: tuple[str, ...] = field(default=())

    @property
    def is_package(self) -> bool:
        """Whether programs can import it."""
        return self.kind not in ("library", "headers")


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole of `inputs.toml`: requirements of the tools, and the inputs in order."""

    tools: tuple[str, ...]
    inputs: tuple[Input, ...]


def read(path: Path) -> Lock:
    """Raises InputError naming the entry and what is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path.name}: {error}") from error
    tools = tuple(f"{one['name']}=={one['version']}" for one in content.get("tool", []))
    return Lock(tools, tuple(_input(one) for one in content.get("input", [])))


def _input(entry: dict[str, object]) -> Input:
    name = entry.get("name", "?")
    extensions = entry.pop("extension", [])
    assert isinstance(extensions, list)
    try:
        parsed = Input(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()},  # type: ignore[arg-type]
            extensions=tuple(
                Extension(one["module"], tuple(one["sources"]), tuple(one.get("includes", ())))
                for one in extensions
            ),
        )
    except (TypeError, KeyError) as error:
        raise InputError(f"input {name}: {error}") from error
    if parsed.kind not in KINDS:
        raise InputError(f"input {name}: kind {parsed.kind!r} is none of {', '.join(KINDS)}")
    if not _HASH.fullmatch(parsed.sha256):
        raise InputError(f"input {name}: sha256 is not 64 hexadecimal digits")
    if Path(parsed.file).name != parsed.file:
        raise InputError(f"input {name}: file is not a plain file name")
    return parsed


def fetch(one: Input, folder: Path, pip: Sequence[str], stand_in: Path) -> Path:
    """The input's file in `folder`, downloaded if it is not there. Raises InputError.

    `stand_in` holds a build backend that answers with an archive's metadata: without it pip would
    compile a source archive only to learn its name.
    """
    path = folder / one.file
    if not path.exists():
        _download(one, folder, pip, stand_in)
    if not path.exists():
        raise InputError(f"input {one.name}: nobody offers {one.file}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != one.sha256:
        raise InputError(
            f"input {one.name}: {one.file} has hash {found}, {one.sha256} was reviewed"
        )
    return path


def _download(one: Input, folder: Path, pip: Sequence[str], stand_in: Path) -> None:
    if one.kind in ("library", "headers"):
        raise InputError(f"input {one.name}: put {one.file} into {folder} (see the README)")
    wheel = one.file.endswith(".whl")
    how = (
        ["--only-binary", ":all:", "--platform", "any", "--python-version", "3.14"]
        if wheel
        else ["--no-binary", ":all:", "--no-build-isolation"]
    )
    run = [*pip, "download", "--quiet", "--no-deps", "--dest", str(folder), *how]
    subprocess.run(  # noqa: S603  a requirement of the lock
        [*run, f"{one.name}=={one.version}"],
        env={**os.environ, "PYTHONPATH": str(stand_in)},
        check=False,
        timeout=FETCH_SECONDS_MAX,
    )


def unpack(path: Path, folder: Path) -> Path:
    """An archive's files, anew, in `folder`: the one folder at its top if there is only one."""
    shutil.rmtree(folder, ignore_errors=True)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(folder)  # noqa: S202  checked by hash
        return folder
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    found = list(folder.iterdir())
    return found[0] if len(found) == 1 else folder


def apply(patch: Path, folder: Path) -> None:
    """Raises InputError where the patch does not fit exactly."""
    run = ["patch", "-p1", "-F0", "--no-backup-if-mismatch", "-s", "-i", str(patch)]
    answer = subprocess.run(run, cwd=folder, capture_output=True, text=True)  # noqa: S603
    if answer.returncode != 0:
        raise InputError(f"{patch.name} does not fit: {answer.stdout.strip()[:500]}")
