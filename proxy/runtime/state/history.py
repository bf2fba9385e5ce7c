"""What became of every policy that was offered: when, whose files, which digests, accepted or not.

This file must not know what a policy says. Theory of operation: each process that loads a policy
offers a row; whoever comes second with the same news writes nothing, so a restart and a gate of
many workers leave one row. Who changed a file is its owner in the file system: the gate cannot know
more, a version control system does.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.place import StateError

REASON_CHARACTERS_MAX: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One policy file as it lies there. `change` against the row before: added, changed, removed,
    or empty."""

    path: str
    sha256: str
    bytes: int
    owner: str
    modified_at: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class PolicyLoad:
    """One row of the history. `digest`: over names and contents of all files."""

    at: datetime
    host: str
    version_before: str
    version_after: str
    is_accepted: bool
    reason: str
    digest: str
    files: tuple[PolicyFile, ...]


def files_of(paths: Sequence[Path]) -> tuple[PolicyFile, ...]:
    """The policy files that `paths` (files, or directories of them) stand for, as they are now."""
    found = []
    for path in paths:
        for file in sorted(path.rglob("*.y*ml")) if path.is_dir() else (path,):
            found.append(_file(file))
    return tuple(found)


def digest_of(files: Sequence[PolicyFile]) -> str:
    """SHA-256, hexadecimal, over paths and contents."""
    text = json.dumps([[file.path, file.sha256] for file in files])
    return hashlib.sha256(text.encode()).hexdigest()


def changes(before: Sequence[PolicyFile], files: Sequence[PolicyFile]) -> tuple[PolicyFile, ...]:
    """The files with what happened to each since `before`; those that are gone at the end."""
    known = {file.path: file.sha256 for file in before if file.change != "removed"}
    marked = []
    for file in files:
        digest = known.pop(file.path, None)
        change = "added" if digest is None else "changed" if digest != file.sha256 else ""
        marked.append(PolicyFile(**{**asdict(file), "change": change}))
    gone = [PolicyFile(path, "", 0, "", "", "removed") for path in sorted(known)]
    return (*marked, *gone)


async def note(
    state: StateDatabase,
    files: Sequence[PolicyFile],
    *,
    version_before: str,
    version_after: str,
    is_accepted: bool,
    reason: str = "",
) -> None:
    """Write one row, unless the last row says the same already. Raises StateUnavailable."""
    digest = digest_of(files)
    last = await state.fetch(_LAST)
    before = _files(last[0]["files"]) if last else ()
    await state.fetch(
        _NOTE,
        socket.gethostname(),
        version_before,
        version_after,
        is_accepted,
        reason[:REASON_CHARACTERS_MAX],
        digest,
        json.dumps([asdict(file) for file in changes(before, files)]),
    )


async def history(connection: asyncpg.Connection, number: int) -> list[PolicyLoad]:
    """The last rows, the newest first. Raises StateError."""
    try:
        rows = await connection.fetch(_HISTORY, number)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database refused: {type(error).__name__}") from error
    return [_load(row) for row in rows]


_LAST: Final = "SELECT files FROM sallyport.policy_load ORDER BY id DESC LIMIT 1"
_NOTE: Final = "SELECT sallyport.note_policy($1, $2, $3, $4, $5, $6, $7)"
_HISTORY: Final = """
    SELECT at, host, version_before, version_after, is_accepted, reason, digest, files
    FROM sallyport.policy_load ORDER BY id DESC LIMIT $1
"""


def _file(path: Path) -> PolicyFile:
    try:
        status, content = path.stat(), path.read_bytes()
    except OSError:
        return PolicyFile(str(path), "", 0, "", "", "unreadable")
    try:
        owner = path.owner()
    except (KeyError, OSError):
        owner = str(status.st_uid)
    modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    digest = hashlib.sha256(content).hexdigest()
    return PolicyFile(str(path), digest, len(content), owner, modified)


def _files(text: str) -> tuple[PolicyFile, ...]:
    return tuple(PolicyFile(**entry) for entry in json.loads(text))


def _load(row: Any) -> PolicyLoad:
    values = dict(row)
    return PolicyLoad(**{**values, "files": _files(values["files"])})
