"""The steps from the inputs to a folder of packages compiled for the sandbox.

Order matters: sources are patched before anything is compiled or put into the snapshot. Each step
leaves its result in the work folder; a finished one is not done again unless it is asked for.
This file must not know the guest or the host.

Requires: Python 3.12 or newer (numpy's build needs it), gcc (meson tries the machine's own
compiler), `patch` and `dpkg-deb`.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sidecars.python.build import headers, inputs, standard_library
from sidecars.python.build.inputs import Input

HERE = Path(__file__).parent
SUFFIX = ".cpython-314-wasm32-wasi.so"
OPTIMIZE = {"numpy": "-O2", "pandas": "-O1"}
"""pandas' generated sources are most of the build's time, and more of it at a higher level."""

JOBS = os.cpu_count() or 1

# Parts of installed packages that programs have no use for: tests, headers, a Fortran interface.
LEFT_OUT = (
    *("numpy/tests", "numpy/*/tests", "numpy/f2py", "numpy/_core/include", "numpy/_core/lib"),
    *("numpy/random/lib", "numpy/random/_examples", "pandas/tests", "pandas/_libs/include"),
    *(f"numpy/_core/_{name}_tests.*" for name in ("multiarray", "rational", "umath")),
    *("numpy/_core/_operand_flag_tests.*", "numpy/_core/_struct_ufunc_tests.*"),
    *("numpy/_core/_simd.*", "openpyxl/*/tests", "*/**/*.pyi", "*/**/*.pxd", "*/**/*.a"),
)


@dataclass(frozen=True)
class Workshop:
    """Where everything lies: a fixed layout, for paths get into some objects."""

    work: Path

    @property
    def tools(self) -> Path:
        return self.work / "tools"

    @property
    def installed(self) -> Path:
        return self.work / "installed"

    @property
    def site(self) -> Path:
        return self.work / "site"

    @property
    def zig(self) -> Path:
        import ziglang

        return Path(ziglang.__file__).parent / "zig"

    def environment(self) -> dict[str, str]:
        """Of every command that compiles."""
        return {
            **os.environ,
            "PATH": f"{self.tools / 'bin'}:{os.environ.get('PATH', '')}",
            "RUNNER_ZIG": str(self.zig),
            "RUNNER_LIBRARIES": str(self.work / "libraries"),
            "ZIG_LOCAL_CACHE_DIR": str(self.work / "zig-cache"),
            "ZIG_GLOBAL_CACHE_DIR": str(self.work / "zig-cache"),
        }

    def run(self, *command: object, log: str, folder: Path | None = None, **more: str) -> None:
        """Run a command; what it says goes to a file. Raises CalledProcessError naming that."""
        path = self.work / "logs" / f"{log}.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as out:
            subprocess.run(  # noqa: S603  commands of the recipe
                [str(part) for part in command],
                cwd=folder or self.work,
                env={**self.environment(), **more},
                stdout=out,
                stderr=subprocess.STDOUT,
                check=True,
            )

    def program(self, name: str, text: str) -> Path:
        """An executable script in the work folder."""
        path = self.work / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path


def toolchain(shop: Workshop) -> None:
    """The compilers, the C++ runtime, and the Python that answers meson for the target."""
    compiler = f"exec {sys.executable} -I -S {HERE / 'compiler.py'}"
    compilers = {
        name: shop.program(f"sandbox-{name}", f'{compiler} {name} "$@"') for name in ("cc", "c++")
    }
    for name in ("ar", "ranlib"):
        shop.program(f"sandbox-{name}", f'exec {shop.zig} {name} "$@"')
    target = (
        "export _PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__wasi_wasm32-wasi\n"
        "export _PYTHON_HOST_PLATFORM=wasi-wasm32\n"
        f"export RUNNER_PYTHON_HEADERS={shop.work / 'include/python3.14'}\n"
        f"export RUNNER_NUMPY_HEADERS={shop.installed / 'numpy/_core/include'}\n"
        f"export PYTHONPATH={shop.work / 'target'}${{PYTHONPATH:+:$PYTHONPATH}}\n"
    )
    shop.program("sandbox-python", f'{target}exec {sys.executable} "$@"')
    _cpp_runtime(shop, compilers["c++"])


def _cpp_runtime(shop: Workshop, compiler: Path) -> None:
    """zig makes its C++ runtime for a target when first asked: ask, and keep the archives."""
    libraries = shop.work / "libraries"
    if (libraries / "libc++.a").exists():
        return
    libraries.mkdir(exist_ok=True)
    stub = libraries / "exceptions.o"
    source = HERE / "exceptions.cpp"
    shop.run(compiler, "-O2", "-fno-exceptions", "-fno-rtti", "-c", source, "-o", stub, log="cpp")
    probe = shop.work / "probe.cpp"
    probe.write_text(
        "#include <string>\n#include <unordered_set>\nint main(int n, char **a) {"
        " std::unordered_set<std::string> s{a[0]}; return s.size() == n; }\n"
    )
    shop.run(
        shop.zig,
        "c++",
        "-target",
        "wasm32-wasi",
        "-mcpu=generic+simd128",
        "-O2",
        "-fPIC",
        "-Xclang",
        "-fignore-exceptions",
        probe,
        stub,
        "-o",
        "probe.wasm",
        log="cpp",
    )
    for name in ("libc++abi.a", "libcompiler_rt.a", "libc++.a"):
        found = next((shop.work / "zig-cache" / "o").glob(f"*/{name}"))
        shutil.copy(found, libraries / name)


def python_parts(shop: Workshop, debian_headers: Path) -> None:
    """The standard library, and the C headers with the sandbox's own `pyconfig.h`."""
    import componentize_py
    import zstandard

    def unpack(data: bytes) -> bytes | None:
        stream = zstandard.ZstdDecompressor().decompressobj()
        try:
            content = stream.decompress(data)
        except zstandard.ZstdError:
            return None
        return content if stream.eof else None

    library = shop.work / "stdlib"
    if not library.exists():
        shared = next(Path(componentize_py.__file__).parent.glob("componentize_py*.so"))
        standard_library.extract(shared.read_bytes(), library, unpack)
    target = shop.work / "target"
    shutil.copytree(HERE / "target", target, dirs_exist_ok=True)
    data = library / "_sysconfigdata__wasi_wasm32-wasi.py"
    shutil.copy(data, target)
    include = shop.work / "include" / "python3.14"
    if not include.exists():
        native = shop.work / "native-headers"
        subprocess.run(["dpkg-deb", "-x", debian_headers, native], check=True)  # noqa: S603, S607
        shutil.copytree(native / "usr/include/python3.14", include)
        pyconfig = next(native.glob("usr/include/*/python3.14/pyconfig.h")).read_text()
        values = runpy.run_path(str(data))["build_time_vars"]
        (include / "pyconfig.h").write_text(headers.pyconfig(pyconfig, values))


