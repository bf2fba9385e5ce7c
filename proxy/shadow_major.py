"""Which PostgreSQL the catalog server is: as configured, or as new as all sources allow.

This file must not know what a catalog server does. Theory: it must be started before the workers,
which read the sources' schemas, so each source is asked for its version first. One that cannot be
asked may be an old one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import asyncpg
import structlog

from proxy import assembly
from proxy.catalog.shadow import MAJOR_OLD, major_for
from proxy.runtime import config
from proxy.runtime.config import Configuration
from proxy.runtime.credential import CredentialError

AUTO = "auto"

_logger = structlog.get_logger("server")


def chosen(shadow: config.Shadow, source_majors: Sequence[int | None]) -> int:
    """The major version to start; None stands for a source whose version is not known."""
    if shadow.major != AUTO:
        return int(shadow.major)
    known = [major for major in source_majors if major is not None]
    return major_for(known) if len(known) == len(source_majors) else MAJOR_OLD


async def shadow_major(configuration: Configuration) -> int:
    """As `chosen`, asking the sources where it depends on them. Never raises for a source."""
    shadow = configuration.shadow
    if shadow.major != AUTO:
        return chosen(shadow, ())
    return await _newest(configuration)


async def merge_major(configuration: Configuration) -> int:
    """Which PostgreSQL the merge engine is: not older than the shadow, whose statements it runs,
    and as new as all sources allow, whose rules of texts it must have."""
    return max(await shadow_major(configuration), await _newest(configuration))


async def _newest(configuration: Configuration) -> int:
    found = await asyncio.gather(*map(_major, configuration.databases))
    unknown = [
        source.name
        for source, major in zip(configuration.databases, found, strict=True)
        if major is None
    ]
    if unknown:
        _logger.warning("version of a source not known", sources=unknown, catalog=MAJOR_OLD)
    return chosen(config.Shadow(), found)


async def _major(source: config.Source) -> int | None:
    try:
        connection = await assembly.introspection_connection(assembly.source_options(source))
        try:
            major: int = connection.get_server_version().major
        finally:
            await connection.close()
    except (
        OSError,
        ValueError,
        ssl.SSLError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        CredentialError,
    ):
        return None  # the workers find the reason, and tell it
    return major
