"""COPY … TO STDOUT: the query that it means, and its options, reviewed and in one form.

The shape of each option's argument is checked here and not left to the source: the printer in the
parser's library takes an argument for granted, and where there is none it ends the process.

This file must not know what exists, nor who asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from postgast import pg_query_pb2 as pb

from proxy.faults import DeniedFault, Fault, UnsupportedFault
from proxy.sql import tree

_OPTIONS = frozenset(
    {"format", "delimiter", "null", "header", "quote", "escape", "force_quote", "encoding"}
)
_FORMATS = frozenset({"text", "csv", "binary"})
_ENCODINGS = frozenset({"UTF8", "UTF-8"})
_HEADERS = frozenset({"true", "false", "on", "off", "1", "0"})


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """What COPY … TO STDOUT asks for; `options` are DefElem nodes, reviewed."""

    format: str
    options: tuple[tree.Node, ...]


def copy_query(node: tree.Node) -> tuple[tree.Node, CopyOptions]:
    """The SelectStmt that a CopyStmt means, and its options.

    Raises: DeniedFault for files, programs and statements that write; UnsupportedFault; Fault
    (22023, 42601) in PostgreSQL's words for an option that is wrong.
    """
    if node.is_program or node.filename:
        raise DeniedFault("permission denied: COPY to a file or program is not allowed")
    format_name = "text"
    options = []
    for option in node.options:
        element = _reviewed(option.def_elem)
        options.append(pb.Node(def_elem=element))
        text = element.arg.string.sval
        if element.defname == "format":
            format_name = text
        if element.defname == "encoding" and text.upper() not in _ENCODINGS:
            raise UnsupportedFault("COPY in another encoding than UTF8 is not supported")
    if format_name not in _FORMATS:
        raise Fault(f'COPY format "{format_name}" not recognized', sqlstate="22023")
    return _query(node), CopyOptions(format_name, tuple(options))


def _query(node: tree.Node) -> tree.Node:
    if node.HasField("relation"):
        query = tree.select()
        columns = [tree.column(attribute.string.sval) for attribute in node.attlist]
        star = pb.Node(column_ref=pb.ColumnRef(fields=[pb.Node(a_star=pb.A_Star())]))
        query.target_list.extend(tree.target(column) for column in columns or [star])
        query.from_clause.append(tree.wrap(node.relation))
        return query
    if not node.query.HasField("select_stmt"):
        raise DeniedFault("permission denied: this gate is read-only")
    return node.query.select_stmt


def _reviewed(element: tree.Node) -> tree.Node:
    """A copy of one option, its argument of the one form that it has (`defGetString` and others in
    PostgreSQL's `define.c` and `copy.c`)."""
    name, argument = element.defname, element.arg
    if name not in _OPTIONS:
        raise UnsupportedFault(f'COPY option "{name}" is not supported')
    if name == "force_quote":
        if not argument.HasField("a_star") and not all(tree.names(argument.list.items) or [""]):
            raise Fault(
                'argument to option "force_quote" must be a list of column names', sqlstate="22023"
            )
        return tree.copy(element)
    text = _text(argument)
    reviewed = tree.copy(element)
    if name == "header":
        if tree.kind(argument) == "":
            return reviewed
        if text == "match":
            raise UnsupportedFault('cannot use "match" with HEADER in COPY TO')
        if text is None or text.lower() not in _HEADERS:
            raise Fault('header requires a Boolean value or "match"', sqlstate="42601")
        text = "true" if text.lower() in ("true", "on", "1") else "false"
    if text is None:
        raise Fault(f"{name} requires a parameter", sqlstate="42601")
    reviewed.arg.string.sval = text
    return reviewed


def _text(argument: tree.Node) -> str | None:
    """An option's argument as text, None for none and for what is no single word."""
    match tree.kind(argument):
        case "string":
            return str(argument.string.sval)
        case "integer":
            return str(argument.integer.ival)
        case "float":
            return str(argument.float.fval)
        case "boolean":
            return "true" if argument.boolean.boolval else "false"
        case _:
            return None
