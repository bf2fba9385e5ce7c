"""The MCP server: three tools, checked arguments, and answers that a model can act on.

This file must not know how a caller is authenticated (`http.py`, `app.py`): it is given a function
that tells whose call it is. A failure is an answer with `isError`, never a protocol error, so that
a model sees it (MCP specification, "Tools", error handling).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import asyncpg
import mcp_types as types
import structlog
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from pydantic import ValidationError

from proxy.runtime.gate_address import GateAddress
from proxy.runtime.trace_parent import trace_parent
from sidecars.mcp.arguments import (
    DESCRIBE,
    DESCRIPTIONS,
    EXPLAIN_POLICY,
    INSTRUCTIONS,
    QUERY,
    Arguments,
    DescribeArguments,
    ExplainArguments,
    QueryArguments,
)
from sidecars.mcp.correction import NEEDS_NAMES, correction
from sidecars.mcp.describe import describe
from sidecars.mcp.gate import Caller, GateUnreachable, Session, logged_in
from sidecars.mcp.limits import ToolLimits
from sidecars.mcp.query import EXPLAIN_PREFIX, NoRows, explain_policy, query
from sidecars.mcp.sizes import Sizes
from sidecars.mcp.tables import read_tables
from sidecars.mcp.values import Json, compact

Context = ServerRequestContext[Any, Any]
WhoCalls = Callable[[Context], Awaitable[Caller]]
"""Raises CallerUnknown."""

_TAKES: dict[str, type[Arguments]] = {
    DESCRIBE: DescribeArguments,
    QUERY: QueryArguments,
    EXPLAIN_POLICY: ExplainArguments,
}
_TITLES = {
    DESCRIBE: "Describe tables",
    QUERY: "Run a query",
    EXPLAIN_POLICY: "Explain what policy does",
}

_logger = structlog.get_logger("mcp")


class CallerUnknown(Exception):
    """Nobody proves who calls; the message says what to do and holds no secret."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the tools share. `who_calls` names the caller of each request."""

    address: GateAddress
    limits: ToolLimits
    who_calls: WhoCalls
    sizes: Sizes

    def server(self) -> Server[Any]:
        """The MCP server, for any transport."""
        return Server(
            "sallyport",
            title="Sallyport",
            version=version("sallyport"),
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def _list(
        self, context: Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=name,
                    title=_TITLES[name],
                    description=DESCRIPTIONS[name],
                    input_schema=takes.model_json_schema(),
                    annotations=types.ToolAnnotations(
                        read_only_hint=True, idempotent_hint=True, open_world_hint=False
                    ),
                )
                for name, takes in _TAKES.items()
            ]
        )

    async def _call(
        self, context: Context, asked: types.CallToolRequestParams
    ) -> types.CallToolResult:
        takes = _TAKES.get(asked.name)
        if takes is None:
            message = f"there is no tool {asked.name!r}; there are {', '.join(_TAKES)}"
            return _failed({"message": message})
        try:
            arguments = takes.model_validate(asked.arguments or {})
        except ValidationError as error:
            return _failed({"message": "the arguments do not fit", "problems": _problems(error)})
        try:
            caller = traced(await self.who_calls(context), context)
            async with logged_in(
                self.address, caller, statement_ms_max=self.limits.statement_ms_max
            ) as session:
                return await self._answer(session, caller, arguments)
        except (CallerUnknown, GateUnreachable, NoRows) as error:
            return _failed({"message": str(error)})
        except asyncpg.PostgresError as error:
            return _failed(correction(error))
        except asyncpg.InterfaceError as error:
            # The driver's own refusals: COPY, a connection lost half-way. Its texts quote no value.
            return _failed({"message": str(error)})

    async def _answer(
        self, session: Session, caller: Caller, asked: Arguments
    ) -> types.CallToolResult:
        try:
            match asked:
                case DescribeArguments():
                    return _done(await describe(session, caller, asked, self.sizes))
                case QueryArguments():
                    return _done(await query(session, caller, asked, self.limits, self.sizes))
                case ExplainArguments():
                    return _done(await explain_policy(session.connection, asked.sql))
            raise AssertionError("every tool is listed above")
        except asyncpg.PostgresError as error:
            # `query` and `explain_policy`: the text that the position counts in is known here.
            statement = getattr(asked, "sql", "")
            if isinstance(asked, ExplainArguments):
                statement = EXPLAIN_PREFIX + statement
            tables = []
            if error.sqlstate in NEEDS_NAMES and not session.connection.is_closed():
                tables = await read_tables(session.connection)
            return _failed(correction(error, statement, tables))


def traced(caller: Caller, context: Context) -> Caller:
    """The caller of a call whose `_meta` names its place in a trace: nearer than the transport's
    (OpenTelemetry, semantic conventions for MCP, "Context propagation")."""
    told = (context.meta or {}).get("traceparent")
    parent = trace_parent(told) if isinstance(told, str) else None
    return caller if parent is None else replace(caller, trace=parent)


def _done(content: dict[str, Json]) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=compact(content))], structured_content=content
    )


def _failed(error: dict[str, Json]) -> types.CallToolResult:
    content: dict[str, Json] = {"error": error}
    return types.CallToolResult(
        content=[types.TextContent(text=compact(content))],
        structured_content=content,
        is_error=True,
    )


def _problems(error: ValidationError) -> list[Json]:
    """One sentence for each argument that is wrong; what was given is not repeated."""
    return [
        f"{'.'.join(str(part) for part in one['loc']) or 'arguments'}: {one['msg']}"
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]