def describe_target(shop: Workshop, one: Input) -> Path:
    """meson's cross file for a package."""
    programs = shop.work / "bin"
    description = shop.work / f"target-{one.name}.ini"
    include = shop.work / "include/python3.14"
    common = (
        f"'-I{include}', '{OPTIMIZE[one.name]}', '-DNDEBUG', '-Wno-unused-command-line-argument'"
    )
    description.write_text(
        f"""[binaries]
c = '{programs / "sandbox-cc"}'
cpp = '{programs / "sandbox-c++"}'
ar = '{programs / "sandbox-ar"}'
ranlib = '{programs / "sandbox-ranlib"}'
strip = 'true'
python = '{programs / "sandbox-python"}'
[properties]
needs_exe_wrapper = true
skip_sanity_check = true
longdouble_format = 'IEEE_QUAD_LE'
[host_machine]
system = 'wasi'
cpu_family = 'wasm32'
cpu = 'wasm32'
endian = 'little'
[built-in options]
c_args = [{common}, '-DNPY_NO_SIGNAL=1']
cpp_args = [{common}, '-Xclang', '-fignore-exceptions']
"""
    )
    return description


def with_meson(shop: Workshop, one: Input, source: Path) -> None:
    """numpy and pandas: configure, compile and install for the target."""
    vendored = source / "vendored-meson/meson/meson.py"
    meson: list[object] = [sys.executable, vendored] if vendored.exists() else ["meson"]
    build = shop.work / f"objects-{one.name}"
    options = ["--prefix=/", "-Dpython.platlibdir=/", "-Dpython.purelibdir=/", "-Dbuildtype=plain"]
    if one.name == "numpy":
        options += ["-Db_ndebug=if-release", "-Dallow-noblas=true", "-Dblas=none", "-Dlapack=none"]
        options += ["-Dcpu-baseline=none", "-Dcpu-dispatch=none"]
    options += ["--cross-file", str(describe_target(shop, one))]
    setup = [*meson, "setup", build, source, "--wrap-mode=nodownload"]
    if not (build / "build.ninja").exists():
        shop.run(*setup, *options, log=one.name)
    shop.run("ninja", "-C", build, "-j", JOBS, log=one.name)
    shop.run(
        *meson, "install", "-C", build, "--no-rebuild", log=one.name, DESTDIR=str(shop.installed)
    )


