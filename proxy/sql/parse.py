"""Text to statements: limits, Postgres' own grammar, and the kind of each statement.

A query string may hold several statements; each becomes a `Statement` that is decided alone. Two
statements are the gate's own and unknown to Postgres' grammar: `EXPLAIN POLICY <query>` and nothing
else; they are recognised here, and the query inside is parsed as usual.

This file must not know what is allowed: it names kinds, `classify` judges them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from postgast import pg_query_pb2 as pb

from proxy.faults import SyntaxFault
from proxy.sql import tree

# One Query message: agents batch a few statements; a bomb of ten thousand empty ones is no client.
STATEMENTS_MAX = 1_000


class Kind(Enum):
    """What a statement is, by its outermost node."""

    QUERY = auto()
    COPY_TO = auto()
    EXPLAIN_POLICY = auto()
    EXPLAIN = auto()
    SET = auto()
    SHOW = auto()
    RESET = auto()
    DISCARD = auto()
    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    SAVEPOINT = auto()
    RELEASE = auto()
    ROLLBACK_TO = auto()
    SET_TRANSACTION = auto()
    PREPARE = auto()
    EXECUTE = auto()
    DEALLOCATE = auto()
    DECLARE = auto()
    FETCH = auto()
    CLOSE = auto()
    LISTEN_NOTIFY = auto()
    WRITE = auto()
    UTILITY = auto()
    EMPTY = auto()


@dataclass(frozen=True)
class Statement:
    """One statement of a client's query string.

    `text` is the client's own slice (no surrounding whitespace or semicolon), `offset` its 0-based
    character offset in the whole string, `node` the inner protobuf message, `kind` what it is,
    `byte_offset` where `text` starts in UTF-8 bytes: the unit of the tree's `location` fields.
    """

    text: str
    offset: int
    node: tree.Node
    kind: Kind
    byte_offset: int = 0

    def position(self, location: int) -> int:
        """A tree's byte `location` as a 1-based character position in `text`."""
        head = self.text.encode("utf-8")[: max(location - self.byte_offset, 0)]
        return len(head.decode("utf-8", "replace")) + 1


_TRANSACTION_KINDS = {
    pb.TRANS_STMT_BEGIN: Kind.BEGIN,
    pb.TRANS_STMT_START: Kind.BEGIN,
    pb.TRANS_STMT_COMMIT: Kind.COMMIT,
    pb.TRANS_STMT_ROLLBACK: Kind.ROLLBACK,
    pb.TRANS_STMT_SAVEPOINT: Kind.SAVEPOINT,
    pb.TRANS_STMT_RELEASE: Kind.RELEASE,
    pb.TRANS_STMT_ROLLBACK_TO: Kind.ROLLBACK_TO,
}
_SIMPLE_KINDS = {
    "select_stmt": Kind.QUERY,
    "explain_stmt": Kind.EXPLAIN,
    "variable_show_stmt": Kind.SHOW,
    "discard_stmt": Kind.DISCARD,
    "prepare_stmt": Kind.PREPARE,
    "execute_stmt": Kind.EXECUTE,
    "deallocate_stmt": Kind.DEALLOCATE,
    "declare_cursor_stmt": Kind.DECLARE,
    "fetch_stmt": Kind.FETCH,
    "close_portal_stmt": Kind.CLOSE,
    "listen_stmt": Kind.LISTEN_NOTIFY,
    "unlisten_stmt": Kind.LISTEN_NOTIFY,
    "notify_stmt": Kind.LISTEN_NOTIFY,
    "insert_stmt": Kind.WRITE,
    "update_stmt": Kind.WRITE,
    "delete_stmt": Kind.WRITE,
    "merge_stmt": Kind.WRITE,
}

# Comments and white space before the two words; the query after them is parsed by the grammar as
# ever.
_EXPLAIN_POLICY = re.compile(
    r"(?P<head>(?:\s|--[^\r\n]*(?:[\r\n]|$)|/\*(?:[^*]|\*(?!/))*\*/)*EXPLAIN\s+POLICY)\s",
    re.IGNORECASE,
)


def parse(text: str) -> tuple[Statement, ...]:
    """Split and parse a query string; an empty string gives one statement of kind EMPTY.

    Raises: SyntaxFault (42601, 22021) with the position in `text`; LimitFault (54000, 54001).
    """
    explained = _EXPLAIN_POLICY.match(text)
    if explained is not None:
        return (_explain_policy(text, explained.end()),)
    result = tree.parse_tree(text)
    if not result.stmts:
        return (Statement(text="", offset=0, node=None, kind=Kind.EMPTY),)
    if len(result.stmts) > STATEMENTS_MAX:
        raise SyntaxFault(f"more than {STATEMENTS_MAX} statements in one query", sqlstate="54000")
    if len(result.stmts) == 1 and text.isascii():
        return (_statement(result.stmts[0], text, text),)
    encoded = text.encode("utf-8")
    return tuple(_statement(raw, text, encoded) for raw in result.stmts)


def _statement(raw: tree.Node, text: str, encoded: str | bytes) -> Statement:
    start, end = (
        raw.stmt_location,
        raw.stmt_location + raw.stmt_len if raw.stmt_len else len(encoded),
    )
    piece = encoded[start:end]
    head = encoded[:start]
    if isinstance(piece, bytes):
        piece = piece.decode("utf-8")
    if isinstance(head, bytes):
        head = head.decode("utf-8")
    stripped = piece.lstrip()
    skipped = piece[: len(piece) - len(stripped)]
    node = tree.inner(raw.stmt)
    return Statement(
        stripped.rstrip(),
        len(head) + len(skipped),
        node,
        _kind(tree.kind(raw.stmt), node),
        start + len(skipped.encode("utf-8")),
    )


def _explain_policy(text: str, start: int) -> Statement:
    try:
        inner = parse(text[start:])
    except SyntaxFault as fault:
        raise fault.shifted(start) from None
    if len(inner) != 1 or inner[0].kind is not Kind.QUERY:
        raise SyntaxFault(
            "EXPLAIN POLICY takes exactly one query", hint="Try EXPLAIN POLICY SELECT … ;"
        )
    query = inner[0]
    return Statement(
        query.text,
        start + query.offset,
        query.node,
        Kind.EXPLAIN_POLICY,
        query.byte_offset,  # the tree's locations count from where the query's own text was parsed
    )


def _kind(field: str, node: tree.Node) -> Kind:
    if field == "transaction_stmt":
        return _TRANSACTION_KINDS.get(node.kind, Kind.UTILITY)
    if field == "variable_set_stmt":
        if node.kind in (pb.VAR_RESET, pb.VAR_RESET_ALL):
            return Kind.RESET
        if node.kind == pb.VAR_SET_MULTI and node.name.upper() != "SESSION CHARACTERISTICS":
            return Kind.SET_TRANSACTION if node.name.upper() == "TRANSACTION" else Kind.UTILITY
        return Kind.SET
    if field == "copy_stmt":
        return Kind.WRITE if node.is_from else Kind.COPY_TO
    return _SIMPLE_KINDS.get(field, Kind.UTILITY)
