"""Embedded Postgres clusters: made, started, watched and stopped by this process, and nobody else.

Two are used. The *disposable* one answers catalog questions and may be lost (no fsync); the
*durable* one keeps state and demo data. They never share a directory: a process that runs client
SQL must not be able to open the durable one.

This file must not know what is inside a cluster: no schemas, no policies, no SQL.

Theory of operation. `directory` holds `data/`, `password` (superuser, 0600), `log` and `lock`. The
lock is held with flock for as long as the `Cluster` runs, so a live postmaster found in a directory
whose lock we obtained is an orphan of a crashed owner: it is stopped, and its socket directory
removed. Postgres runs as a direct child and, where the system offers it, dies with its parent. The
Unix socket lives in a private directory (0700) under the temporary folder, because a socket's path
may be 107 bytes long (unix(7)) and `directory` is the operator's.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import asyncpg

from proxy.runtime.installation import (
    ClusterError,
    Demotion,
    Installation,
    demotion,
    find_installation,
)
from proxy.runtime.postmaster import is_postmaster, stop_left_behind

__all__ = ["SUPERUSER", "Cluster", "ClusterError"]

SUPERUSER: Final = "postgres"
DEFAULT_MAJOR: Final = 16
"""The oldest that the wheel carries: every client in use knows it."""

START_TIMEOUT_SECONDS: Final = 60.0  # a crash recovery of a small cluster takes a few seconds
STOP_TIMEOUT_SECONDS: Final = 20.0  # a fast shutdown takes 0.1 s; after this the stop is immediate
POLL_INTERVAL_SECONDS: Final = 0.02  # start-up takes about 0.1 s
SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of unix(7), without its final zero byte
SOCKET_DIRECTORY_PREFIX: Final = "sallyport-pg-"
# Address space of one process of a disposable cluster, which runs what clients ask; 20 MB is usual.
PROCESS_MEMORY_BYTES_MAX: Final = 2 * 1024**3
LOG_TAIL_LINES: Final = 15
DEFAULT_PORT: Final = 5432  # part of the socket's file name; no TCP port is opened for it

_COMMON_SETTINGS: Final[dict[str, str]] = {
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_statement": "none",
    "log_min_error_statement": "panic",  # client SQL and its literals never enter this log
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "datestyle": "ISO, MDY",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}

# Everything that costs disk or background work is off; the cluster can be made again at any time.
# shared_buffers stays small because touched buffers are counted against every backend's memory.
_DISPOSABLE_SETTINGS: Final[dict[str, str]] = {
    "shared_buffers": "24MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "track_activities": "off",
    "track_counts": "off",
    "jit": "off",
    "max_parallel_workers": "0",
    "max_worker_processes": "0",
    "max_logical_replication_workers": "0",
    "max_connections": "200",
}

_DURABLE_SETTINGS: Final[dict[str, str]] = {
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


class Cluster:
    """One embedded Postgres cluster.

    Args: `directory` is made if absent and belongs to this cluster alone; `major` 16 or 18 with the
    wheel; `durable` False gives up every guarantee against a crash of the machine; `settings` are
    added to postgresql.conf and win over the defaults here; `authentication` are pg_hba.conf lines
    put before the final ones (the superuser always needs its password); `tcp_port` opens a loopback
    port (0: a free one), None opens none.

    Use as `async with Cluster(...)`, or `start()` and `stop()`. Must be started from a loop whose
    thread outlives it: Postgres ends when the thread that started it does (Linux).
    """

    def __init__(
        self,
        directory: Path,
        *,
        major: int | None = DEFAULT_MAJOR,
        durable: bool,
        settings: Mapping[str, str] | None = None,
        authentication: tuple[str, ...] = (),
        tcp_port: int | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.durable = durable
        self.installation: Installation = find_installation(major)
        self.port = DEFAULT_PORT if tcp_port is None else tcp_port
        self._settings = dict(settings or {})
        self._authentication = authentication
        self._has_tcp = tcp_port is not None
        self._demotion: Demotion | None = None
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._socket_directory: Path | None = None

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<Cluster {self.directory} Postgres {self.installation.major} {state}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    # What others need to connect

    @property
    def is_running(self) -> bool:
        """Whether the postmaster that `start()` began is still there."""
        return self._process is not None and self._process.returncode is None

    @property
    def process_id(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def socket_directory(self) -> Path:
        """The private folder of the Unix socket: `host` for libpq and asyncpg."""
        if self._socket_directory is None:
            raise ClusterError(f"the cluster in {self.directory} is not running")
        return self._socket_directory

    @property
    def socket_path(self) -> Path:
        """The Unix socket itself, for clients that speak the protocol on their own."""
        return self.socket_directory / f".s.PGSQL.{self.port}"

    @property
    def log_path(self) -> Path:
        return self.directory / "log"

    def pg_bin(self, name: str) -> Path:
        """Path of one of Postgres' programs, such as `psql` or `pgbench`. Raises ClusterError."""
        return self.installation.program(name)

    def read_password(self) -> str:
        """The superuser's password, from its file: an attribute would end up in some repr."""
        return (self.directory / "password").read_text()

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """A superuser connection over the Unix socket; the caller closes it."""
        return await asyncpg.connect(
            host=str(self.socket_directory),
            port=self.port,
            user=SUPERUSER,
            password=self.read_password(),
            database=database,
            ssl=False,
        )

    # Life cycle

    async def start(self) -> None:
        """Make the cluster if it is new, clean up after a crashed owner, start, wait until ready.

        Raises ClusterError when another process owns the directory, or with the log's tail.
        """
        if self.is_running:
            return
        self._demotion = await asyncio.to_thread(demotion, self.installation)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        try:
            self._give_away(self.directory)
            self._forget_socket_directory()
            await self._stop_orphan()
            self._socket_directory = self._new_socket_directory()
            if self._has_tcp and self.port == 0:
                self.port = _free_port()
            await self._come_up()
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int | None:
        """Wait until the postmaster ends by itself; its exit code, None if there is none."""
        return None if self._process is None else await self._process.wait()

    async def revive(self) -> None:
        """Start again after the postmaster died, where it was: clients find the same socket.

        A disposable cluster is made anew, so what was in it is gone. Raises ClusterError.
        """
        if self.is_running:
            return
        if self._lock is None:
            raise ClusterError(f"the cluster in {self.directory} was not started")
        self._process = None
        await self._stop_orphan()
        await self._come_up()

    async def _come_up(self) -> None:
        if not self.durable and self._made_by() not in (None, self.installation.major):
            await asyncio.to_thread(shutil.rmtree, self._data)  # its content is made anew
        if not (self._data / "PG_VERSION").exists():
            await self._initialise()
        self._check_major()
        self._write_configuration()
        await self._launch()

    async def stop(self) -> None:
        """Fast shutdown, then an immediate one; removes the socket's folder. Safe to call twice."""
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGINT)  # fast shutdown: postgres(1), "Signals"
            try:
                async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.send_signal(signal.SIGQUIT)  # immediate: recovers at the next start
                await process.wait()
        self._process = None
        if self._socket_directory is not None:
            self._forget_socket_directory()
            self._socket_directory = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def destroy(self) -> None:
        """Stop, and delete a disposable cluster's directory. Refuses for a durable one."""
        if self.durable:
            raise ClusterError(f"refusing to delete the durable cluster in {self.directory}")
        await self.stop()
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    # Steps of a start

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _take_lock(self) -> None:
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise ClusterError(f"another process runs the cluster in {self.directory}") from error
        self._lock = lock

    def _give_away(self, path: Path) -> None:
        """Let the account that Postgres runs as own `path`, where that account is not ours."""
        assert self._demotion is not None
        if self._demotion.owner is not None:
            os.chown(path, *self._demotion.owner)

    async def _initialise(self) -> None:
        """Run initdb into a side folder and move it into place, so that a crash leaves no half."""
        building = self.directory / "building"
        shutil.rmtree(building, ignore_errors=True)
        password = self.directory / "password"
        descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        self._give_away(password)
        locale = ["--locale=C", "--encoding=UTF8"]
        if self.installation.major >= 17:  # the built-in provider knows Unicode without the OS
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        sync = [] if self.durable else ["--no-sync"]
        arguments = ["-D", str(building), "-U", SUPERUSER, f"--pwfile={password}", *locale, *sync]
        status, output = await self._run("initdb", *arguments, "--auth=scram-sha-256")
        if status != 0:
            shutil.rmtree(building, ignore_errors=True)
            raise ClusterError(f"initdb failed in {self.directory}: {_tail(output)}")
        building.rename(self._data)

    def _made_by(self) -> int | None:
        try:
            return int((self._data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def _check_major(self) -> None:
        found = self._made_by()
        if found != self.installation.major:
            raise ClusterError(
                f"the cluster in {self.directory} was made by Postgres {found}, not"
                f" {self.installation.major}: choose major {found}, or load a dump into a new one"
            )

    def _new_socket_directory(self) -> Path:
        for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  mkdtemp makes it 0700 and ours
            path = Path(base) / (SOCKET_DIRECTORY_PREFIX + "x" * 8) / f".s.PGSQL.{self.port}"
            if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
                made = Path(tempfile.mkdtemp(prefix=SOCKET_DIRECTORY_PREFIX, dir=base))
                self._give_away(made)
                socket_note(self.directory).write_text(str(made))
                return made
        raise ClusterError("no temporary folder with a path short enough for a Unix socket")

    def _forget_socket_directory(self) -> None:
        """Remove the socket's folder, this run's or that of an owner which crashed."""
        note = socket_note(self.directory)
        if note.exists():
            folder = Path(note.read_text())
            if folder.name.startswith(SOCKET_DIRECTORY_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)
            note.unlink()

    def _write_configuration(self) -> None:
        settings = _COMMON_SETTINGS | (_DURABLE_SETTINGS if self.durable else _DISPOSABLE_SETTINGS)
        settings |= self._settings
        settings |= {
            "listen_addresses": "127.0.0.1" if self._has_tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(self._socket_directory),
            "unix_socket_permissions": "0700",
        }
        quoted = ((name, value.replace("'", "''")) for name, value in sorted(settings.items()))
        text = "".join(f"{name} = '{value}'\n" for name, value in quoted)
        lines = [
            f"local all {SUPERUSER} scram-sha-256",
            *self._authentication,
            "local all all scram-sha-256",
            "host all all 127.0.0.1/32 scram-sha-256",
        ]
        for name, content in (("postgresql.conf", text), ("pg_hba.conf", "\n".join(lines) + "\n")):
            (self._data / name).write_text(content)

    async def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            os.fchmod(log.fileno(), 0o600)
            self._process = await asyncio.create_subprocess_exec(
                *self._command("postgres", "-D", str(self._data)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                start_new_session=True,  # the terminal's Ctrl-C is for us: drain comes first
            )
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                while not self._is_ready(self._process.pid):
                    if self._process.returncode is not None:
                        raise ClusterError(f"Postgres did not start: {self._log_tail()}")
                    await asyncio.sleep(POLL_INTERVAL_SECONDS)
        except TimeoutError:
            raise ClusterError(
                f"Postgres was not ready after {START_TIMEOUT_SECONDS:.0f} s: {self._log_tail()}"
            ) from None

    def _command(self, program: str, *arguments: str) -> list[str]:
        assert self._demotion is not None
        # A namespace change clears the death signal, so it is asked for inside the namespace.
        leash: list[str] = []
        if program == "postgres" and not self.durable and shutil.which("prlimit"):
            leash += ["prlimit", f"--as={PROCESS_MEMORY_BYTES_MAX}", "--core=0"]
        if program == "postgres" and _has_setpriv():
            leash += ["setpriv", "--pdeathsig", "INT"]
        return [*self._demotion.prefix, *leash, str(self.pg_bin(program)), *arguments]

    async def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *self._command(program, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            env=_environment(),
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode(errors="replace")

    def _is_ready(self, process_id: int) -> bool:
        """As pg_ctl does: the last line of postmaster.pid of *this* postmaster says `ready`."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[0] == str(process_id) and lines[7].strip() == "ready"

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    async def _stop_orphan(self) -> None:
        """Stop a postmaster that outlived its owner; forget the pid file of a dead one."""
        lines = self._pid_file_lines()
        process_id = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
        for kind in (signal.SIGINT, signal.SIGQUIT):
            if not is_postmaster(process_id, self._data):
                break
            os.kill(process_id, kind)
            for _ in range(int(STOP_TIMEOUT_SECONDS / POLL_INTERVAL_SECONDS)):
                if not is_postmaster(process_id, self._data):
                    break
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
        if is_postmaster(process_id, self._data):
            raise ClusterError(f"an old Postgres (pid {process_id}) will not leave {self._data}")
        await stop_left_behind(self._data, STOP_TIMEOUT_SECONDS, POLL_INTERVAL_SECONDS)
        if self._pid_file_lines() and not self.durable:
            # It did not stop cleanly, and nothing was synced: what lies there cannot be trusted.
            shutil.rmtree(self._data)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _log_tail(self) -> str:
        return _tail(self.log_path.read_text(errors="replace"))


def socket_note(directory: Path) -> Path:
    """The file in a cluster's directory that says where its socket's folder is, while it runs."""
    return directory / "socket-directory"


def _has_setpriv() -> bool:
    return shutil.which("setpriv") is not None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:]) or "(nothing was logged)"


def _environment() -> dict[str, str]:
    """Nothing of ours reaches Postgres but the path: no PG* settings, no secrets."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
