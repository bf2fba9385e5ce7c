"""The compiler driver: which zig command stands behind each call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sidecars.python.build import compiler

LIBRARIES = Path("/l")


def test_compiling_is_for_the_target_and_movable() -> None:
    run = compiler.command("cc", ["-O2", "-c", "a.c", "-o", "a.o"], "zig", LIBRARIES)
    assert run[:2] == ["zig", "cc"]
    assert "-fPIC" in run
    assert run[-5:] == ["-O2", "-c", "a.c", "-o", "a.o"]


def test_linking_takes_objects_only() -> None:
    given = ["-shared", "-O2", "-Xclang", "-x", "a.o", "-lm", "-Wl,-x", "-Lx.a", "-o", "m.so"]
    run = compiler.command("cc", given, "zig", LIBRARIES)
    assert run[1] == "wasm-ld"
    assert "a.o" in run
    assert run[run.index("-o") + 1] == "m.so"
    assert not {"-O2", "-lm", "-Wl,-x", "-x"} & set(run)
    assert "/l/libc++.a" not in run
    assert "/l/libc++.a" in compiler.command("c++", given, "zig", LIBRARIES)


@pytest.mark.parametrize("question", ["--version", "-dumpmachine"])
def test_questions_go_to_the_compiler(question: str) -> None:
    assert compiler.command("cc", [question], "zig", LIBRARIES)[-1] == question


def test_meson_learns_the_linker() -> None:
    ended = subprocess.run(
        [sys.executable, compiler.__file__, "cc", "-Wl,--version"], capture_output=True, text=True
    )
    assert ended.stdout.startswith("LLD")
