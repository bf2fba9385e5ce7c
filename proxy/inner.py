"""Statements inside statements: the query of PREPARE and DECLARE as a statement of its own.

The inner query is decided exactly as if it had been sent alone. Its text is the client's own slice
where that can be proven, so that error positions point into what they wrote.

This file must not know sessions or policies.
"""

from __future__ import annotations

import re

from proxy.faults import Fault, SyntaxFault
from proxy.sql import tree
from proxy.sql.classify import refusal, text_of
from proxy.sql.parse import Kind, Statement, parse

CANDIDATES_MAX = 8
"""Places where the inner query may begin; a name or comment may hold the keyword, too."""


def inner_statement(statement: Statement) -> Statement:
    """The query inside a PREPARE or DECLARE. Raises SyntaxFault, and the faults of `parse` and
    `classify`."""
    keyword = "FOR" if statement.kind is Kind.DECLARE else "AS"
    query = tree.inner(statement.node.query)
    places = re.finditer(rf"\b{keyword}\b", statement.text, re.IGNORECASE)
    for _, place in zip(range(CANDIDATES_MAX), places, strict=False):
        found = _parsed_alone(statement.text[place.end() :])
        # The proof: parsed alone, it is the very tree that stood inside.
        if found is not None and tree.same_tree(found.node, query):
            offset = statement.offset + place.end() + found.offset
            return Statement(found.text, offset, found.node, found.kind, found.byte_offset)
    if query.DESCRIPTOR.name != "SelectStmt":
        raise refusal(Statement("", 0, query, Kind.WRITE))
    printed = _parsed_alone(text_of(query))
    if printed is None:
        raise SyntaxFault(f"{statement.kind.name} takes exactly one query")
    return printed


def fresh(statement: Statement) -> Statement:
    """The same statement with a tree of its own: deciding a statement consumes its tree."""
    (found,) = parse(statement.text)
    return Statement(found.text, statement.offset, found.node, statement.kind, found.byte_offset)


def _parsed_alone(text: str) -> Statement | None:
    try:
        statements = parse(text)
    except Fault:
        return None
    return statements[0] if len(statements) == 1 else None
