"""One visibility class in the shadow: Parse and Describe for type checking, and catalog answers.

INVARIANT: `describe` sends Parse, Describe and Sync only, so nothing of a client is executed.
`run` executes a printed, reviewed catalog statement in a read-only transaction that always ends
with ROLLBACK: whatever set_config() changed is undone with it, so a link stays as it was born.

This file must not know how class databases are made, nor which statements may come here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from proxy.catalog.class_database import Oids
from proxy.catalog.class_links import ClassLinks, LinkBudget, Turns
from proxy.catalog.definition import quote_identifier, quote_literal
from proxy.catalog.link import Answer, LinkLost, fault_of
from proxy.catalog.mention import mentioned
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

DESCRIPTIONS_MAX: Final = 4_096  # per class; a description is about 1 kB
CACHED_STATEMENT_CHARACTERS_MAX: Final = 16_384  # longer texts are generated, and seldom repeat
RESULT_BYTES_MAX: Final = 32 * 1024 * 1024  # the whole pg_proc in text is about 1 MB
PRINCIPAL_SETTING: Final = "sallyport.principal"  # read by the view pg_roles (lockdown.sql)
# Postgres' words for a database, or a role, that another process of the gate has dropped.
_DESCRIBED: Final = (RowDescription, NoData)
DROPPED_SQLSTATES: Final = frozenset({"3D000", "28000"})
# What a draft says of names that it lacks: syntax errors (42601) need no second opinion.
UNKNOWN_SQLSTATES: Final = ("42P", "427", "428", "3F0")

Places = frozenset[tuple[str, str]]
"""Relations, by schema and name."""


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


class Builder(Protocol):
    """Who makes the databases of classes: `shadow.Shadow`."""

    async def whole(self, wanted: ShadowClass) -> Materialised:
        """Make the class's database, or find it."""

    async def draft(self, wanted: ShadowClass, relations: Places) -> Materialised | None:
        """Make or find one that holds at least these of its relations; None if an earlier run, or
        another process, has made the whole."""

    async def drop(self, name: str) -> None:
        """Drop a draft that nobody needs any more."""

    def may_build_ahead(self) -> bool:
        """Whether a whole one may be built before somebody asks for it."""


class _Standing:
    """A database that stands, and the links to it."""

    def __init__(self, materialised: Materialised, links: ClassLinks) -> None:
        self.name = materialised.name
        self.oids = materialised.oids
        self.links = links