def compile_all(shop: Workshop, sources: list[Path], flags: list[str], folder: Path) -> list[Path]:
    """Objects of C sources, compiled side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    compiler = shop.work / "bin" / "sandbox-cc"
    include = shop.work / "include/python3.14"

    def one(source: Path) -> Path:
        made = folder / ("_".join(source.parts[-2:]) + ".o")
        if not made.exists():
            shop.run(
                compiler,
                "-O3",
                "-w",
                "-fvisibility=hidden",
                f"-I{include}",
                *flags,
                "-c",
                source,
                "-o",
                made,
                log=folder.name,
            )
        return made

    with ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(one, sources))


def link(shop: Workshop, objects: list[Path], made: Path) -> None:
    """A dynamic library of objects."""
    made.parent.mkdir(parents=True, exist_ok=True)
    shop.run(shop.work / "bin" / "sandbox-cc", "-shared", *objects, "-o", made, log="link")


def pillow(shop: Workshop, one: Input, source: Path, zlib: Path) -> None:
    """Pillow's core with PNG, and without the formats that need further libraries."""
    parts = "adler32 compress crc32 deflate infback inffast inflate inftrees trees uncompr zutil"
    zlib_flags = ["-DHAVE_UNISTD_H", f"-I{zlib}"]
    packed = compile_all(
        shop, [zlib / f"{p}.c" for p in parts.split()], zlib_flags, shop.work / "objects-zlib"
    )
    src = source / "src"
    version = shop.work / "pillow_version.h"
    version.write_text(f'#define PILLOW_VERSION "{one.version}"\n')
    names = ("_imaging", "decode", "encode", "map", "display", "outline", "path")
    core = [*(src / f"{n}.c" for n in names), *sorted((src / "libImaging").glob("*.c"))]
    flags = [
        "-DHAVE_LIBZ",
        "-include",
        str(version),
        f"-I{zlib}",
        f"-I{src / 'libImaging'}",
        f"-I{src}",
    ]
    folder = shop.work / "objects-pillow"
    shutil.copytree(src / "PIL", shop.installed / "PIL", dirs_exist_ok=True)
    link(
        shop,
        [*compile_all(shop, core, flags, folder), *packed],
        shop.installed / f"PIL/_imaging{SUFFIX}",
    )
    for name in ("_imagingmath", "_imagingmorph"):
        objects = compile_all(shop, [src / f"{name}.c"], flags, folder)
        link(shop, objects, shop.installed / f"PIL/{name}{SUFFIX}")


def from_sources(shop: Workshop, one: Input, source: Path) -> None:
    """A package of Python files and perhaps C extensions, straight from its source archive."""
    for package in one.packages:
        shutil.copytree(source / package, shop.installed / Path(package).name, dirs_exist_ok=True)
    for extension in one.extensions:
        flags = [f"-I{source / include}" for include in extension.includes]
        sources = [source / path for path in extension.sources]
        objects = compile_all(shop, sources, flags, shop.work / f"objects-{one.name}")
        made = shop.installed / (extension.module.replace(".", "/") + SUFFIX)
        link(shop, objects, made)


def build_packages(shop: Workshop, lock: inputs.Lock, pip: list[str]) -> None:
    """Everything compiled, in the order of the lock, then the folder of packages put together."""
    downloads = shop.work / "downloads"
    downloads.mkdir(exist_ok=True)
    files = {one.name: inputs.fetch(one, downloads, pip, HERE / "stand_in") for one in lock.inputs}
    python_parts(shop, files["python-headers"])
    toolchain(shop)
    zlib = inputs.unpack(files["zlib"], shop.work / "sources/zlib")
    pure = []
    for one in lock.inputs:
        if not one.is_package:
            continue
        if one.kind == "pure":
            pure.append(one)
            continue
        done = shop.work / f"{one.name}-{one.version}.done"
        if done.exists():
            continue
        print(f"-- {one.name} {one.version}", flush=True)
        source = inputs.unpack(files[one.name], shop.work / f"sources/{one.name}")
        if one.patch:
            inputs.apply(HERE / "patches" / one.patch, source)
        if one.kind == "meson":
            with_meson(shop, one, source)
        elif one.kind == "pillow":
            pillow(shop, one, source, zlib)
        else:
            from_sources(shop, one, source)
        done.touch()
    _assemble(shop, pure, files)


def _assemble(shop: Workshop, pure: list[Input], files: dict[str, Path]) -> None:
    """`site`: what was compiled and what needs no compiler, without what nobody imports."""
    shutil.rmtree(shop.site, ignore_errors=True)
    shutil.copytree(shop.installed, shop.site)
    for one in pure:
        unpacked = inputs.unpack(files[one.name], shop.work / "sources" / one.name)
        if one.patch:
            inputs.apply(HERE / "patches" / one.patch, unpacked)
        shutil.copytree(unpacked, shop.site, dirs_exist_ok=True)
    shutil.copytree(HERE / "provided", shop.site, dirs_exist_ok=True)
    for pattern in LEFT_OUT:
        for path in list(shop.site.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for cache in list(shop.site.rglob("__pycache__")):
        shutil.rmtree(cache, ignore_errors=True)
