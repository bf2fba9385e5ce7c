"""What the role that we log in with may do at the source: the facts for the start-up check.

It must not know what follows from them: the gate refuses to start on superuser, BYPASSRLS or owner
(issue of the operator: policy would rest on a role that can step around everything else).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from policies.claims import ClaimType, to_text
from proxy.faults import SourceFault
from proxy.sources.postgres_backend import PostgresBackend
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_login import SERVER_VERSION_MIN

_TEXT_ARRAY: Final = ClaimType.parse("text[]")

# Attributes count also through roles that this one is a member of: it could SET ROLE to them.
_ROLE: Final = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
  (SELECT pg_catalog.bool_or(m.rolsuper OR m.rolbypassrls) FROM pg_catalog.pg_roles m
    WHERE m.oid <> r.oid AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')),
  (SELECT pg_catalog.string_agg(m.rolname, ',' ORDER BY m.rolname) FROM pg_catalog.pg_roles m
    WHERE m.oid <> r.oid AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')
      AND m.rolname LIKE 'pg\\_%')
FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER
"""

# pg_has_role(…, 'USAGE') is true for the owner itself and for members with inherited rights; MEMBER
# for all.
_RELATIONS: Final = """
SELECT n.nspname, c.relname, pg_catalog.pg_has_role(CURRENT_USER, c.relowner, 'MEMBER'),
  pg_catalog.has_table_privilege(c.oid, 'SELECT')
    OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
  pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE')
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))
  AS wanted(schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
ORDER BY 1, 2
"""


# Harmless even where it succeeds: the transaction around it is rolled back.
_WRITE: Final = "CREATE TEMP TABLE sallyport_write_probe ()"
_MODE: Final = "SELECT pg_catalog.current_setting('transaction_read_only')"
READ_ONLY_SQL_TRANSACTION: Final = "25006"


@dataclass(frozen=True, slots=True)
class RoleReport:
    """Facts about the upstream role; relations as (schema, name)."""

    role: str
    server_version: int
    is_superuser: bool
    bypasses_row_security: bool
    can_become_privileged: bool
    can_create_roles: bool
    can_create_databases: bool
    can_replicate: bool
    predefined_roles: tuple[str, ...]
    owned: tuple[tuple[str, str], ...]
    writable: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]

    @property
    def is_supported_version(self) -> bool:
        """True for PostgreSQL 14 and later."""
        return self.server_version >= SERVER_VERSION_MIN

    def reasons_to_refuse(self) -> tuple[str, ...]:
        """Why the gate must not start with this role; empty when it may."""
        reasons = []
        if not self.is_supported_version:
            reasons.append("the server is older than PostgreSQL 14")
        if self.is_superuser:
            reasons.append(f"role {self.role} is a superuser")
        if self.bypasses_row_security:
            reasons.append(f"role {self.role} has BYPASSRLS")
        if self.can_become_privileged:
            reasons.append(f"role {self.role} is a member of a superuser or BYPASSRLS role")
        if self.owned:
            names = ", ".join(f"{schema}.{name}" for schema, name in self.owned)
            reasons.append(f"role {self.role} owns {names}")
        return tuple(reasons)


async def inspect_role(
    connection: PostgresConnection, relations: Iterable[tuple[str, str]]
) -> RoleReport:
    """Ask the source about the role of this connection and its rights on `relations`. Raises
    SourceFault.
    """
    wanted = sorted(set(relations))
    backend: PostgresBackend = connection.backend
    rows = await backend.query(_ROLE, (), ())
    if len(rows) != 1:
        raise SourceFault("the source does not tell who we are")
    name, is_super, bypasses, makes_roles, makes_databases, replicates, privileged, predefined = (
        "" if cell is None else cell.decode() for cell in rows[0]
    )
    schemas = to_text(tuple(schema for schema, _ in wanted), _TEXT_ARRAY)
    names = to_text(tuple(relation for _, relation in wanted), _TEXT_ARRAY)
    found: dict[tuple[str, str], tuple[bool, bool, bool]] = {}
    for row in await backend.query(_RELATIONS, (schemas, names), (_TEXT_ARRAY.oid,) * 2):
        schema, relation, *flags = ("" if cell is None else cell.decode() for cell in row)
        is_owned, is_readable, is_writable = (flag == "t" for flag in flags)
        found[schema, relation] = (is_owned, is_readable, is_writable)
    return RoleReport(
        role=name,
        server_version=backend.session.server_version,
        is_superuser=is_super == "t",
        bypasses_row_security=bypasses == "t",
        can_become_privileged=privileged == "t",
        can_create_roles=makes_roles == "t",
        can_create_databases=makes_databases == "t",
        can_replicate=replicates == "t",
        predefined_roles=tuple(predefined.split(",")) if predefined else (),
        owned=tuple(key for key, (is_owned, _, _) in found.items() if is_owned),
        writable=tuple(key for key, (_, _, is_writable) in found.items() if is_writable),
        unreadable=tuple(key for key, (_, is_readable, _) in found.items() if not is_readable),
        missing=tuple(key for key in wanted if key not in found),
    )


async def reasons_not_read_only(connection: PostgresConnection) -> tuple[str, ...]:
    """Try on this connection what must not work: a write, inside a transaction as the gate opens
    it and, where the server is ours between transactions, outside. Empty when both were refused for
    the right reason. Raises SourceFault when the source cannot be asked.
    """
    reasons = []
    await connection.begin()
    try:
        if not await _refuses_writes(connection.backend):
            reasons.append("a transaction of the gate is not read-only at the server")
    finally:
        await connection.rollback()
    if not connection.backend.is_pooled_by_transaction and not await _refuses_writes(
        connection.backend
    ):
        reasons.append("the session is not read-only at the server")
    return tuple(reasons)


async def _refuses_writes(backend: PostgresBackend) -> bool:
    if await backend.query(_MODE, (), ()) != [(b"on",)]:
        return False
    try:
        await backend.query(_WRITE, (), ())
    except SourceFault as fault:
        return fault.sqlstate == READ_ONLY_SQL_TRANSACTION
    return False
