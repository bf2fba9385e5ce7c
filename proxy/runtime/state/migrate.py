"""Forward-only migrations of the state database.

This file must not know what any migration does. Theory of operation: all that are missing run in
one transaction under one advisory lock, so that two processes that start at once do not meet, and
one that fails leaves the database as it was. A migration that has run is known by its number and
the digest of its text; one that was changed afterwards, or is newer than this program, refuses.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from proxy.runtime.state.place import StateError

DIRECTORY: Final = Path(__file__).resolve().parent / "migrations"
LOCK: Final = 0x53616C6C79706F72
""""Sallypor" as a number: the advisory lock that migrations of one database share."""
LOCK_SECONDS_MAX: Final = 60
"""Longer than any migration of another process should take."""

_NAME = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")

_FOUNDATION = """
CREATE SCHEMA IF NOT EXISTS sallyport;
CREATE TABLE IF NOT EXISTS sallyport.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step. `digest`: SHA-256 of its text, hexadecimal."""

    number: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def read(directory: Path = DIRECTORY) -> list[Migration]:
    """The migrations of a folder, in order. Raises StateError for a gap or a wrong name."""
    found: list[Migration] = []
    for file in sorted(directory.glob("*.sql")):
        match = _NAME.fullmatch(file.name)
        if match is None or int(match[1]) != len(found) + 1:
            raise StateError(f"migration {file.name}: the next one is {len(found) + 1:04}_NAME.sql")
        found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return found


async def migrate(connection: asyncpg.Connection, steps: Sequence[Migration]) -> list[int]:
    """Bring the database up to date; returns the numbers of what was applied now.

    Raises StateError, and then nothing has changed.
    """
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await connection.execute(_FOUNDATION)
            rows = await connection.fetch(
                "SELECT number, name, digest FROM sallyport.migration ORDER BY number"
            )
            missing = _missing([(row["number"], row["name"], row["digest"]) for row in rows], steps)
            for step in missing:
                await _apply(connection, step)
            return [step.number for step in missing]
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database cannot be migrated: {error}") from error


def _missing(
    applied: Sequence[tuple[int, str, str]], steps: Sequence[Migration]
) -> Sequence[Migration]:
    for (number, name, digest), step in zip(applied, steps, strict=False):
        if (number, digest) != (step.number, step.digest):
            raise StateError(
                f"migration {number:04}_{name} of the state database is not the one that this"
                " program knows: it was changed after it had run"
            )
    if len(applied) > len(steps):
        raise StateError(
            f"the state database is newer than this program: it has migration {applied[-1][0]:04},"
            f" this program knows {len(steps):04}"
        )
    return steps[len(applied) :]


async def _apply(connection: asyncpg.Connection, step: Migration) -> None:
    try:
        await connection.execute(step.text)
    except asyncpg.PostgresError as error:
        raise StateError(
            f"migration {step.number:04}_{step.name} failed, nothing was changed: {error}"
        ) from error
    await connection.execute(
        "INSERT INTO sallyport.migration (number, name, digest) VALUES ($1, $2, $3)",
        step.number,
        step.name,
        step.digest,
    )
