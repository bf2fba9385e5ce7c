"""What `sallyport doctor` learns about the state database: is it there, and is it up to date.

This file must not know what is kept there. It changes nothing: it starts no embedded database and
applies no migration.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from proxy.commands.finding import Finding
from proxy.runtime.config import State
from proxy.runtime.state.migrate import read
from proxy.runtime.state.place import StateError, StatePlace

SUBJECT: Final = "state database"


async def state_database(state: State | None) -> list[Finding]:
    """One finding, or none without a `state` section."""
    if state is None:
        return []
    if state.directory is not None:
        place = StatePlace.of_cluster(state.directory)
    else:
        place = StatePlace.configured(state)
    try:
        connection = await place.connect()
    except StateError as error:
        if state.directory is not None:
            return [Finding(SUBJECT, "ok", "embedded; it runs while the gate does")]
        advice = "logins by access token are refused until it answers; JWTs go on"
        return [Finding(SUBJECT, "problem", str(error), advice)]
    try:
        return [await _migrations(connection)]
    finally:
        await connection.close()


async def _migrations(connection: asyncpg.Connection) -> Finding:
    known = [(step.number, step.digest) for step in read()]
    try:
        rows = await connection.fetch(
            "SELECT number, digest FROM sallyport.migration ORDER BY number"
        )
    except asyncpg.PostgresError:
        return Finding(SUBJECT, "ok", "empty; the first start of the gate prepares it")
    applied = [(row["number"], row["digest"]) for row in rows]
    if applied != known[: len(applied)]:
        advice = "run the version of sallyport that made it, or a newer one"
        return Finding(SUBJECT, "problem", "its migrations are not those of this program", advice)
    if len(applied) < len(known):
        missing = len(known) - len(applied)
        return Finding(SUBJECT, "ok", f"{missing} migrations to come at the next start")
    return Finding(SUBJECT, "ok", "reachable and up to date")