class ShadowClass:
    """One class. Made by `Shadow.class_for`; its database is made at first use, and again if the
    shadow dropped it in between.

    Theory. What is asked about the catalog needs the *whole* class. A statement about data is typed
    in a *draft* until that is built: it holds the relations that statements have named so far, and
    takes a moment to make. Whatever a draft does not know is asked again of the whole.

    Args: `builder` makes the databases; `socket_path` of the cluster.
    """

    def __init__(
        self, catalog: ClassCatalog, socket_path: Path, builder: Builder, budget: LinkBudget
    ) -> None:
        self.catalog = catalog
        self.users = 0
        self._socket_path = socket_path
        self._builder = builder
        self._budget = budget
        self._turns = Turns(budget)
        self._whole: _Standing | None = None
        self._building: asyncio.Task[None] | None = None
        self._draft: _Standing | None = None
        self._drafted: Places = frozenset()
        self._drafting = asyncio.Lock()
        self._descriptions: OrderedDict[
            tuple[str, tuple[int, ...], tuple[str, ...]], ShadowDescription
        ] = OrderedDict()

    def __repr__(self) -> str:
        state = "ready" if self._whole else "a draft" if self._draft else "not made"
        return f"<ShadowClass {self.catalog.key[:8]} {state}>"

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
        answers = await self._described(sql, request, key[2])
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
        for answer in await self._asked(self._wholly, request, 3):
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
        """OIDs of the class's types that are not built in, and of its relations: of those that
        were described, at least."""
        standing = self._whole or self._draft or await self._wholly()
        return standing.oids

    # Life of the class

    @property
    def names(self) -> tuple[str, ...]:
        """The databases that it has now."""
        return tuple(one.name for one in (self._whole, self._draft) if one is not None)

    async def _wholly(self) -> _Standing:
        """The whole class, built if it has to be; whoever else waits for it waits for the same."""
        while self._whole is None:
            if self._building is None:
                self._build()
            assert self._building is not None
            await asyncio.shield(self._building)
        return self._whole

    def _build(self) -> None:
        self._building = asyncio.ensure_future(self._built())
        self._building.add_done_callback(self._note_built)

    async def _built(self) -> None:
        whole = await self._builder.whole(self)
        self._whole = self._standing(whole)
        draft, self._draft, self._drafted = self._draft, None, frozenset()
        if draft is not None:
            draft.links.close()
            await self._builder.drop(draft.name)

    def _note_built(self, task: asyncio.Task[None]) -> None:
        self._building = None
        if not task.cancelled():
            task.exception()  # whoever asks next tries again, and is told

    def _standing(self, made: Materialised) -> _Standing:
        return _Standing(made, ClassLinks(self._socket_path, made.name, self._budget))

    async def _drafted_for(self, relations: Places) -> _Standing:
        """A draft with these relations, or the whole if that stands by now."""
        async with self._drafting:
            if self._whole is not None:
                return self._whole
            if self._draft is None or not relations <= self._drafted:
                made = await self._builder.draft(self, relations)
                if made is None:
                    return await self._wholly()
                if self._draft is None or self._draft.name != made.name:
                    self._draft = self._standing(made)
                self._draft.oids = made.oids
                self._drafted |= relations
            return self._draft

    def forget(self) -> tuple[str, ...]:
        """Close all links and forget the databases; returns their names, for dropping them."""
        names = self.names
        for standing in (self._whole, self._draft):
            if standing is not None:
                standing.links.close()
        self._whole = self._draft = None
        self._drafted = frozenset()
        self._descriptions.clear()  # they hold OIDs of the database that goes
        return names

    async def close(self) -> None:
        """Forget everything, and end what is being built."""
        if self._building is not None:
            self._building.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._building
        self.forget()

    # Asking

    async def _described(self, sql: str, request: bytes, path: tuple[str, ...]) -> list[Answer]:
        relations = None if self._whole else mentioned(sql, self.catalog.relations)
        if relations is not None:

            async def drafted() -> _Standing:
                return await self._drafted_for(relations)

            try:
                answers = await self._asked(drafted, request, 1, path)
            except Fault as fault:
                if not fault.sqlstate.startswith(UNKNOWN_SQLSTATES):
                    raise
            else:
                if self._whole is None and not self._building and self._builder.may_build_ahead():
                    self._build()
                return answers
        return await self._asked(self._wholly, request, 1, path)

    async def _asked(
        self,
        standing: Callable[[], Awaitable[_Standing]],
        request: bytes,
        exchanges: int,
        search_path: tuple[str, ...] | None = None,
    ) -> list[Answer]:
        """All answers to `request`. A link that was lost is replaced, and a database that is gone
        made again: nothing here writes. Raises SourceFault 57P03 when that does not help."""
        self.users += 1
        try:
            for is_last in (False, False, True):
                used = await standing()
                try:
                    return await self._asked_once(used, request, exchanges, search_path)
                except LinkLost as error:
                    used.links.close_idle()  # what took one may have taken all: try a fresh one
                    lost: Exception = error
                except Fault as fault:
                    if fault.sqlstate not in DROPPED_SQLSTATES:
                        raise
                    if used in (self._whole, self._draft):
                        self.forget()  # another process of the gate dropped it, or made it anew
                    lost = fault
                if is_last:
                    raise SourceFault("the catalog is not available", sqlstate="57P03") from lost
            raise AssertionError("unreachable")
        finally:
            self.users -= 1

    async def _asked_once(
        self,
        standing: _Standing,
        request: bytes,
        exchanges: int,
        search_path: tuple[str, ...] | None,
    ) -> list[Answer]:
        answers: list[Answer] = []
        fault: Fault | None = None
        size = 0
        async with (
            self._turns.taken(is_describing=search_path is not None),
            standing.links.link() as link,
        ):
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


def _path(schemas: Sequence[str]) -> str:
    """A search_path as SET takes it; an empty one is a list of one empty name."""
    return ", ".join(map(quote_identifier, schemas)) if schemas else "''"
