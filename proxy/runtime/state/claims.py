"""Claims that the operator keeps: by subject and name, as JSON.

A policy reads one by `lookup: {stored: NAME}`. This file must not know a claim's type or meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import asyncpg

from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.place import StateError

VALUE_BYTES_MAX: Final = 64 * 1024
"""As JSON; the type's own limits come when it is read (policies/claims.py)."""


@dataclass(frozen=True, slots=True)
class StoredClaim:
    """One claim of one subject. `value` is JSON."""

    subject: str
    name: str
    value: str
    set_at: datetime
    set_by: str


async def fetch(state: StateDatabase, subject: str, names: Iterable[str]) -> dict[str, object]:
    """The stored values by name, those that there are. Raises StateUnavailable."""
    rows = await state.fetch(
        "SELECT name, value FROM sallyport.claim WHERE subject = $1 AND name = ANY($2::text[])",
        subject,
        list(names),
    )
    return {row["name"]: json.loads(row["value"], parse_float=Decimal) for row in rows}


async def put(
    connection: asyncpg.Connection, subject: str, name: str, value: str, *, by: str
) -> None:
    """Set one claim to a JSON text. Raises StateError, ValueError for what is not JSON."""
    json.loads(value)
    if len(value.encode()) > VALUE_BYTES_MAX:
        raise ValueError(f"a claim's value is at most {VALUE_BYTES_MAX} bytes")
    await _execute(
        connection,
        "INSERT INTO sallyport.claim (subject, name, value, set_by) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (subject, name) DO UPDATE"
        " SET value = excluded.value, set_by = excluded.set_by, set_at = now()",
        subject,
        name,
        value,
        by,
    )


async def remove(connection: asyncpg.Connection, subject: str, name: str) -> bool:
    """Forget one claim; returns whether there was one. Raises StateError."""
    done = await _execute(
        connection, "DELETE FROM sallyport.claim WHERE subject = $1 AND name = $2", subject, name
    )
    return done != "DELETE 0"


async def listed(
    connection: asyncpg.Connection, subject: str | None = None
) -> Sequence[StoredClaim]:
    """All claims, or one subject's, in order. Raises StateError."""
    try:
        rows = await connection.fetch(
            "SELECT subject, name, value, set_at, set_by FROM sallyport.claim"
            " WHERE $1::text IS NULL OR subject = $1 ORDER BY subject, name",
            subject,
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database refused: {type(error).__name__}") from error
    return [StoredClaim(*row) for row in rows]


async def _execute(connection: asyncpg.Connection, statement: str, *arguments: object) -> str:
    try:
        done: str = await connection.execute(statement, *arguments)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StateError(f"the state database refused: {type(error).__name__}") from error
    return done
