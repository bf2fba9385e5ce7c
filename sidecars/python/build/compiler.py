"""C and C++ compiler and linker for the sandbox: what meson and we call `cc` when building for it.

Zig's clang compiles position-independent WebAssembly, its linker makes a dynamic library in which
the Python API stays imported; componentize-py binds those when it puts the component together.
This file must not know packages. It is run by path, without the project on `sys.path`.

Environment: `RUNNER_ZIG`, the zig program; `RUNNER_LIBRARIES`, the folder with the C++ runtime.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

TARGET = (
    "-target",
    "wasm32-wasi",
    "-mcpu=generic+simd128",
    "-fno-sanitize=undefined",
    "-D_WASI_EMULATED_SIGNAL",
    "-D_WASI_EMULATED_GETPID",
    "-D_WASI_EMULATED_PROCESS_CLOCKS",
    "-D_WASI_EMULATED_MMAN",
)

LINKER_VERSION = "LLD 22.1.8 (compatible with GNU linkers)"
"""What meson asks a compiler for, to learn which linker it drives."""

_QUESTIONS = frozenset({"--version", "-v", "-dumpversion", "-dumpmachine", "--print-search-dirs"})
_COMPILING = frozenset({"-c", "-E", "-S", "-M", "-MM"})
# The runtime's own: resolved when the component is put together.
_PROVIDED = frozenset({"-lm", "-lc", "-ldl", "-lpthread", "-lrt", "-pthread"})
_CPP_LIBRARIES = ("exceptions.o", "libc++.a", "libc++abi.a")
_NOT_FOR_THE_LINKER = ("-g", "-O", "-m", "-f", "-W", "-std=", "-D", "-I", "-U", "-l")


def command(language: str, arguments: Sequence[str], zig: str, libraries: Path) -> list[str]:
    """The zig command for one call of the driver; `language` is `cc` or `c++`."""
    given = set(arguments)
    if given & _QUESTIONS:
        return [zig, language, *TARGET[:2], *arguments]
    if given & _COMPILING:
        return [zig, language, *TARGET, "-fPIC", *arguments]
    kept = [one for one in arguments if one not in _PROVIDED and not one.startswith("-Wl,")]
    if "-shared" not in given:
        return [zig, language, *TARGET, *kept]
    output, objects = _output_and_objects(kept)
    extra = [str(libraries / name) for name in _CPP_LIBRARIES] if language == "c++" else []
    return [
        zig,
        "wasm-ld",
        "-shared",
        "--experimental-pic",
        "--unresolved-symbols=import-dynamic",
        "--strip-all",
        "-o",
        output,
        *objects,
        *extra,
        str(libraries / "libcompiler_rt.a"),
    ]


def _output_and_objects(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """What a linker call makes, and of what."""
    output, objects, rest = "a.out", [], iter(arguments)
    for one in rest:
        if one == "-o":
            output = next(rest)
        elif one == "-Xclang":
            next(rest)
        elif one != "-shared" and not one.startswith(_NOT_FOR_THE_LINKER):
            objects.append(one)
    return output, objects


def main(arguments: Sequence[str]) -> None:
    """Become the compiler: `compiler.py cc|c++ ARGUMENT…`."""
    language, *rest = arguments
    if rest == ["-Wl,--version"] or "-Wl,--version" in rest:
        sys.stdout.write(LINKER_VERSION + "\n")
        return
    run = command(language, rest, os.environ["RUNNER_ZIG"], Path(os.environ["RUNNER_LIBRARIES"]))
    os.execv(run[0], run)  # noqa: S606  the compiler that the recipe installed


if __name__ == "__main__":
    main(sys.argv[1:])
