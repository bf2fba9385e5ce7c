"""The sample company: Fairlead Instruments, about 320,000 rows, made inside Postgres.

This file knows which SQL files make the company, in which order, and whether a cluster already has
it. It must not know the gate, its policies or its tokens: the company is an ordinary database whose
owner has never heard of a gate.

Theory of operation. Rows come from `INSERT … SELECT generate_series` with hashes for dice, so the
same build gives the same company. Everything is made in `company_building`, which is renamed to
`company` when it is whole: a half-loaded company cannot be mistaken for one. The digest of the SQL
files is the database's comment; another digest means another company, made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final, Protocol

import asyncpg

from policies.secret import Secret

DATABASE: Final = "company"
BUILDING_DATABASE: Final = "company_building"
SCHEMAS: Final = ("public", "sales", "support", "docs", "web", "hr", "org")
OWNER_ROLE: Final = "company_owner"
GATE_ROLE: Final = "sallyport_gate"

# Made by the owner, in one session: the dice of the first file live as long as the session.
_OWNER_STEPS: Final = (
    ("company_lexicon.sql", "words and dice"),
    ("company_schema.sql", "tables and types"),
    ("company_people.sql", "600 employees"),
    ("company_sales.sql", "12,000 customers, 65,000 orders, 148,000 order lines"),
    ("company_support.sql", "16,000 tickets and their messages"),
    ("company_documents.sql", "4,000 documents and 30,000 web events"),
    ("company_finish.sql", "keys, indexes, views, statistics"),
)
_GATE_STEP: Final = ("company_gate.sql", "the account of the gate")

_COMMENT_PREFIX: Final = "Fairlead Instruments, the sample company of Sallyport; build "


class Connect(Protocol):
    """Opens a superuser connection to the named database; `Cluster.connect` is one."""

    def __call__(self, database: str = ..., /) -> Awaitable[asyncpg.Connection]: ...


def digest() -> str:
    """SHA-256 (hex) over the SQL files in order: the company's version."""
    total = hashlib.sha256()
    for name, _ in (*_OWNER_STEPS, _GATE_STEP):
        total.update(name.encode() + b"\0" + _text(name).encode() + b"\0")
    return total.hexdigest()


async def is_loaded(connect: Connect) -> bool:
    """Whether the cluster holds the company, whole and of this version."""
    connection = await connect("postgres")
    try:
        found: str | None = await connection.fetchval(
            "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database"
            " WHERE datname = $1",
            DATABASE,
        )
    finally:
        await connection.close()
    return found == _COMMENT_PREFIX + digest()


async def load(
    connect: Connect,
    *,
    gate_password: Secret[str],
    progress: Callable[[str], None] = lambda step: None,
) -> bool:
    """Make the company if the cluster lacks this version of it, and set the gate's password.

    `progress` is told of each step before it begins. Returns whether rows were loaded (a few
    seconds) or the company was there already. Raises asyncpg.PostgresError.
    """
    is_present = await is_loaded(connect)
    connection = await connect("postgres")
    try:
        await _prepare_roles(connection, gate_password)
        if is_present:
            return False
        await connection.execute(f"DROP DATABASE IF EXISTS {BUILDING_DATABASE} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {BUILDING_DATABASE} OWNER {OWNER_ROLE}")
        await _build(connect, progress)
        await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await connection.execute(f"ALTER DATABASE {BUILDING_DATABASE} RENAME TO {DATABASE}")
        comment = _COMMENT_PREFIX + digest()
        await connection.execute(f"COMMENT ON DATABASE {DATABASE} IS '{comment}'")
    finally:
        await connection.close()
    return True


async def _prepare_roles(connection: asyncpg.Connection, gate_password: Secret[str]) -> None:
    for role in (OWNER_ROLE, GATE_ROLE):
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    # DDL takes no parameters; the server itself quotes the one value.
    change: str = await connection.fetchval(
        f"SELECT pg_catalog.format('ALTER ROLE {GATE_ROLE} LOGIN PASSWORD %L', $1::text)",
        gate_password.reveal(),
    )
    await connection.execute(change)


async def _build(connect: Connect, progress: Callable[[str], None]) -> None:
    connection = await connect(BUILDING_DATABASE)
    try:
        # Losing an unfinished build in a crash costs nothing: it is made anew.
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(f"SET ROLE {OWNER_ROLE}")
        for name, step in _OWNER_STEPS:
            progress(step)
            await connection.execute(_text(name))
        await connection.execute("RESET ROLE")
        name, step = _GATE_STEP
        progress(step)
        await connection.execute(_text(name))
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
