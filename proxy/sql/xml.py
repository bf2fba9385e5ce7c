"""XML in a query: whether there is any, what names it makes of columns, and how it can be printed.

The gate's own Postgres is built without libxml: it types XML, and cannot read or make any. So what
runs there, about the catalog or over several sources, must do without.

This file must not know scopes or where a statement runs.
"""

from __future__ import annotations

from typing import Final

from postgast import pg_query_pb2 as pb

from proxy.sql import label, tree

_SYNTAX: Final = frozenset({"XmlExpr", "XmlSerialize", "RangeTableFunc"})
_TYPE: Final = "xml"
_FUNCTIONS: Final = frozenset(
    """xml xmlagg xmlcomment xmlexists xmltext xpath xpath_exists xml_is_well_formed
    xml_is_well_formed_content xml_is_well_formed_document""".split()
)


def uses_xml(query: tree.Node) -> bool:
    """Whether XML syntax, a function over XML or a cast to it occurs in the query."""
    return any(map(_is_xml, tree.walk(query)))


def _is_xml(message: tree.Node) -> bool:
    match message.DESCRIPTOR.name:
        case "FuncCall":
            return tree.names(message.funcname)[-1] in _FUNCTIONS
        case "TypeName":
            return tree.names(message.names)[-1:] == (_TYPE,)
        case name:
            return name in _SYNTAX


def name_arguments(message: tree.Node) -> None:
    """Write the names of XMLFOREST's and XMLATTRIBUTES' columns out, in an XmlExpr, in place.

    An element is named as its column is, which may be reached under another name once it is
    guarded.
    """
    for argument in message.named_args:
        target = argument.res_target
        if not target.name and target.val.HasField("column_ref"):
            target.name = label.figure(target.val)


# What the grammar takes between keywords without parentheses (c_expr).
_CLOSED: Final = frozenset(
    """column_ref a_const param_ref func_call xml_expr coalesce_expr case_expr sub_link""".split()
)


def part_from_keywords(message: tree.Node) -> None:
    """Make what XMLTABLE and XMLEXISTS read printable: the printer leaves its parentheses out.

    COALESCE of one argument is that argument, and needs none.
    """
    if message.DESCRIPTOR.name == "RangeTableFunc":
        _close(message.docexpr)
    elif tree.names(message.funcname)[-1] == "xmlexists":
        for argument in message.args:
            _close(argument)


def _close(node: tree.Node) -> None:
    if tree.kind(node) not in _CLOSED:
        held = pb.CoalesceExpr(args=[tree.copy(node)])
        node.Clear()
        node.coalesce_expr.CopyFrom(held)


# Without libxml PostgreSQL cannot even parse these: it checks the names that they hold.
_NAMED: Final = frozenset({pb.IS_XMLELEMENT, pb.IS_XMLFOREST, pb.IS_XMLPI})


def needs_stand_ins(query: tree.Node) -> bool:
    """Whether the gate's own Postgres can type the query with stand-ins only."""
    return any(
        message.DESCRIPTOR.name == "XmlExpr" and message.op in _NAMED
        for message in tree.walk(query)
    )


def with_stand_ins(query: tree.Node) -> tree.Node:
    """A copy in which each such expression is another one over the same arguments, of type xml;
    never to be run. Columns keep their labels."""
    copied = tree.copy(query)
    stack = [copied]
    while stack:
        message = stack.pop()
        if message.DESCRIPTOR.name == "ResTarget" and not message.name:
            figured = label.figure(message.val)
            if figured != label.UNKNOWN and needs_stand_ins(message.val):
                message.name = figured
        if message.DESCRIPTOR.name == "Node" and message.xml_expr.op in _NAMED:
            _stand_in(message)
        for field, value in message.ListFields():
            if field.message_type is not None:
                stack.extend(value if field.is_repeated else (value,))
    return copied


def _stand_in(node: tree.Node) -> None:
    """`CASE WHEN ROW(arguments) IS NULL THEN NULL::xml END`"""
    given = node.xml_expr
    arguments = [argument.res_target.val for argument in given.named_args] + list(given.args)
    row = pb.RowExpr(args=arguments, row_format=pb.COERCE_EXPLICIT_CALL)
    test = pb.NullTest(arg=pb.Node(row_expr=row), nulltesttype=pb.IS_NULL)
    branch = pb.CaseWhen(
        expr=pb.Node(null_test=test), result=tree.cast(tree.null(), "pg_catalog.xml")
    )
    node.Clear()
    node.case_expr.args.append(pb.Node(case_when=branch))
