"""What a source itself allows: GRANTs on tables and columns, and row-level security policies.

Read to be shown to whoever writes a policy, because they say what somebody once intended; nothing
here grants anything. PostgreSQL documentation: pg_class.relacl, pg_attribute.attacl, pg_policy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from proxy.catalog.virtual import Relation

# Rights of the owner need no grant and say nothing; of the others only reading concerns a gate that
# reads. Grantee 0 is PUBLIC.
_GRANTS = """
SELECT c.oid::bigint AS relation_oid, NULL AS column_name,
       coalesce(r.rolname, 'PUBLIC') AS grantee
FROM pg_catalog.pg_class c
CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) g
LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
WHERE c.oid = ANY($1::bigint[]::oid[]) AND g.privilege_type = 'SELECT' AND g.grantee <> c.relowner
UNION ALL
SELECT c.oid::bigint, a.attname, coalesce(r.rolname, 'PUBLIC')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) g
LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
WHERE c.oid = ANY($1::bigint[]::oid[]) AND g.privilege_type = 'SELECT' AND g.grantee <> c.relowner
ORDER BY 1, 3, 2
"""

_ROW_SECURITY = """
SELECT c.oid::bigint AS relation_oid, c.relforcerowsecurity AS is_forced, p.polname AS name,
       p.polpermissive AS is_permissive,
       CASE WHEN p.polname IS NOT NULL THEN
         ARRAY(SELECT coalesce(r.rolname::text, 'PUBLIC') FROM unnest(p.polroles) AS one(oid)
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = one.oid ORDER BY 1) END AS roles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS condition
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid AND p.polcmd IN ('r', '*')
WHERE c.relrowsecurity AND c.oid = ANY($1::bigint[]::oid[])
ORDER BY 1, p.polname
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """SELECT for `grantee` on a relation; `columns` empty: on all of it."""

    grantee: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """One row-level security policy for reading; `condition` None: it lets every row through."""

    name: str
    roles: tuple[str, ...]
    condition: str | None
    is_permissive: bool = True


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one relation. With `has_row_security` and no policy, only its owner sees rows there."""

    grants: tuple[Grant, ...] = ()
    has_row_security: bool = False
    is_forced: bool = False
    row_policies: tuple[RowPolicy, ...] = ()


async def read_rights(
    connection: asyncpg.Connection, relations: list[Relation]
) -> Mapping[int, Rights]:
    """The rights of each relation that has any, by its OID. Raises asyncpg's errors."""
    oids = [relation.oid for relation in relations]
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # What is not on the path is printed with its schema.
        await connection.execute("SET LOCAL search_path TO pg_catalog")
        grants = _grants(await connection.fetch(_GRANTS, oids))
        secured: dict[int, list[asyncpg.Record]] = defaultdict(list)
        for row in await connection.fetch(_ROW_SECURITY, oids):
            secured[row["relation_oid"]].append(row)
    return {
        oid: Rights(
            grants=grants.get(oid, ()),
            has_row_security=oid in secured,
            is_forced=any(row["is_forced"] for row in secured[oid]) if oid in secured else False,
            row_policies=tuple(
                RowPolicy(row["name"], tuple(row["roles"]), row["condition"], row["is_permissive"])
                for row in secured.get(oid, ())
                if row["name"] is not None
            ),
        )
        for oid in grants.keys() | secured.keys()
    }


def _grants(rows: list[asyncpg.Record]) -> dict[int, tuple[Grant, ...]]:
    columns: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    whole: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row["column_name"] is None:
            whole[row["relation_oid"]].add(row["grantee"])
        columns[row["relation_oid"]][row["grantee"]].append(row["column_name"])
    return {
        oid: tuple(
            Grant(grantee) if grantee in whole[oid] else Grant(grantee, tuple(names))
            for grantee, names in by_grantee.items()
        )
        for oid, by_grantee in columns.items()
    }
