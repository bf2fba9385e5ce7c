"""psql 18 with `libpq-oauth`, libpq's own device flow, as Debian builds them.

    subprocess.run([*oauth_psql.command(), "host=… user=oauth oauth_issuer=… oauth_client_id=…"])

No build of libpq among the test servers has the module, which needs libcurl. The packages come from
this machine's own Debian mirror, from the suite that has PostgreSQL 18, with everything that they
need down to the C library: a tree in the cache that runs by its own loader (some 20 seconds, once;
23 MB). Nothing is installed on the machine.
"""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path

from tests.servers import install
from tests.servers.install import ServerUnavailable
from tests.servers.pgbouncer import KEYRING, debian_mirror

SUITE = "forky"
PACKAGES = ("postgresql-client-18", "libpq-oauth")


def command() -> list[str]:
    """How to start it. Raises `ServerUnavailable`."""
    tree = install.cache_directory() / f"psql-oauth-{SUITE}"
    if not tree.exists():
        with install.exclusive("psql-oauth"):
            if not tree.exists():
                _fetch(tree)
    libraries = tree / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    loaders = list(libraries.glob("ld-linux-*.so.*"))
    if not loaders:
        raise ServerUnavailable(f"{tree} has no loader: remove it, and try again")
    binary = tree / "usr" / "lib" / "postgresql" / "18" / "bin" / "psql"
    return [str(loaders[0]), "--library-path", str(libraries), str(binary)]


def _fetch(tree: Path) -> None:
    apt = install.program("apt-get", "apt")
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        folder = Path(scratch)
        for name in ("lists/partial", "cache/archives/partial", "tree"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()  # nothing is installed: everything is needed
        sources = folder / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {debian_mirror(apt)} {SUITE} main\n")
        options = [
            *("-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null"),
            *("-o", f"Dir::State::lists={folder / 'lists'}"),
            *("-o", f"Dir::State::status={folder / 'status'}"),
            *("-o", f"Dir::Cache={folder / 'cache'}"),
            *("-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"),
        ]
        install.run([apt, "-qq", *options, "update"], what="reading the package lists")
        wanted = ["--yes", "--no-install-recommends", "--download-only", "install", *PACKAGES]
        install.run([apt, "-qq", *options, *wanted], what="fetching psql and libpq-oauth")
        for package in sorted((folder / "cache" / "archives").glob("*.deb")):
            unpack = ["dpkg-deb", "--extract", str(package), str(folder / "tree")]
            install.run(unpack, what=f"unpacking {package.name}")
        (folder / "tree").rename(tree)
