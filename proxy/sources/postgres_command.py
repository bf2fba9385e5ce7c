"""The few statements that this source runs of its own accord. Constants, all of them.

INVARIANT I1: the only texts that reach a server besides a `Fragment`. What varies travels as a
parameter, or is one of a fixed list, or is a quoted identifier made here (savepoints).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.faults import SourceFault
from proxy.sources.base import ISOLATION_LEVELS

# NAMEDATALEN - 1; a longer name would be cut and could collide.
IDENTIFIER_BYTES_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class Command:
    """One constant statement, and the tags that a complete answer shows, in order."""

    sql: str
    tags: tuple[str, ...]


COMMIT: Final = Command("COMMIT", ("COMMIT",))
ROLLBACK: Final = Command("ROLLBACK", ("ROLLBACK",))

_DISCARDED: Final = ("DISCARD SEQUENCES", "DISCARD TEMP")

# What DISCARD ALL does (PostgreSQL documentation, DISCARD), in one round trip, except that it keeps
# the prepared statements, whose names and texts are ours, and the plans they have. RESET ROLE and
# SESSION AUTHORIZATION come first, so that the rest runs as the connection's own role.
RESET: Final = Command(
    "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; CLOSE ALL; UNLISTEN *; RESET ALL; "
    "SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP",
    # One tag each, in the order above.
    ("SET", "RESET", "CLOSE CURSOR ALL", "UNLISTEN", "RESET", "SELECT 1", *_DISCARDED),
)

# Sets pairs of name and value without returning a row: set_config never returns NULL. A value of
# NULL sets back to the default (PostgreSQL source, set_config_by_name: "a reset request").
# The names come from the allow-list in `postgres_pins.py`.
SET_FOR_SESSION: Final = (
    "SELECT FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) "
    "AS pins(name, value) WHERE pg_catalog.set_config(name, value, false) IS NULL"
)
SET_FOR_TRANSACTION: Final = SET_FOR_SESSION.replace("false)", "true)")


def begin(isolation: str | None, deferrable: bool) -> Command:
    """BEGIN, always READ ONLY. Raises SourceFault 22023 for an unknown isolation level."""
    parts = ["BEGIN"]
    if isolation is not None:
        level = isolation.upper()
        if level not in ISOLATION_LEVELS:
            raise SourceFault("invalid isolation level", sqlstate="22023")
        parts.append(f"ISOLATION LEVEL {level}")
    parts.append("READ ONLY")
    if deferrable:
        parts.append("DEFERRABLE")
    return Command(" ".join(parts), ("BEGIN",))


def savepoint(name: str) -> Command:
    """SAVEPOINT with the name quoted. Raises SourceFault 42602 for a name that no server would
    take.
    """
    return Command(f"SAVEPOINT {quoted_identifier(name)}", ("SAVEPOINT",))


def rollback_to(name: str) -> Command:
    return Command(f"ROLLBACK TO SAVEPOINT {quoted_identifier(name)}", ("ROLLBACK",))


def release_savepoint(name: str) -> Command:
    return Command(f"RELEASE SAVEPOINT {quoted_identifier(name)}", ("RELEASE",))


def quoted_identifier(name: str) -> str:
    """Quote an identifier (PostgreSQL documentation, 4.1.1). Raises SourceFault 42602."""
    if not name or "\0" in name or len(name.encode("utf-8", "replace")) > IDENTIFIER_BYTES_MAX:
        raise SourceFault("invalid name", sqlstate="42602")
    return '"' + name.replace('"', '""') + '"'
