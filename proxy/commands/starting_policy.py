"""A policy file to begin with, from what a source holds: text out, nothing read.

Everything is denied in it. No rule grants anything, so no gate starts with it before a person has
written one; and what looks personal is absent, so that the first grant does not show it. What
the source itself grants stands beside each table as a comment.

INVARIANT: a comment ends with its line, whatever names and expressions of a database hold.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from proxy.catalog.definition import quote_identifier
from proxy.catalog.virtual import Column, Relation, SourceCatalog
from proxy.commands.personal import MASKS, looks_like
from proxy.commands.right import Grant, Rights, RowPolicy

_KIND_NAMES = {"v": "view", "m": "materialised view", "f": "foreign table", "p": "partitioned"}

_HEADER = """\
# A policy to begin with, written by `sallyport catalog import`. Everything is denied.
#
# 1. Declare roles, and the claims of your tokens.
# 2. Look at each line marked REVIEW: it looks personal, by its name. It is absent until you say
#    otherwise; a mask that may fit stands beside it. What is not marked was not recognised: look at
#    it too.
# 3. Add rules. What the source itself grants is told as comments, it grants nothing here.
# 4. `sallyport check`, and `sallyport policy test` for the cases that you write beside the rules.
version: 1
"""

_RULES = """\
    rules: []
    # - grant: all rows
    #   roles: [reader]"""


def policy_name(relation: Relation) -> str:
    """How a policy writes the relation: a part with a dot in it is quoted, as in SQL."""
    return ".".join(_part(name) for name in (relation.schema, relation.name))


def _part(name: str) -> str:
    return quote_identifier(name) if "." in name or name.startswith('"') else name


def starting_policy(catalog: SourceCatalog, rights: Mapping[int, Rights]) -> str:
    """The YAML text. `rights` by relation OID, as `read_rights` gives them."""
    relations = sorted(catalog.relations.values(), key=lambda one: (one.schema, one.name))
    tables = [
        _table(relation, rights.get(relation.oid, Rights()))
        for relation in relations
        if not relation.is_partition
    ]
    partitions = [one for one in relations if one.is_partition]
    masks = "\n".join(f"  {name}: {mask}" for name, mask in MASKS.items())
    parts = [
        _HEADER + f"source: {_scalar(catalog.source)}",
        "roles: {}\n#   reader: Reads …",
        f"masks:\n{masks}",
    ]
    parts.append(
        "tables:" if any(not table.startswith("  #") for table in tables) else "tables: {}"
    )
    parts += tables
    if partitions:
        names = ", ".join(f"{one.schema}.{one.name}" for one in partitions)
        parts.append(_comment(f"partitions, reached through their parents: {names}"))
    return "\n\n".join(parts) + "\n"


def _table(relation: Relation, rights: Rights) -> str:
    lines = [f"  {_scalar(policy_name(relation))}:"]
    if relation.kind in _KIND_NAMES:
        lines.append(_comment(f"    {_KIND_NAMES[relation.kind]}"))
    lines += [_comment(f"    {text}") for text in _rights_lines(rights)]
    lines.append("    columns:")
    lines += [_column(column) for column in relation.columns]
    lines.append(_RULES)
    if all(looks_like(column.name, column.type_name) for column in relation.columns):
        # A table that could show nothing is a mistake to the loader: it waits for its reviewer.
        title = _comment(f"  REVIEW {policy_name(relation)}: every column looks personal")
        return "\n".join([title, *(_comment(f"  {line[2:]}") for line in lines)])
    return "\n".join(lines)


def _column(column: Column) -> str:
    name = _scalar(column.name)
    kind = looks_like(column.name, column.type_name)
    if kind is None:
        return f"      {name}: visible"
    mask = f"; or {{mask: {kind.mask}}}" if kind.mask else ""
    return f"      {name}: absent  " + _comment(f"REVIEW: looks like {kind.title}{mask}")


def _rights_lines(rights: Rights) -> list[str]:
    lines = [_grant(grant) for grant in rights.grants]
    if rights.has_row_security:
        forced = ", forced on the owner too" if rights.is_forced else ""
        lines.append(f"row-level security at the source{forced}:")
        lines += [f"  {_row_policy(policy)}" for policy in rights.row_policies]
        if not rights.row_policies:
            lines.append("  no policy for reading: only the owner sees rows")
    return lines


def _grant(grant: Grant) -> str:
    columns = f" ({', '.join(grant.columns)})" if grant.columns else ""
    return f"at the source: SELECT{columns} to {grant.grantee}"


def _row_policy(policy: RowPolicy) -> str:
    effect = "" if policy.is_permissive else "restrictive, "
    condition = policy.condition or "true"
    return f"{policy.name} ({effect}to {', '.join(policy.roles)}): {condition}"


def _comment(text: str) -> str:
    """A comment of one line, indented as `text` is."""
    stripped = text.lstrip(" ")
    indent = " " * (len(text) - len(stripped))
    flat = " ".join("".join(c if c.isprintable() else " " for c in stripped).split(" "))
    return f"{indent}# {flat}"


def _scalar(text: str) -> str:
    """A YAML scalar on one line, quoted where YAML would read something else."""
    # Quoting always would be simpler, and nobody would want to read it.
    written: str = yaml.safe_dump(text, default_flow_style=True, width=10_000, allow_unicode=True)
    written = written.removesuffix("\n").removesuffix("\n...")
    if "\n" in written:
        written = yaml.safe_dump(text, default_style='"', width=10_000).strip()
    return written
