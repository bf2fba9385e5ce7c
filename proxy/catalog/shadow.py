"""The shadow: a disposable, locked-down Postgres that holds the visible schema of each class.

It is the type checker of every statement and it answers catalog statements. It holds no row of any
source and no secret; a class's role can reach its own database alone, over a private Unix socket
(`samerole` in pg_hba.conf: a role may connect only to the database that bears its name).

This file must not know SQL statements. It owns the cluster, or attaches to one that a parent
process owns, and keeps at most `classes_max` class databases, the least recently used going first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from proxy.catalog.class_database import (
    ClusterAddress,
    class_name,
    drop_class,
    ensure_class,
    prepare_template,
    server_version,
)
from proxy.catalog.shadow_class import LinkCount, Materialised, ShadowClass
from proxy.catalog.virtual import ClassCatalog
from proxy.faults import SourceFault
from proxy.runtime.embedded import DEFAULT_MAJOR, Cluster

CLASSES_MAX: Final = 64  # 8 to 35 MB of disk each
MAJOR_OLD: Final = 16
MAJOR_NEW: Final = 18
SOURCE_MAJOR_OF_NEW: Final = 17
"""The oldest sources that a new shadow stands for: JSON_TABLE and its like began there."""

AUTHENTICATION: Final = ("local samerole all trust",)
SETTINGS: Final = {
    "max_connections": "250",
    "max_locks_per_transaction": "128",  # one transaction builds a class of thousands of relations
    "temp_file_limit": "65536",  # kB per backend: a catalog bomb ends with 53400, not a full disk
    "superuser_reserved_connections": "5",
}


class RunningCluster(ClusterAddress, Protocol):
    """A cluster that runs: ours, or a parent process's."""

    @property
    def socket_path(self) -> Path: ...


def major_for(source_majors: Iterable[int]) -> int:
    """Which Postgres the shadow should be for sources of these major versions.

    The newer one where every source is new enough; else the older, which knows less than a new
    source, but claims nothing that an old one lacks. Without sources: the older.
    """
    majors = list(source_majors)
    is_new = bool(majors) and min(majors) >= SOURCE_MAJOR_OF_NEW
    return MAJOR_NEW if is_new else MAJOR_OLD


def shadow_cluster(directory: Path, major: int | None = DEFAULT_MAJOR) -> Cluster:
    """The cluster that a shadow needs, not yet started. `directory` is the shadow's alone."""
    return Cluster(
        directory,
        major=major,
        durable=False,
        settings=SETTINGS,
        authentication=AUTHENTICATION,
    )


class Shadow:
    """The shadow of one virtual database.

    Args: `cluster` from `shadow_cluster`, running; `database_name` is what clients see as the
    current database; `classes_max` bounds the class databases kept.
    """

    def __init__(
        self, cluster: RunningCluster, database_name: str, classes_max: int = CLASSES_MAX
    ) -> None:
        self.database_name = database_name
        self._cluster = cluster
        self._classes_max = classes_max
        self._template: str | None = None
        self.server_version = ""
        """As clients are told it, such as 16.14; `start` comes first."""
        self._known: dict[str, ShadowClass] = {}
        self._made: OrderedDict[str, ShadowClass] = OrderedDict()
        self._links = LinkCount()

    def __repr__(self) -> str:
        return f"<Shadow of {self.database_name!r}, {len(self._made)} classes>"

    @property
    def class_count(self) -> int:
        """Classes that have a database now."""
        return len(self._made)

    @property
    def facts(self) -> dict[str, str]:
        """The settings that tell of the version, as every session shows them."""
        major, _, minor = self.server_version.partition(".")
        number = f"{int(major)}{int(minor or 0):04}"
        return {"server_version": self.server_version, "server_version_num": number}

    async def start(self) -> None:
        """Lock down the template, unless it is there. The cluster must be running."""
        self._template = await prepare_template(self._cluster, self.database_name)
        self.server_version = await server_version(self._cluster)

    async def close(self) -> None:
        """Close all links. The cluster, and class databases for the next run, stay."""
        for known in self._known.values():
            known.forget()
        self._made.clear()

    async def class_for(self, catalog: ClassCatalog) -> ShadowClass:
        """The class that sees `catalog`; equal catalogs share one. Its database is made when it is
        first asked something, so this never waits and never fails."""
        known = self._known.get(catalog.key)
        if known is None:
            known = ShadowClass(catalog, self._cluster.socket_path, self._materialise, self._links)
            self._known[catalog.key] = known
        if catalog.key in self._made:
            self._made.move_to_end(catalog.key)
        return known

    async def _materialise(self, wanted: ShadowClass) -> Materialised:
        assert self._template is not None, "start() comes first"
        try:
            # The cluster may have been made anew since the last class was.
            self._template = await prepare_template(self._cluster, self.database_name)
            oids = await ensure_class(self._cluster, wanted.catalog, self._template)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise SourceFault("the catalog is not available", sqlstate="57P03") from error
        self._made[wanted.catalog.key] = wanted
        self._made.move_to_end(wanted.catalog.key)
        await self._make_room(wanted)
        return Materialised(class_name(wanted.catalog, self._template), oids)

    async def _make_room(self, wanted: ShadowClass) -> None:
        """Drop the least recently used classes above the cap, but none that is in use."""
        excess = len(self._made) - self._classes_max
        idle = [key for key, made in self._made.items() if made is not wanted and not made.users]
        for key in idle[: max(excess, 0)]:
            name = self._made.pop(key).forget()
            self._known.pop(key, None)  # most are of schemas and policies that were
            if name is not None:
                admin = await self._cluster.connect()
                try:
                    await drop_class(admin, name)
                finally:
                    await admin.close()
