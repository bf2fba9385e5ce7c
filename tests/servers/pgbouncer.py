"""PgBouncer in transaction pooling with prepared statements: the peer of the benchmark.

    with postgres.running() as upstream, pgbouncer.running(upstream) as peer:
        psycopg.connect(peer.dsn)

Prepared statements under transaction pooling came with PgBouncer 1.21. A newer one on `PATH` is
used as it is; otherwise Debian 13's source package is built into the cache, once (about a minute),
which needs root where a compiler or the headers of libevent and OpenSSL are missing.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.servers import install, postgres
from tests.servers.install import ServerUnavailable

VERSION_MIN = (1, 21)
SOURCE_SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BUILD_PACKAGES = ("build-essential", "pkg-config", "libevent-dev", "libssl-dev")
START_TIMEOUT_SECONDS = 10.0
SETTINGS = """\
[databases]
* = host={host} port={upstream}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = {auth}
auth_file = {directory}/users.txt
pool_mode = transaction
max_prepared_statements = 200
default_pool_size = 20
max_client_conn = {clients_max}
ignore_startup_parameters = extra_float_digits
so_reuseport = {is_shared}
"""
TLS = """\
client_tls_sslmode = allow
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
"""


@dataclass(frozen=True)
class Peer:
    """A running PgBouncer before one PostgreSQL; the same user and password as there."""

    port: int
    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    processes: tuple[int, ...] = ()

    @property
    def dsn(self) -> str:
        """A connection string, without TLS: what PgBouncer adds is measured, not cryptography."""
        login = f"{self.user}:{self.password}"
        return f"postgresql://{login}@{self.host}:{self.port}/postgres?sslmode=disable"


def _version(binary: str) -> tuple[int, ...]:
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0,)


def binary() -> Path:
    """The path of a recent PgBouncer, built if need be. Raises `ServerUnavailable`."""
    installed = shutil.which("pgbouncer")
    if installed is not None and _version(installed) >= VERSION_MIN:
        return Path(installed)
    built = install.cache_directory() / f"pgbouncer-{SOURCE_SUITE}" / "pgbouncer"
    if not built.exists():
        with install.exclusive("pgbouncer"):
            if not built.exists():
                _build(built)
    return built


def _can_be_built() -> bool:
    """Whether a compiler and the headers are here already."""
    if not all(shutil.which(program) for program in ("make", "cc", "pkg-config")):
        return False
    wanted = ["pkg-config", "--exists", "libevent", "openssl"]
    return subprocess.run(wanted, check=False).returncode == 0


def _build(target: Path) -> None:
    if not _can_be_built():
        try:
            install.debian(*BUILD_PACKAGES)
        except ServerUnavailable as error:
            wanted = ".".join(map(str, VERSION_MIN))
            raise ServerUnavailable(
                f"PgBouncer {wanted} or newer is not on PATH and cannot be built: {error}"
            ) from error
    apt = install.program("apt-get", "apt")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch)
        _fetch_source(apt, folder)
        (archive,) = folder.glob("pgbouncer_*.orig.tar.gz")
        build = (
            f"cd {folder} && tar -xzf {archive.name} --strip-components=1 "
            "&& ./configure --quiet --without-cares && make -s -j2 pgbouncer"
        )
        install.run(["sh", "-c", build], what="building PgBouncer")
        (folder / "pgbouncer").rename(target)


def debian_mirror(apt: str) -> str:
    """The Debian mirror that this machine is configured for. Raises `ServerUnavailable`."""
    targets = [apt, "indextargets", "--format", "$(REPO_URI)", "Label: Debian"]
    listed = subprocess.run(targets, capture_output=True, text=True, check=False).stdout.split()
    if not listed:
        raise ServerUnavailable("no Debian mirror is configured")
    return listed[0]


def _fetch_source(apt: str, folder: Path) -> None:
    """Download the source package of a newer Debian from this machine's own mirror."""
    (folder / "lists" / "partial").mkdir(parents=True)
    sources = folder / "sources.list"
    sources.write_text(f"deb-src [signed-by={KEYRING}] {debian_mirror(apt)} {SOURCE_SUITE} main\n")
    options = [
        *("-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null"),
        *("-o", f"Dir::State::lists={folder / 'lists'}", "-o", "APT::Sandbox::User=root"),
    ]
    install.run([apt, "-qq", *options, "update"], what="reading the source package lists")
    fetch = f"cd {folder} && exec {apt} -qq {' '.join(options)} source --download-only pgbouncer"
    install.run(["sh", "-c", fetch], what="fetching PgBouncer's source")


@contextmanager
def running(
    upstream: postgres.Server,
    *,
    processes: int = 1,
    clients_max: int = 1_000,
    auth: str = "scram-sha-256",
    certificate: Path | None = None,
) -> Iterator[Peer]:
    """A PgBouncer before `upstream` for the length of the block, of several processes that share
    one port; clients may encrypt where there is a `certificate`, a file of that and another of its
    key with the suffix `.key`. Raises `ServerUnavailable`."""
    program = binary()
    directory = Path(tempfile.mkdtemp(prefix="sallyport-pgbouncer-"))
    peer = Peer(postgres.free_port(), upstream.user, upstream.password)
    (directory / "users.txt").write_text(f'"{peer.user}" "{peer.password}"\n', encoding="utf-8")
    settings = SETTINGS.format(
        host=upstream.host, upstream=upstream.port, port=peer.port, directory=directory,
        auth=auth, clients_max=clients_max, is_shared=int(processes > 1),
    )  # fmt: skip
    if certificate is not None:
        settings += TLS.format(certificate=certificate, key=certificate.with_suffix(".key"))
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(processes):
            place = directory / str(number)
            place.mkdir()
            (place / "pgbouncer.ini").write_text(settings, encoding="utf-8")
            started.append(_start(program, place))
        for process in started:
            if not _answers(process, peer.port):
                logs = [path.read_text(errors="replace") for path in directory.glob("*/*.log")]
                raise ServerUnavailable("PgBouncer did not start:\n" + "\n".join(logs))
        yield replace(peer, processes=tuple(process.pid for process in started))
    finally:
        for process in started:
            process.send_signal(signal.SIGQUIT)  # at once, clients or not
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _start(program: Path, place: Path) -> subprocess.Popen[bytes]:
    setpriv = install.program("setpriv", "util-linux")
    command = [setpriv, "--pdeathsig", "INT", str(program), "-q", str(place / "pgbouncer.ini")]
    with (place / "pgbouncer.log").open("wb") as stream:
        return subprocess.Popen(
            postgres.unprivileged(command), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False
