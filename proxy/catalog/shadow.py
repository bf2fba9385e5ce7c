"""The shadow: a disposable, locked-down Postgres that holds the visible schema of each class.

It is the type checker of every statement and it answers catalog statements. It holds no row of any
source and no secret; a class's role can reach its own database alone, over a private Unix socket
(`samerole` in pg_hba.conf: a role may connect only to the database that bears its name).

This file must not know SQL statements. It owns the cluster, or attaches to one that a parent
process owns, and keeps at most `classes_max` class databases, the least recently used going first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from proxy.catalog.class_building import ClusterAddress
from proxy.catalog.class_database import (
    CLASS_PREFIX,
    class_name,
    class_sizes,
    database_exists,
    draft_name,
    drop_class,
    ensure_class,
    ensure_draft,
    prepare_template,
    server_version,
)
from proxy.catalog.class_links import LinkBudget
from proxy.catalog.shadow_class import Materialised, Places, ShadowClass
from proxy.catalog.virtual import ClassCatalog
from proxy.faults import LimitFault, SourceFault
from proxy.runtime.embedded import DEFAULT_MAJOR, Cluster

MAJOR_OLD: Final = 16
MAJOR_NEW: Final = 18
SOURCE_MAJOR_OF_NEW: Final = 17
"""The oldest sources that a new shadow stands for: JSON_TABLE and its like began there."""
CLASSES_MAX: Final = 64
BYTES_MAX: Final = 4 * 1024**3  # a class takes 8 MB of disk, and some 25 kB for each of its tables
WHOLES_AT_ONCE: Final = 1  # it keeps a core busy
DRAFTS_AT_ONCE: Final = 2
BUILD_WAIT_SECONDS: Final = 60.0  # in which some two hundred drafts are made
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
    current database; `classes_max` bounds the classes kept, `bytes_max` their disk.
    """

    def __init__(
        self,
        cluster: RunningCluster,
        database_name: str,
        classes_max: int = CLASSES_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self.database_name = database_name
        self._cluster = cluster
        self._classes_max = classes_max
        self._bytes_max = bytes_max
        self._template: str | None = None
        self.server_version = ""
        """As clients are told it, such as 16.14; `start` comes first."""
        self._known: dict[str, ShadowClass] = {}
        self._made: OrderedDict[str, ShadowClass] = OrderedDict()
        self._found: frozenset[str] = frozenset()
        self._budget = LinkBudget()
        self._clearing = asyncio.Lock()
        self._wholes = asyncio.Semaphore(WHOLES_AT_ONCE)
        self._drafts = asyncio.Semaphore(DRAFTS_AT_ONCE)

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
            await known.close()
        self._made.clear()

    async def class_for(self, catalog: ClassCatalog) -> ShadowClass:
        """The class that sees `catalog`; equal catalogs share one. Its database is made when it is
        first asked something, so this never waits and never fails."""
        known = self._known.get(catalog.key)
        if known is None:
            known = ShadowClass(catalog, self._cluster.socket_path, self, self._budget)
            self._known[catalog.key] = known
        if catalog.key in self._made:
            self._made.move_to_end(catalog.key)
        return known

    # shadow_class.Builder

    async def whole(self, wanted: ShadowClass) -> Materialised:
        """Make the class's database, or find it. Raises SourceFault 57P03, LimitFault 53300."""
        async with self._turn(self._wholes):
            template = await self._room_for(wanted)
            with _told():
                oids = await ensure_class(self._cluster, wanted.catalog, template)
            return Materialised(class_name(wanted.catalog, template), oids)

    async def draft(self, wanted: ShadowClass, relations: Places) -> Materialised | None:
        """Make or find one that holds at least these of its relations; None if the whole is there.
        Raises as `whole` does."""
        async with self._turn(self._drafts):
            template = await self._room_for(wanted)
            if class_name(wanted.catalog, template) in self._found:
                return None
            with _told():
                oids = await ensure_draft(self._cluster, wanted.catalog, template, relations)
            return Materialised(draft_name(class_name(wanted.catalog, template)), oids)

    async def drop(self, name: str) -> None:
        """Drop a database unless somebody is connected to it."""
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            admin = await self._cluster.connect()
            try:
                await drop_class(admin, name)
            finally:
                await admin.close()

    def may_build_ahead(self) -> bool:
        """Only while there is plenty of room and nobody waits for a class."""
        return not self._wholes.locked() and len(self._made) <= self._classes_max // 2

    @asynccontextmanager
    async def _turn(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        """Those who need a database built get a turn in the order in which they came."""
        try:
            async with asyncio.timeout(BUILD_WAIT_SECONDS):
                await places.acquire()
        except TimeoutError:
            raise LimitFault(
                "the catalog is being built for others: try again", sqlstate="53300"
            ) from None
        try:
            yield
        finally:
            places.release()

    async def _room_for(self, wanted: ShadowClass) -> str:
        """Drop the least recently used classes that are too many, in number or bytes, but none that
        is in use; the template's name. Raises LimitFault 53300 if that is not enough."""
        assert self._template is not None, "start() comes first"
        with _told():
            admin = await self._cluster.connect()
            try:
                if not await database_exists(admin, self._template):
                    # The cluster was made anew since the last class was.
                    self._template = await prepare_template(self._cluster, self.database_name)
                async with self._clearing:
                    name = class_name(wanted.catalog, self._template)
                    await self._make_room(admin, wanted, name)
            finally:
                await admin.close()
        self._made[wanted.catalog.key] = wanted
        self._made.move_to_end(wanted.catalog.key)
        return self._template

    async def _make_room(self, admin: asyncpg.Connection, wanted: ShadowClass, name: str) -> None:
        sizes = await class_sizes(admin)
        self._found = frozenset(sizes)
        own = (name, draft_name(name))

        def is_full() -> bool:
            others = {one[len(CLASS_PREFIX) :] for one in sizes if one not in own}
            return len(others) >= self._classes_max or sum(sizes.values()) >= self._bytes_max

        if name in sizes or not is_full():
            return
        idle = [one for one in self._made.values() if one is not wanted and not one.users]
        # Of other processes' classes nothing is known but that nobody is connected to them.
        held = {one for made in self._made.values() for one in made.names}
        groups = [(one, one.names) for one in idle]
        strangers = [one for one in sizes if one not in held and one not in own]
        for made, names in [*groups, *((None, (one,)) for one in strangers)]:
            if made is not None:
                made.forget()
                self._made.pop(made.catalog.key, None)
                self._known.pop(made.catalog.key, None)  # most are of schemas that were
            for one in names:
                if await drop_class(admin, one):
                    sizes.pop(one, None)
            if not is_full():
                return
        raise LimitFault("the catalogs of too many others are in use: try again", sqlstate="53300")


@contextmanager
def _told() -> Iterator[None]:
    """Raises SourceFault 57P03 for what keeps the cluster from answering."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SourceFault("the catalog is not available", sqlstate="57P03") from error
