"""The databases of the merge engine: made from a set of types, locked down, dropped when unused.

A database gets its final name only when it is complete, so whoever finds one may use it: other
processes of the gate, too. An advisory lock keeps two from making or dropping the same one at once.

This file must not know statements, policies or connections that rows are loaded into.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from proxy.catalog.class_building import ClusterAddress
from proxy.catalog.class_database import database_exists, drop_class, lock_down, make_role
from proxy.catalog.definition import quote_identifier, quote_literal, type_definition
from proxy.catalog.virtual import CatalogError, ClassCatalog, TextRules
from proxy.faults import UnsupportedFault
from proxy.sql.exact import common_rules

BUILTIN_PREFIX: Final = "builtin:"  # of `TextRules` (proxy/catalog/introspect.py)
DATABASE_PREFIX: Final = "m_"
DIGITS: Final = 24  # 96 bits of the design's digest: not to be guessed, nor met by chance


@dataclass(frozen=True, slots=True)
class Design:
    """What a database of the engine must have: types, and rules of texts."""

    statements: tuple[str, ...]
    rules: TextRules

    @property
    def name(self) -> str:
        """Of the database and of its role."""
        text = "\0".join([repr(self.rules), *self.statements])
        return DATABASE_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def design_of(catalog: ClassCatalog, sources: Collection[str]) -> Design:
    """What statements over `sources` need, of somebody who sees `catalog`.

    Raises UnsupportedFault when the sources' types cannot stand in one database.
    """
    try:
        statements = tuple(type_definition(catalog))
    except CatalogError as error:
        raise UnsupportedFault(
            "the sources of this statement define a type differently", detail=str(error)
        ) from error
    # Where they differ the statement does not depend on it (`proxy/sql/exact.py`).
    # A folder has no rules of its own: it follows the databases that it is joined with.
    known = (catalog.text_rules.get(source) for source in sources)
    rules = common_rules(one for one in known if one is not None) or TextRules()
    return Design(statements, rules)


async def ensure(cluster: ClusterAddress, design: Design, database_name: str) -> tuple[str, ...]:
    """Make the database and its role unless they are there. Returns the names of all databases.

    `database_name` is what clients see as the current database. Raises UnsupportedFault for a
    locale that the machine lacks, OSError, asyncpg's errors.
    """
    async with _locked(cluster, design.name) as admin:
        if not await database_exists(admin, design.name):
            await _build(cluster, admin, design, database_name)
        rows = await admin.fetch(
            "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", DATABASE_PREFIX
        )
    return tuple(row["datname"] for row in rows)


async def drop(cluster: ClusterAddress, name: str) -> None:
    """Drop a database and its role, unless somebody is connected to it. Raises OSError, asyncpg's
    errors."""
    async with _locked(cluster, name) as admin:
        await drop_class(admin, name)


@asynccontextmanager
async def _locked(cluster: ClusterAddress, name: str) -> AsyncIterator[asyncpg.Connection]:
    admin = await cluster.connect()
    try:
        await admin.execute("SELECT pg_advisory_lock(hashtext($1))", name)
        yield admin
    finally:
        await admin.close()


async def _build(
    cluster: ClusterAddress, admin: asyncpg.Connection, design: Design, database_name: str
) -> None:
    name = design.name
    building = f"new_{name}"
    await admin.execute(f"DROP DATABASE IF EXISTS {building}")
    await make_role(admin, name)
    try:
        await admin.execute(
            f"CREATE DATABASE {building} TEMPLATE template0 {_locale(design.rules)}"
        )
    except (asyncpg.WrongObjectTypeError, asyncpg.PostgresSyntaxError) as error:
        raise UnsupportedFault(
            "the machine of this gate lacks the locale of the statement's sources",
            detail=f"Locale {design.rules.collate}.",
        ) from error
    await lock_down(cluster, building, database_name)
    connection = await cluster.connect(building)
    try:
        if design.statements:
            await connection.execute(";\n".join(design.statements))
    finally:
        await connection.close()
    await admin.execute(f"REVOKE ALL ON DATABASE {building} FROM PUBLIC")
    await admin.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {building} TO {name}")
    await admin.execute(f"ALTER DATABASE {building} RENAME TO {quote_identifier(name)}")


def _locale(rules: TextRules) -> str:
    """The options of CREATE DATABASE; template0's own provider depends on the major."""
    if rules.ctype.startswith(BUILTIN_PREFIX):  # since 17; an older engine refuses the word
        locale = quote_literal(rules.ctype.removeprefix(BUILTIN_PREFIX))
        return f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C'"
    collate, ctype = quote_literal(rules.collate), quote_literal(rules.ctype)
    return f"LOCALE_PROVIDER libc LC_COLLATE {collate} LC_CTYPE {ctype}"
