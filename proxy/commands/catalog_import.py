"""`sallyport catalog import`: from a live schema to a policy file to begin with.

This file must not know what looks personal, nor YAML. It connects, asks and writes. No connection
string is ever printed: it may hold a password.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from proxy import assembly
from proxy.catalog.introspect import introspect
from proxy.catalog.virtual import CatalogError, Relation, SourceCatalog
from proxy.commands.live import SourceUnreadable, read_folder, unreadable
from proxy.commands.looking import configuration as configuration_of
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, CommandError, give, give_json, tell
from proxy.commands.personal import looks_like
from proxy.commands.right import Rights, read_rights
from proxy.commands.starting_policy import starting_policy
from proxy.demo.terminal import Progress
from proxy.runtime.config import Files

CONNECT_SECONDS_MAX: Final = 10.0
NAME_DEFAULT: Final = "main"

_SOURCE_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_SCHEMES: Final = ("postgresql://", "postgres://")


def run(arguments: argparse.Namespace) -> int:
    """Import. Raises CommandError when the source cannot be read or the file exists already."""
    if (arguments.dsn is None) == (arguments.source is None):
        raise CommandError("give a connection string, or --source NAME: one of the two")
    output: Path | None = arguments.output
    if output is not None and output.exists():
        raise CommandError(f"{output} exists: it is never written over")
    try:
        with Progress(sys.stderr).step("reading the schema"):
            catalog, rights = asyncio.run(_read(arguments))
    except SourceUnreadable as error:
        raise CommandError(f"the source: {error}", EXIT_PROBLEMS) from error
    if not catalog.relations:
        raise CommandError("there is no table that this role could know of", EXIT_PROBLEMS)
    if arguments.json:
        for relation in _in_order(catalog):
            give_json(_as_json(relation, rights.get(relation.oid, Rights())))
    else:
        _write(starting_policy(catalog, rights), output)
    marked = sum(len(_marked(relation)) for relation in catalog.relations.values())
    tell(f"tables: {len(catalog.relations)}, columns to review: {marked}")
    return EXIT_OK


def _write(text: str, output: Path | None) -> None:
    if output is None:
        give(text.removesuffix("\n"))
        return
    with output.open("x", encoding="utf-8") as file:
        file.write(text)
    tell(f"written: {output}")


async def _read(arguments: argparse.Namespace) -> tuple[SourceCatalog, Mapping[int, Rights]]:
    folder = _folder(arguments)
    if folder is not None:
        return await read_folder(folder), {}
    connection, name = await _connect(arguments)
    schemas: Sequence[str] | None = arguments.schema
    try:
        catalog = await introspect(connection, name, schemas)
        return catalog, await read_rights(connection, list(catalog.relations.values()))
    except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise unreadable(error) from error
    finally:
        await connection.close()


def _folder(arguments: argparse.Namespace) -> Files | None:
    """The folder of files that is meant, if it is one. Raises CommandError."""
    if arguments.source is not None:
        return next(
            (x for x in configuration_of(arguments).folders if x.name == arguments.source), None
        )
    folder = Path(arguments.dsn)
    if arguments.dsn.startswith(_SCHEMES) or not folder.is_dir():
        return None
    return Files(_name(arguments), "files", folder)


def _name(arguments: argparse.Namespace) -> str:
    name = arguments.name or NAME_DEFAULT
    if not _SOURCE_NAME.fullmatch(name):
        raise CommandError("--name is lower-case letters, digits and underscores")
    assert isinstance(name, str), "text of the command line"
    return name


async def _connect(arguments: argparse.Namespace) -> tuple[asyncpg.Connection, str]:
    """A connection, and how the policy calls the source. Raises SourceUnreadable, CommandError."""
    if arguments.source is not None:
        sources = {one.name: one for one in configuration_of(arguments).databases}
        if arguments.source not in sources:
            raise CommandError(
                f'no source is called "{arguments.source}"; there are {", ".join(sources)}'
            )
        try:
            options = assembly.source_options(sources[arguments.source])
            return await assembly.introspection_connection(options), arguments.source
        except Exception as error:
            raise unreadable(error) from error
    name = _name(arguments)
    if not arguments.dsn.startswith(_SCHEMES):
        raise CommandError("a connection string begins with postgresql://, or name a folder")
    try:
        return await asyncpg.connect(arguments.dsn, timeout=CONNECT_SECONDS_MAX), name
    except Exception as error:
        raise unreadable(error) from error


def _in_order(catalog: SourceCatalog) -> list[Relation]:
    return sorted(catalog.relations.values(), key=lambda one: (one.schema, one.name))


def _marked(relation: Relation) -> dict[str, str]:
    """The columns to review and what each looks like."""
    found = ((one.name, looks_like(one.name, one.type_name)) for one in relation.columns)
    return {name: kind.title for name, kind in found if kind is not None}


def _as_json(relation: Relation, rights: Rights) -> dict[str, object]:
    marked = _marked(relation)
    return {
        "schema": relation.schema,
        "name": relation.name,
        "kind": relation.kind,
        "is_partition": relation.is_partition,
        "columns": [
            {"name": one.name, "type": one.type_name, "looks_like": marked.get(one.name)}
            for one in relation.columns
        ],
        "grants": [{"grantee": one.grantee, "columns": list(one.columns)} for one in rights.grants],
        "row_security": {
            "enabled": rights.has_row_security,
            "forced": rights.is_forced,
            "policies": [
                {
                    "name": one.name,
                    "roles": list(one.roles),
                    "permissive": one.is_permissive,
                    "condition": one.condition,
                }
                for one in rights.row_policies
            ],
        },
    }
