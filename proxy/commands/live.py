"""The sources as they are now: their schemas, and what our role there may do. Changes nothing.

This file must not know policies. What goes wrong at one source is a sentence in its view, and the
others are looked at all the same.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import asyncpg

from proxy import assembly
from proxy.catalog.extension import TrustedExtension
from proxy.catalog.files import file_catalog
from proxy.catalog.introspect import introspect
from proxy.catalog.virtual import CatalogError, SourceCatalog
from proxy.demo.terminal import Progress
from proxy.extensions import trusted_extensions
from proxy.faults import Fault
from proxy.runtime import config
from proxy.runtime.credential import CredentialError
from proxy.sources.base import SourceState
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_options import PostgresOptions
from proxy.sources.postgres_role import RoleReport, inspect_role


@dataclass(slots=True)
class SourceView:
    """One source. `catalog` and `role` None: could not be read, then `failures` says why."""

    name: str
    catalog: SourceCatalog | None = None
    role: RoleReport | None = None
    failures: list[str] = field(default_factory=list)


async def look_at_sources(
    configuration: config.Configuration,
    relations: Iterable[tuple[str, str, str]],
    progress: Progress,
) -> list[SourceView]:
    """Every source of the configuration, in its order.

    `relations` as (source, schema, name) are those whose rights are asked for.
    """
    wanted = list(relations)
    views = []
    for source in configuration.sources:
        own = [(schema, name) for of, schema, name in wanted if of == source.name]
        with progress.step(f"source {source.name}"):
            views.append(await look_at_source(source, own, trusted_extensions(configuration)))
    return views


async def look_at_source(
    source: config.Source | config.Files,
    relations: Iterable[tuple[str, str]],
    extensions: Sequence[TrustedExtension] = (),
) -> SourceView:
    """Schema and role of one source; never raises for what is wrong there."""
    view = SourceView(source.name)
    try:
        if isinstance(source, config.Files):
            view.catalog = await read_folder(source)
            return view
        options = assembly.source_options(source)
        view.catalog = await read_schema(options, extensions)
        view.role = await _read_role(options, relations)
    except SourceUnreadable as error:
        view.failures.append(str(error))
    except (ValueError, ssl.SSLError, OSError) as error:
        view.failures.append(f"its settings cannot be used: {type(error).__name__}")
    return view


class SourceUnreadable(Exception):
    """A source cannot be looked at; the message holds no secret and no connection string."""


async def read_folder(files: config.Files) -> SourceCatalog:
    """What a folder holds. Raises SourceUnreadable."""
    source = assembly.files_source(files)
    try:
        return file_catalog(source.name, source.schema, await source.tables())
    except Fault as fault:
        raise SourceUnreadable(fault.message) from fault
    finally:
        await source.close()


async def read_schema(
    options: PostgresOptions, extensions: Sequence[TrustedExtension] = ()
) -> SourceCatalog:
    """The schema of a source. Raises SourceUnreadable."""
    try:
        connection = await assembly.introspection_connection(options)
    except Exception as error:
        raise unreadable(error) from error
    try:
        return await introspect(connection, options.name, extensions=extensions)
    except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise unreadable(error) from error
    finally:
        await connection.close()


def unreadable(error: Exception) -> SourceUnreadable:
    """The error of connecting or reading, in words for an operator.

    PostgreSQL's own texts name roles and databases, never a password; texts of other errors may
    quote a connection string, so only their kind is told.
    """
    if isinstance(error, CatalogError | CredentialError | asyncpg.PostgresError):
        return SourceUnreadable(str(error))
    if isinstance(error, TimeoutError):
        return SourceUnreadable("it does not answer in time")
    if isinstance(error, ssl.SSLError):
        return SourceUnreadable(f"TLS: {getattr(error, 'reason', None) or type(error).__name__}")
    if isinstance(error, OSError):
        return SourceUnreadable(f"it cannot be reached: {error.strerror or type(error).__name__}")
    return SourceUnreadable(f"it cannot be connected to: {type(error).__name__}")


async def _read_role(options: PostgresOptions, relations: Iterable[tuple[str, str]]) -> RoleReport:
    """Through the gate's own client, so that its way of logging in is tried as well."""
    source = PostgresSource(options)
    try:
        await source.start()
        if source.state is not SourceState.UP:
            raise SourceUnreadable(source.down_reason or "the gate's own client cannot connect")
        connection = await source.acquire({})
        try:
            return await inspect_role(connection, relations)
        finally:
            await connection.release()
    except Fault as fault:
        raise SourceUnreadable(fault.message) from fault
    finally:
        await source.close()
