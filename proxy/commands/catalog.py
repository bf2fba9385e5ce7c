"""`sallyport catalog import`: a starting policy from what a source has.

Everything is denied in it: tables and columns are listed, no rule grants them. Columns that look
personal are marked for review. Rights that the database itself gives (GRANT, row-level security)
are told as comments beside each table, because they say what somebody once intended.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import asyncpg

from proxy import assembly
from proxy.catalog.introspect import introspect
from proxy.catalog.virtual import CatalogError, SourceCatalog
from proxy.commands.output import (
    EXIT_OK,
    EXIT_REFUSED,
    Subparsers,
    complain,
    configuration_argument,
    say,
)
from proxy.commands.starting_policy import Rights, read_rights, starting_policy
from proxy.runtime.config import ConfigurationError, load
from proxy.sources.credential import CredentialError
from proxy.sources.postgres_options import PostgresOptions


def add(subparsers: Subparsers) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("catalog", help="read a source's schema")
    nested = parser.add_subparsers(required=True, metavar="COMMAND")
    imported = nested.add_parser(
        "import",
        help="write a starting policy: everything denied, personal-looking columns marked",
        description="Reads the schema of a source and writes a policy file in which nothing is "
        "granted. Columns that look personal are marked `# review`.",
    )
    configuration_argument(imported)
    imported.add_argument("--source", help="which source; default: the first")
    imported.add_argument("--output", type=Path, help="file to write; default: standard output")
    imported.set_defaults(run=_import)


def _import(arguments: argparse.Namespace) -> int:
    try:
        configuration = load(arguments.configuration, is_demonstration=True)
        by_name = {source.name: source for source in configuration.sources}
        name = arguments.source or configuration.sources[0].name
        if name not in by_name:
            raise ValueError(f"no source is called {name}; there are {', '.join(by_name)}")
        options = assembly.source_options(by_name[name])
        catalog, rights = asyncio.run(_read(options, name))
        text = starting_policy(catalog, rights)
        if arguments.output is None:
            say(text)
        else:
            with arguments.output.open("x") as file:
                file.write(text)
    except FileExistsError:
        complain(f"{arguments.output} exists; it is not overwritten")
        return EXIT_REFUSED
    except (ConfigurationError, CatalogError, CredentialError, OSError, ValueError) as error:
        complain(str(error))
        return EXIT_REFUSED
    except asyncpg.PostgresError as error:
        complain(f"the source refused: {error}")
        return EXIT_REFUSED
    return EXIT_OK


async def _read(
    options: PostgresOptions, name: str
) -> tuple[SourceCatalog, dict[tuple[str, str], Rights]]:
    connection = await assembly.introspection_connection(options)
    try:
        return await introspect(connection, name), await read_rights(connection)
    finally:
        await connection.close()
