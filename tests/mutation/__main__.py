"""`make mutate`: one mutant at a time in a copy of the tree, until a test catches it.

Prints a table: mutant, what caught it, seconds. Exit status 1 if a mutant survives, or if the
tests fail without any mutant. `python -m tests.mutation classify safety` takes the mutants of
these files only.

The stages go from quick to slow; the first that fails has caught the mutant: golden pairs and unit
tests of `proxy/sql`, then attacks on a real server, then a short seeded fuzz run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("policies", "proxy", "tests", "pyproject.toml", "docs")
STAGE_SECONDS_MAX = 900.0  # a mutant that never ends is caught as well
FUZZ_STATEMENTS = 600
FUZZ_SEED = 7

_PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Stage:
    """One selection of tests: its name in the table, and the command."""

    name: str
    command: tuple[str, ...]


STAGES = (
    Stage(
        "tests/proxy/sql",
        (
            *_PYTEST, "tests/proxy/sql", "tests/attack/test_verifier.py",
            "--ignore", "tests/proxy/sql/classification",
        ),
    ),
    Stage("tests/attack", (*_PYTEST, "tests/attack", "-k", "test_attack and postgres18")),
    Stage(
        "tests/fuzz",
        (
            sys.executable, "-m", "tests.fuzz", "--statements", str(FUZZ_STATEMENTS),
            "--seed", str(FUZZ_SEED), "--only", "sql",
        ),
    ),
)  # fmt: skip


@contextmanager
def _copy() -> Iterator[Path]:
    """A copy of the tree in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="sallyport-mutation-") as folder:
        for name in COPIED:
            origin = ROOT / name
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(origin, Path(folder) / name, ignore=ignored)
            elif origin.exists():
                shutil.copy(origin, folder)
        yield Path(folder)


@contextmanager
def _applied(mutant: Mutant, folder: Path) -> Iterator[None]:
    path = folder / mutant.path
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(mutant.fragment, mutant.replacement), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def caught_by(folder: Path) -> str:
    """The first stage that fails in the copy and its first failing test; empty if none does."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    for stage in STAGES:
        try:
            done = subprocess.run(  # our own tests
                stage.command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=STAGE_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{stage.name}: no end"
        if done.returncode != 0:
            return f"{stage.name}: {_first_failure(done.stdout)}"
    return ""


def _first_failure(output: str) -> str:
    for line in output.splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" ", 1)[1].rpartition("/")[2][:60]
        if line.startswith("differences "):
            return line
    return "fails"


def run(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Try the mutants and print the table; returns the survivors."""
    survivors = []
    with _copy() as folder:
        unmutated = caught_by(folder)
        if unmutated:
            print(f"the tests fail without any mutant: {unmutated}", file=sys.stderr)
            raise SystemExit(1)
        for number, mutant in enumerate(mutants, 1):
            started = time.monotonic()
            with _applied(mutant, folder):
                told = caught_by(folder)
            if not told:
                survivors.append(mutant)
            place = f"{Path(mutant.path).name}: {mutant.what}"
            seconds = time.monotonic() - started
            print(
                f"{number:3}/{len(mutants)}  {place:58.58}  {told or 'SURVIVES':70}  {seconds:5.1f} s",
                flush=True,
            )
    return survivors


def main() -> int:
    """The command; exit status 1 if a mutant survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("files", nargs="*", help="file names without .py; default: all")
    wanted = parser.parse_args().files
    mutants = [m for m in MUTANTS if not wanted or Path(m.path).stem in wanted]
    survivors = run(mutants)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
