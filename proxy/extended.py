"""The extended query protocol: Parse, Bind, Describe, Execute, Close, Flush.

This file must not know SQL, policies or sources. Errors are raised; the dialogue tells them and
skips to Sync (PostgreSQL documentation, "Extended Query").

Theory of operation. Bind asks no source anything: that would cost a round trip of its own. What a
source finds wrong with it comes with Execute, and is told in the place of BindComplete while that
is still here. Statements and portals live in the workspace. A transaction that has failed
refuses all but the statements that end it. The messages up to a Sync are an implicit transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from proxy.connection import ClientConnection
from proxy.faults import ConnectionFault, Fault, LimitFault, SyntaxFault
from proxy.gate import Gate
from proxy.rows import with_formats
from proxy.sources.base import Arguments
from proxy.sql.parse import Kind
from proxy.wire.backend import (
    BindComplete,
    CloseComplete,
    CommandComplete,
    EmptyQueryResponse,
    NoData,
    ParameterDescription,
    ParseComplete,
    PortalSuspended,
    RowDescription,
)
from proxy.wire.frontend import (
    Bind,
    Close,
    Describe,
    Execute,
    Flush,
    FrontendMessage,
    Parse,
    Query,
)
from proxy.workspace import Portal, Prepared, Workspace

STATEMENT = b"S"
"""Describe and Close of a prepared statement; of a portal otherwise."""

_ENDING = frozenset({Kind.COMMIT, Kind.ROLLBACK, Kind.ROLLBACK_TO, Kind.EMPTY})


class Extended:
    """The extended protocol of one session."""

    def __init__(
        self,
        connection: ClientConnection,
        workspace: Workspace,
        gate: Gate,
        learn: Callable[[Portal, Parse | None], None] = lambda portal, parsed: None,
    ) -> None:
        self._connection = connection
        self._learn = learn
        self._unnamed: Parse | None = None
        self._workspace = workspace
        self._gate = gate
        # Where the answer to a Bind begins, of portals bound since the last one ran.
        self._bound: dict[str, tuple[int, int]] = {}

    async def take(self, message: FrontendMessage) -> None:
        """Answer one message. Raises Fault; ConnectionFault for a message that has no place
        here."""
        match message:
            case Parse():
                await self._parse(message)
            case Bind():
                self._bind(message)
            case Describe():
                self._describe(message)
            case Execute():
                await self._execute(message)
            case Close():
                await self._close(message)
            case Flush():
                self._connection.flush()
            case _:
                raise ConnectionFault("unexpected message")

    def text_of(self, message: FrontendMessage) -> str:
        """The statement that a message is about, for records; empty where there is none."""
        prepared: Prepared | None = None
        match message:
            case Query(sql) | Parse(_, sql):
                return sql
            case Bind(statement=name) | Describe(kind=b"S", name=name):
                prepared = self._workspace.statements.find(name)
            case Describe(name=name) | Execute(portal=name):
                portal = self._workspace.portals.find(name)
                prepared = None if portal is None else portal.prepared
        return "" if prepared is None else prepared.statement.text

    async def _parse(self, message: Parse) -> None:
        self._check_name(message.statement)
        statements = await self._gate.parse(self._workspace, message.sql)
        if len(statements) != 1:
            raise SyntaxFault("cannot insert multiple commands into a prepared statement")
        self._check_block(statements[0].kind)
        tables = self._workspace.statements
        if not message.statement:
            tables.remove("")
        elif tables.find(message.statement) is not None:
            raise Fault(
                f'prepared statement "{message.statement}" already exists', sqlstate="42P05"
            )
        prepared = await self._gate.prepare(
            self._workspace,
            statements[0],
            name=message.statement,
            declared_oids=message.parameter_oids,
        )
        tables.add(message.statement, prepared)
        if not message.statement:
            self._unnamed = message
        self._connection.send(ParseComplete())

    def _bind(self, message: Bind) -> None:
        self._check_name(message.portal)
        prepared = self._workspace.statements.get(message.statement)
        self._check_block(prepared.statement.kind)
        prepared = self._gate.bound(self._workspace, prepared)
        if len(message.parameters) != len(prepared.parameter_oids):
            raise Fault(
                f"bind message supplies {len(message.parameters)} parameters, but prepared"
                f' statement "{message.statement}" requires {len(prepared.parameter_oids)}',
                sqlstate="08P01",
            )
        if len(message.parameter_formats) not in (0, 1, len(message.parameters)):
            raise Fault(
                f"bind message has {len(message.parameter_formats)} parameter formats but"
                f" {len(message.parameters)} parameters",
                sqlstate="08P01",
            )
        if prepared.fields is not None and prepared.statement.kind is not Kind.COPY_TO:
            with_formats(prepared.fields, message.result_formats)
        portal = Portal(
            message.portal,
            prepared,
            Arguments(message.parameters, message.parameter_formats),
            message.result_formats,
            depth=len(self._workspace.session.transaction.savepoints),
        )
        self._workspace.portals.add(message.portal, portal)
        self._bound[message.portal] = self._connection.mark()
        self._connection.send(BindComplete())

    def _describe(self, message: Describe) -> None:
        if message.kind == STATEMENT:
            prepared = self._workspace.statements.get(message.name)
            self._check_block(prepared.statement.kind)
            self._connection.send(ParameterDescription(prepared.parameter_oids))
            self._describe_rows(prepared, ())
            return
        portal = self._workspace.portals.get(message.name)
        self._check_block(portal.prepared.statement.kind)
        self._describe_rows(portal.prepared, portal.formats)

    def _describe_rows(self, prepared: Prepared, formats: tuple[int, ...]) -> None:
        if prepared.fields is None or prepared.statement.kind is Kind.COPY_TO:
            self._connection.send(NoData())
        else:
            self._connection.send(RowDescription(with_formats(prepared.fields, formats)))

    async def _execute(self, message: Execute) -> None:
        portal = self._workspace.portals.get(message.portal)
        kind = portal.prepared.statement.kind
        self._check_block(kind)
        if kind is Kind.EMPTY:
            self._connection.send(EmptyQueryResponse())
            return
        self._workspace.session.transaction.enter_implicit(is_alone=True)
        # A negative limit means none, as in Postgres.
        row_max = max(message.row_max, 0)
        bound, self._bound = self._bound.get(message.portal), {}
        try:
            async with aclosing(self._gate.run(self._workspace, portal, row_max)) as chunks:
                async for chunk in chunks:
                    self._connection.write(chunk)
                    await self._connection.drain()
        except Fault as fault:
            if fault.is_at_bind and kind is Kind.QUERY and bound is not None:
                self._connection.retract(bound)
            raise
        for notice in self._workspace.take_notices():
            self._connection.send(notice)
        if portal.is_suspended:
            self._connection.send(PortalSuspended())
        else:
            self._connection.send(CommandComplete(portal.tag))
            if not message.portal and not row_max:
                self._learn(portal, None if portal.prepared.name else self._unnamed)

    async def _close(self, message: Close) -> None:
        if message.kind == STATEMENT:
            self._workspace.statements.remove(message.name)
        else:
            await self._workspace.close_portal(message.name)
        self._connection.send(CloseComplete())

    def _check_block(self, kind: Kind) -> None:
        if kind not in _ENDING:
            self._workspace.session.transaction.check_usable()

    def _check_name(self, name: str) -> None:
        limit = self._workspace.session.limits.name_bytes_max
        if len(name.encode()) > limit:
            raise LimitFault(f"name is longer than {limit} bytes", sqlstate="42622")
