"""One visibility class in the shadow: Parse and Describe for type checking, and catalog answers.

INVARIANT: `describe` sends Parse, Describe and Sync only, so nothing of a client is executed.
`run` executes a printed, reviewed catalog statement in a read-only transaction that always ends
with ROLLBACK: whatever set_config() changed is undone with it, so a link stays as it was born.

This file must not know how class databases are made, nor which statements may come here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from proxy.catalog.class_database import Oids
from proxy.catalog.definition import quote_identifier, quote_literal
from proxy.catalog.link import Answer, Link, LinkLost, fault_of
from proxy.catalog.virtual import ClassCatalog
from proxy.faults import Fault, LimitFault, SourceFault
from proxy.wire.backend import (
    CommandComplete,
    CopyDone,
    CopyOutResponse,
    ErrorResponse,
    FieldDescription,
    NoData,
    ParameterDescription,
    RowDescription,
)
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.frontend import (
    Bind,
    Describe,
    Execute,
    FrontendMessage,
    Parse,
    Query,
    Sync,
)

DESCRIBING_MAX: Final = 2  # of one class at once: a statement takes 0.14 ms to describe
# Catalog statements of one class at once: 1 ms each as a rule, some seconds for one that is made to
# last. Apart from those described, so that nobody's data waits for somebody's catalog bomb.
ANSWERING_MAX: Final = 3
LINK_WAIT_SECONDS: Final = 10.0
STATEMENTS_PER_LINK_MAX: Final = 1_000  # a backend grows to 20 MB over some 300 differing ones
IDLE_LINKS_MAX: Final = 32  # over all classes of this process: each is a backend of 4 to 20 MB
DESCRIPTIONS_MAX: Final = 4_096  # per class; a description is about 1 kB
CACHED_STATEMENT_CHARACTERS_MAX: Final = 16_384  # longer texts are generated, and seldom repeat
RESULT_BYTES_MAX: Final = 32 * 1024 * 1024  # the whole pg_proc in text is about 1 MB
PRINCIPAL_SETTING: Final = "sallyport.principal"  # read by the view pg_roles (lockdown.sql)
# Postgres' words for a database, or a role, that another process of the gate has dropped.
_DESCRIBED: Final = (RowDescription, NoData)
DROPPED_SQLSTATES: Final = frozenset({"3D000", "28000"})


@dataclass(frozen=True, slots=True)
class ShadowDescription:
    """What Postgres says of a statement: types of its parameters, and columns of its result.

    OIDs are the shadow's. `fields` is None for a statement without a result.
    """

    parameter_oids: tuple[int, ...]
    fields: tuple[FieldDescription, ...] | None


@dataclass(frozen=True, slots=True)
class ShadowRows:
    """A whole answer of the catalog: its columns in the formats asked for, frames, and tag."""

    description: RowDescription | None
    batches: tuple[RowBatch, ...]
    command_tag: str


@dataclass(frozen=True, slots=True)
class Materialised:
    """The class's database as it stands: its name (also its role's), and OIDs."""

    name: str
    oids: Oids


class LinkCount:
    """How many idle links all classes of this process hold together."""

    def __init__(self) -> None:
        self.idle = 0


class ShadowClass:
    """One class. Made by `Shadow.class_for`; its database is made at first use, and again if the
    shadow dropped it in between.

    Args: `materialise` makes the database, or finds it; `socket_path` of the cluster.
    """

    def __init__(
        self,
        catalog: ClassCatalog,
        socket_path: Path,
        materialise: Callable[[ShadowClass], Awaitable[Materialised]],
        links: LinkCount,
    ) -> None:
        self.catalog = catalog
        self.users = 0
        self._socket_path = socket_path
        self._materialise = materialise
        self._materialised: Materialised | None = None
        self._materialising = asyncio.Lock()
        self._links = links
        self._idle: list[Link] = []
        self._describing = asyncio.Semaphore(DESCRIBING_MAX)
        self._answering = asyncio.Semaphore(ANSWERING_MAX)
        self._descriptions: OrderedDict[
            tuple[str, tuple[int, ...], tuple[str, ...]], ShadowDescription
        ] = OrderedDict()

    def __repr__(self) -> str:
        state = "ready" if self._materialised else "not made"
        return f"<ShadowClass {self.catalog.key[:8]} {state}, {len(self._idle)} idle links>"

    # Type checking

    async def describe(
        self, sql: str, parameter_oids: Sequence[int], search_path: Sequence[str]
    ) -> ShadowDescription:
        """Parse and describe one statement; nothing is executed.

        Raises Fault with Postgres' own message, SQLSTATE, hint, and position in `sql`.
        """
        key = (sql, tuple(parameter_oids), tuple(search_path))
        known = self._descriptions.get(key)
        if known is not None:
            self._descriptions.move_to_end(key)
            return known
        request = Parse("", sql, key[1]).encode() + Describe(b"S", "").encode() + Sync().encode()
        answers = await self._asked(request, 1, key[2])
        parameters: tuple[int, ...] = ()
        fields: tuple[FieldDescription, ...] | None = None
        for answer in answers:
            if isinstance(answer, ParameterDescription):
                parameters = answer.oids
            elif isinstance(answer, RowDescription):
                fields = answer.fields
        description = ShadowDescription(parameters, fields)
        if len(sql) <= CACHED_STATEMENT_CHARACTERS_MAX:
            self._descriptions[key] = description
            if len(self._descriptions) > DESCRIPTIONS_MAX:
                self._descriptions.popitem(last=False)
        return description

    # Catalog answers

    async def run(
        self,
        sql: str,
        parameters: Sequence[bytes | None] = (),
        formats: Sequence[int] = (),
        result_formats: Sequence[int] = (),
        *,
        parameter_oids: Sequence[int] = (),
        search_path: Sequence[str] = ("public",),
        principal: str = "",
        is_copy: bool = False,
    ) -> ShadowRows:
        """Answer a catalog statement that was reviewed, redirected and printed.

        `principal` is the name under which whoever asks finds its own role. `is_copy`: it is a
        COPY TO STDOUT, whose answer is told in frames as a client gets them. Raises Fault with
        Postgres' own error; LimitFault beyond RESULT_BYTES_MAX.
        """
        begin = (
            f"BEGIN READ ONLY; SET LOCAL search_path TO {_path(search_path)};"
            f" SET LOCAL {PRINCIPAL_SETTING} TO {quote_literal(principal)}"
        )
        asking: tuple[FrontendMessage, ...] = (Query(sql),)
        if not is_copy:
            asking = (
                Parse("", sql, tuple(parameter_oids)),
                Bind("", "", tuple(formats), tuple(parameters), tuple(result_formats)),
                Describe(b"P", ""),
                Execute(),
                Sync(),
            )
        messages = (Query(begin), *asking, Query("ROLLBACK"))
        request = b"".join(message.encode() for message in messages)
        description: RowDescription | None = None
        batches: list[RowBatch] = []
        tags: list[str] = []
        for answer in await self._asked(request, 3):
            if isinstance(answer, RowDescription):
                description = answer
            elif isinstance(answer, RowBatch):
                batches.append(answer)
            elif isinstance(answer, CopyOutResponse | CopyDone):
                batches.append(RowBatch(0, answer.encode()))
            elif isinstance(answer, CopyBatch):
                batches.append(RowBatch(0, answer.data))
            elif isinstance(answer, CommandComplete):
                tags.append(answer.tag)
        tag = tags[-2]  # BEGIN, SET, SET, ours, ROLLBACK
        if is_copy:  # a header line is a frame, too: the tag knows how many rows there are
            batches[-1] = replace(batches[-1], count=int(tag.removeprefix("COPY ")))
        return ShadowRows(description, tuple(batches), tag)

    # OIDs

    async def oids(self) -> Oids:
        """OIDs of the class's relations and of its types that are not built in."""
        return (await self._ready()).oids

    # Life of the class

    async def _ready(self) -> Materialised:
        if self._materialised is None:
            async with self._materialising:
                if self._materialised is None:
                    self._materialised = await self._materialise(self)
        return self._materialised

    def forget(self) -> str | None:
        """Close all idle links and forget the database; returns its name, for dropping it."""
        name = self._materialised.name if self._materialised else None
        self._materialised = None
        self._descriptions.clear()  # they hold OIDs of the database that goes
        self._close_idle()
        return name

    def _close_idle(self) -> None:
        for link in self._idle:
            link.close()
        self._links.idle -= len(self._idle)
        self._idle.clear()

    async def _asked(
        self, request: bytes, exchanges: int, search_path: tuple[str, ...] | None = None
    ) -> list[Answer]:
        """All answers to `request`. A link that was lost is replaced, and a database that is gone
        made again: nothing here writes. Raises SourceFault 57P03 when that does not help."""
        self.users += 1
        try:
            for is_last in (False, False, True):
                try:
                    return await self._asked_once(request, exchanges, search_path)
                except LinkLost as error:
                    self._close_idle()  # what took one may have taken all: the next try is fresh
                    lost: Exception = error
                except Fault as fault:
                    if fault.sqlstate not in DROPPED_SQLSTATES:
                        raise
                    self.forget()  # another process of the gate dropped it, or it was made anew
                    lost = fault
                if is_last:
                    raise SourceFault("the catalog is not available", sqlstate="57P03") from lost
            raise AssertionError("unreachable")
        finally:
            self.users -= 1

    async def _asked_once(
        self, request: bytes, exchanges: int, search_path: tuple[str, ...] | None
    ) -> list[Answer]:
        answers: list[Answer] = []
        fault: Fault | None = None
        size = 0
        slots = self._answering if search_path is None else self._describing
        async with self._link(slots) as link:
            if search_path is not None and link.search_path != search_path:
                request = Query(f"SET search_path TO {_path(search_path)}").encode() + request
                exchanges += 1
            async with aclosing(link.converse(request, exchanges)) as arriving:
                async for answer in arriving:
                    if isinstance(answer, ErrorResponse):
                        fault = fault or fault_of(answer)
                        fault.is_at_bind = not any(isinstance(one, _DESCRIBED) for one in answers)
                    elif isinstance(answer, RowBatch | CopyBatch):
                        size += len(answer.data)
                    if size > RESULT_BYTES_MAX:
                        raise LimitFault(f"the catalog's answer exceeds {RESULT_BYTES_MAX} bytes")
                    answers.append(answer)
            if search_path is not None:
                link.search_path = search_path
        if fault is not None:
            raise fault
        return answers

    @asynccontextmanager
    async def _link(self, slots: asyncio.Semaphore) -> AsyncIterator[Link]:
        """An idle link or a new one; it comes back only if its exchange ended as it should."""
        materialised = await self._ready()
        try:
            async with asyncio.timeout(LINK_WAIT_SECONDS):
                await slots.acquire()
        except TimeoutError:
            raise LimitFault("the catalog is busy", sqlstate="53300") from None
        link: Link | None = None
        try:
            while self._idle and link is None:
                candidate = self._idle.pop()
                self._links.idle -= 1
                link = candidate if candidate.is_usable else None
            if link is None:
                name = materialised.name
                link = await Link.open(self._socket_path, name, name)
            yield link
        finally:
            if link is not None:
                self._give_back(link, materialised)
            slots.release()

    def _give_back(self, link: Link, materialised: Materialised) -> None:
        is_kept = (
            link.is_usable
            and link.statements < STATEMENTS_PER_LINK_MAX
            and self._links.idle < IDLE_LINKS_MAX
            and self._materialised is materialised
        )
        if is_kept:
            self._idle.append(link)
            self._links.idle += 1
        else:
            link.close()


def _path(schemas: Sequence[str]) -> str:
    """A search_path as SET takes it; an empty one is a list of one empty name."""
    return ", ".join(map(quote_identifier, schemas)) if schemas else "''"
