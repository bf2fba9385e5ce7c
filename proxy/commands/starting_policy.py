"""A policy file in which everything is denied, written from a source's schema: text out.

Personal-looking columns are found by name, in a list that prefers a mark too many: a person reviews
each. What the database itself grants is told beside each table as a comment and grants nothing.

This file must not print. `read_rights` asks a connection that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
import yaml

from proxy.catalog.virtual import Relation, SourceCatalog

REVIEW = "# review: looks personal"

_PERSONAL = re.compile(
    r"""(^|_)(name|first|last|sur|maiden|birth|dob|age|gender|sex|race|religion|nationality|
    mail|email|phone|mobile|fax|address|street|city|zip|postal|postcode|lat|lon|latitude|longitude|
    ssn|sin|nino|passport|national|tax|vat|iban|bic|swift|account|card|pan|cvv|salary|wage|pay|
    income|bonus|password|passwd|secret|token|key|pin|ip|mac|device|cookie|login|user|username|
    health|diagnosis|blood|note|notes|comment|message|body|text|photo|signature)(_|$|\d)""",
    re.IGNORECASE | re.VERBOSE,
)

# Not rolname of pg_database_owner and the like: only rights that somebody gave.
_GRANTS = """
SELECT n.nspname AS schema, c.relname AS name,
  coalesce(g.rolname, 'PUBLIC') AS grantee,
  string_agg(DISTINCT a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND a.grantee <> c.relowner
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_ROW_SECURITY = """
SELECT schemaname AS schema, tablename AS name, policyname AS policy, cmd AS command,
  array_to_string(roles, ', ') AS roles, qual AS condition
FROM pg_catalog.pg_policies WHERE cmd IN ('SELECT', 'ALL') ORDER BY 1, 2, 3
"""


@dataclass
class Rights:
    """What the database grants on one relation, as lines for a reader."""

    lines: list[str] = field(default_factory=list)


async def read_rights(connection: asyncpg.Connection) -> dict[tuple[str, str], Rights]:
    """GRANTs and row-level security policies, by schema and name. Raises asyncpg's errors."""
    found: dict[tuple[str, str], Rights] = {}
    for row in await connection.fetch(_GRANTS):
        rights = found.setdefault((row["schema"], row["name"]), Rights())
        rights.lines.append(f"granted to {row['grantee']}: {row['privileges']}")
    for row in await connection.fetch(_ROW_SECURITY):
        rights = found.setdefault((row["schema"], row["name"]), Rights())
        condition = " ".join((row["condition"] or "true").split())
        rights.lines.append(f"row-level security {row['policy']}, {row['roles']}: {condition}")
    return found


def starting_policy(catalog: SourceCatalog, rights: Mapping[tuple[str, str], Rights]) -> str:
    """The YAML text. It grants nothing, so no gate starts with it before somebody wrote a rule."""
    lines = [
        "# A starting policy: every table is listed and nothing is granted.",
        "# Declare roles, add rules under each table, mask or remove what is marked `review`.",
        "version: 1",
        f"source: {_scalar(catalog.source)}",
        "",
        "roles: {}",
        "",
        "tables:",
    ]
    for key in sorted(catalog.relations, key=lambda key: (key.schema, key.name)):
        relation = catalog.relations[key]
        lines += _table(relation, rights.get((key.schema, key.name), Rights()))
    return "\n".join(lines) + "\n"


def _table(relation: Relation, rights: Rights) -> list[str]:
    lines = [f"  {_scalar(f'{relation.schema}.{relation.name}')}:"]
    # A comment ends at a line break, whatever the database's names hold.
    lines += [f"    # {' '.join(line.split())}" for line in rights.lines]
    lines.append("    columns:")
    for column in relation.columns:
        mark = f"  {REVIEW}" if looks_personal(column.name) else ""
        lines.append(f"      {_scalar(column.name)}: {{}}{mark}")
    lines += ["    rules: []", ""]
    return lines


def looks_personal(name: str) -> bool:
    """Whether a column of this name may hold something about a person."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return _PERSONAL.search(spaced) is not None


def _scalar(text: str) -> str:
    """A YAML scalar, quoted where YAML would read something else."""
    written: str = yaml.safe_dump(text, default_flow_style=True, width=10_000, allow_unicode=True)
    return written.removesuffix("\n...\n").strip()
