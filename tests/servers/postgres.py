"""A throwaway PostgreSQL on 127.0.0.1: TLS, SCRAM-SHA-256, superuser `postgres`.

    with running(16) as server:
        psycopg.connect(server.dsn)

Knows how to configure, start and stop; `install.py` knows where binaries come from.

Theory of operation. `initdb` runs once per major and its result is kept in the cache as a
template; each server is a copy of the template in a new temporary folder, without durability.
PostgreSQL refuses to run as root, so for root it runs in a user namespace that shows it another
uid while its files stay root's. The kernel stops the server when the *thread* that started it
ends (`setpriv --pdeathsig`), so a killed test run leaves nothing behind; start servers from the
main thread. A chosen port may be taken by another process before the server has it: then another
is tried.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
import psycopg.sql

from tests.servers import certificate, install
from tests.servers.install import ServerUnavailable

DEFAULT_MAJOR = 16
MAJORS: tuple[int, ...] = tuple(install.POSTGRES_VERSIONS)
USER = "postgres"
PASSWORD = "secret"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 20.0
PORT_ATTEMPTS = 5
SETTINGS: dict[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "ssl": "on",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_messages": "warning",
}


def unprivileged(command: list[str]) -> list[str]:
    """The command as a non-root user sees it; unchanged for a caller who is not root."""
    if os.geteuid() != 0:
        return command
    unshare = install.program("unshare", "util-linux")
    return [unshare, "-U", "--map-user=1000", "--map-group=1000", *command]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """One running PostgreSQL. `directory` holds `data/`, `server.crt` and `postgres.log`."""

    major: int
    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0
    user: str = USER
    password: str = field(default=PASSWORD, repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def root_certificate(self) -> Path:
        """The file a client verifies the server's certificate with."""
        return self.directory / "server.crt"

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.directory / "postgres.log"

    @property
    def dsn(self) -> str:
        """A connection string for the superuser, certificate verified in full."""
        return self.dsn_of()

    def dsn_of(
        self,
        database: str = "postgres",
        *,
        user: str | None = None,
        password: str | None = None,
        tls: bool = True,
    ) -> str:
        """A connection string for another database or role; without TLS if asked."""
        secret = quote(password if password is not None else self.password, safe="")
        login = f"{quote(user or self.user, safe='')}:{secret}"
        verify = f"sslmode=verify-full&sslrootcert={quote(str(self.root_certificate))}"
        address = f"postgresql://{login}@{self.host}:{self.port}/{quote(database, safe='')}"
        return f"{address}?{verify if tls else 'sslmode=disable'}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A synchronous superuser connection in autocommit mode; the caller closes it."""
        return psycopg.connect(self.dsn_of(database), autocommit=True)

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Make an empty database, yield its DSN, and drop it with every connection to it."""
        identifier = psycopg.sql.Identifier(name)
        with self.connect() as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(identifier))
        try:
            yield self.dsn_of(name)
        finally:
            with self.connect() as connection:
                drop = psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                connection.execute(drop.format(identifier))

    def start(self) -> None:
        """Start on the port of last time, or on a free one. Raises `ServerUnavailable`."""
        assert self.process is None, "already running"
        wanted = self.port
        for _ in range(PORT_ATTEMPTS):
            self.port = wanted or free_port()
            self._launch()
            if self._becomes_ready():
                return
            self.stop(signal.SIGQUIT)
            if "Address already in use" not in self._log_tail():
                break
        raise ServerUnavailable(f"PostgreSQL {self.major} did not start:\n{self._log_tail()}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT ends sessions (fast), SIGQUIT is a crash, SIGTERM waits for clients."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_SECONDS)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start again on the same port with the same data (about 0.3 s)."""
        self.stop(how)
        self.start()

    def _launch(self) -> None:
        postgres = install.postgres(self.major) / "bin" / "postgres"
        with_death_signal = ["--pdeathsig", "INT", str(postgres)]
        setpriv = install.program("setpriv", "util-linux")
        command = [setpriv, *with_death_signal, "-D", str(self.directory / "data")]
        settings = {
            **SETTINGS,
            "ssl_cert_file": str(self.directory / "server.crt"),
            "ssl_key_file": str(self.directory / "server.key"),
            **self.settings,
            "port": str(self.port),
        }
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        (self.directory / "data" / "postmaster.pid").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                unprivileged(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _becomes_ready(self) -> bool:
        """Wait for `ready` in the eighth line of postmaster.pid, where pg_ctl looks too."""
        assert self.process is not None
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        status = self.directory / "data" / "postmaster.pid"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            lines = status.read_text().splitlines() if status.exists() else []
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return True
            time.sleep(0.02)
        return False

    def _log_tail(self) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def template(major: int) -> Path:
    """The initialised, never started data folder of one major, made once and kept."""
    native = install.postgres(major)
    finished = install.postgres_home(major) / "template"
    if finished.exists():
        return finished
    with install.exclusive(f"postgres-{major}"):
        if finished.exists():
            return finished
        with tempfile.TemporaryDirectory(dir=finished.parent) as scratch:
            # A process substitution would not survive the change of uid: a real file.
            password_file = Path(scratch) / "password"
            password_file.write_text(f"{PASSWORD}\n", encoding="utf-8")
            data = Path(scratch) / "data"
            command = [str(native / "bin" / "initdb"), "-D", str(data), "-U", USER, "--no-sync"]
            command += [f"--pwfile={password_file}", "--auth=scram-sha-256"]
            command += ["--encoding=UTF8", "--locale=C"]
            install.run(unprivileged(command), what=f"initdb of PostgreSQL {major}")
            data.rename(finished)
    return finished


def create(major: int, directory: Path, settings: Mapping[str, str] | None = None) -> Server:
    """Lay out a new server in an existing folder; it is not started yet."""
    shutil.copytree(template(major), directory / "data")
    certificate.write(directory)
    return Server(major, directory.resolve(), settings or {})


@contextmanager
def running(
    major: int = DEFAULT_MAJOR, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A new server of the given major for the length of the block; its folder goes with it.

    Args: `settings` are postgresql.conf entries that override ours.
    Raises `ServerUnavailable` when it cannot be installed or started.
    """
    directory = Path(tempfile.mkdtemp(prefix=f"sallyport-postgres-{major}-"))
    server = None
    try:
        server = create(major, directory, settings)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """`start MAJOR`: run one server in the foreground until Ctrl-C, its DSN on standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.postgres")
    parser.add_argument("command", choices=["start"])
    parser.add_argument("major", type=int, nargs="?", default=DEFAULT_MAJOR, choices=MAJORS)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix=f"sallyport-postgres-{options.major}-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server = create(options.major, directory)
        server.port = options.port
        server.start()
        print(server.dsn, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            server.stop()
    except ServerUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
