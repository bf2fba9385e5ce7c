"""SQL cursors: what DECLARE, FETCH and MOVE may say, and how a cursor becomes a portal.

A cursor is a portal that was made by name. It runs forward only: a portal at the source cannot go
back unless it was planned so. One WITH HOLD is read to its end when it is declared (Postgres does
so at COMMIT), for it may outlive the transaction; its rows are told as text, and while the decision
that they were read under is in force.

This file must not know sources, sockets or policies. Message texts are Postgres' own.
"""

from __future__ import annotations

from postgast import pg_query_pb2 as pb

from proxy.faults import Fault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.parse import Statement
from proxy.wire.backend import FieldDescription
from proxy.workspace import Portal, Prepared, Workspace

# PostgreSQL source, nodes/parsenodes.h.
OPTION_BINARY = 0x0001
OPTION_HOLD = 0x0020
FETCH_ALL = 2**63 - 1
ROW_MAX = 2**31 - 1
"""Rows of one FETCH that can be asked of a source: the protocol's limit of Execute."""


def check_options(statement: Statement) -> None:
    """Refuse the kinds of cursor that there are not. Raises UnsupportedFault."""
    options = statement.node.options
    if options & OPTION_BINARY:
        raise UnsupportedFault(
            "BINARY cursors are not supported", hint="Ask for binary results in the protocol."
        )


def declare(workspace: Workspace, portal: Portal) -> Portal:
    """The portal that a DECLARE makes, not yet in the table. Raises Fault 25P01, 42P03."""
    statement = portal.prepared.statement
    name = statement.node.portalname
    is_held = bool(statement.node.options & OPTION_HOLD)
    if workspace.session.transaction.is_alone and not is_held:
        raise Fault("DECLARE CURSOR can only be used in transaction blocks", sqlstate="25P01")
    if workspace.portals.find(name) is not None:
        raise Fault(f'cursor "{name}" already exists', sqlstate="42P03")
    decided = portal.prepared.decided
    query = Prepared(
        name,
        statement,
        declared_oids=portal.prepared.declared_oids,
        parameter_oids=portal.prepared.parameter_oids,
        fields=None if decided is None else decided.fields,
        decided=decided,
    )
    depth = len(workspace.session.transaction.savepoints)
    return Portal(name, query, portal.arguments, depth=depth, is_cursor=True, is_held=is_held)


def fields(workspace: Workspace, statement: Statement) -> tuple[FieldDescription, ...] | None:
    """The columns that FETCH returns. MOVE returns none, nor does a cursor that is missing."""
    name = statement.node.portalname
    found = workspace.portals.find(name) if name else None
    return None if found is None or statement.node.ismove else found.prepared.fields


def row_max(node: tree.Node) -> int:
    """How many rows a FETCH or MOVE goes forward, 0 for all. Raises UnsupportedFault, Fault
    55000."""
    if node.direction != pb.FETCH_FORWARD or node.how_many < 0:
        raise UnsupportedFault(
            "cursors go forward only", hint="Use FETCH FORWARD, NEXT or ALL; or declare it again."
        )
    if node.how_many == 0:
        raise UnsupportedFault("FETCH 0 is not supported")
    if node.how_many >= FETCH_ALL:
        return 0
    return min(int(node.how_many), ROW_MAX)


def check_formats(cursor: Portal, fetch: Portal) -> None:
    """A cursor's formats are those of its first FETCH; a source cannot change them later."""
    if not cursor.is_started:
        cursor.formats = fetch.formats
    elif _normal(cursor.formats) != _normal(fetch.formats):
        raise UnsupportedFault("all FETCHes of a cursor must ask for the same result formats")


def _normal(formats: tuple[int, ...]) -> tuple[int, ...]:
    return formats[:1] if len(set(formats)) == 1 and formats[0] else formats if any(formats) else ()
