"""The one place that touches libpg_query: parse, print, and small constructors for its tree.

The tree is PostgreSQL's own raw parse tree as protobuf messages (`SelectStmt`, `RangeVar`, …);
field names are those of `src/include/nodes/parsenodes.h`. A `Node` message is a union: exactly one
of its fields is set, and `kind(node)` names it. Trees are mutable; whoever changes one owns it
(`copy`).

This file must not know policies, catalogs or sources. It knows no rule of SQL beyond printing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import postgast
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from postgast import pg_query_pb2 as pb

from proxy.faults import Fault, InternalFault, LimitFault, SyntaxFault
from proxy.sql import nesting

Node = Any  # a protobuf message of pg_query; generated classes carry no useful static types

# libpg_query's protobuf decoder stops at 100 nested messages, about 48 nested expressions. That
# bound is wanted (attack 39: deep nesting), so it is kept and named instead of raised.
TREE_DEPTH_MAX = 100
STATEMENT_BYTES_MAX = (
    1024 * 1024
)  # the C parser's memory is a multiple of the text; agents send kilobytes
UNCOUNTED_BYTES_MAX = 8 * 1024  # half as many levels of nesting, at most, which no stack minds


_NODE = pb.Node.DESCRIPTOR


def kind(node: Node) -> str:
    """The name of the one field set in a `Node` union, e.g. `select_stmt`; empty if none."""
    return node.WhichOneof("node") or ""


def inner(node: Node) -> Node:
    """The message inside a `Node` union."""
    return getattr(node, node.WhichOneof("node"))


def held(message: Node) -> Node | None:
    """What a `Node` union holds, None for an empty one; any other message itself."""
    if message.DESCRIPTOR is not _NODE:
        return message
    field = message.WhichOneof("node")
    return None if field is None else getattr(message, field)


def parse_tree(text: str) -> Node:
    """Parse SQL text into libpg_query's `ParseResult`.

    Raises: SyntaxFault (42601) with a 1-based character position; LimitFault (54001) for nesting
    beyond `TREE_DEPTH_MAX`, (54000) beyond `STATEMENT_BYTES_MAX`.
    """
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SyntaxFault('invalid byte sequence for encoding "UTF8"', sqlstate="22021") from error
    if b"\0" in encoded:  # C strings end there: the parser would see another text than we log
        raise SyntaxFault('invalid byte sequence for encoding "UTF8": 0x00', sqlstate="22021")
    if len(encoded) > STATEMENT_BYTES_MAX:
        raise LimitFault(f"statement exceeds {STATEMENT_BYTES_MAX} bytes", sqlstate="54000")
    try:
        if len(encoded) > UNCOUNTED_BYTES_MAX:
            _demand_shallow(text)
        return postgast.parse(text)
    except postgast.PgQueryError as error:
        raise _syntax_fault(error, encoded) from None
    except DecodeError:
        raise _too_deep() from None


def _demand_shallow(text: str) -> None:
    """Raises LimitFault for a text whose tree might overflow the stack of the parser's library, or
    that would keep its lexer busy."""
    if nesting.is_reread(text):
        raise LimitFault("statement too complex", sqlstate="54001")
    tokens = postgast.scan(text).tokens
    if len(tokens) > nesting.TOKENS_MAX:
        raise LimitFault(
            "statement too complex",
            sqlstate="54001",
            hint=f"It has more than {nesting.TOKENS_MAX} words; pass long lists as one array.",
        )
    if nesting.is_too_deep(token.token for token in tokens):
        raise _too_deep()


def _too_deep() -> LimitFault:
    return LimitFault(
        "statement too complex", sqlstate="54001", hint="The statement is nested too deeply."
    )


def _syntax_fault(error: Any, encoded: bytes) -> Fault:
    if "memory exhausted" in error.message:
        return LimitFault("statement too complex", sqlstate="54001")
    position = None
    if error.cursorpos:
        position = len(encoded[: error.cursorpos - 1].decode("utf-8", "replace")) + 1
    return SyntaxFault(error.message, position=position)


def print_tree(statement: Node) -> str:
    """Print one statement (`Node` or inner message) as SQL text.

    Raises: InternalFault when the printer does not know the tree.
    """
    result = pb.ParseResult()
    put(_inside(result.stmts.add().stmt, statement), statement)
    try:
        text: str = postgast.deparse(result)
    except postgast.PgQueryError as error:
        raise InternalFault(f"statement cannot be printed: {error.message}") from None
    return text


# Message name -> field of `Node` that holds it, e.g. "SelectStmt" -> "select_stmt".
_FIELD_BY_MESSAGE = {
    field.message_type.name: field.name for field in pb.Node.DESCRIPTOR.fields if field.message_type
}


def wrap(message: Node) -> Node:
    """Put a message into a `Node` union (a `Node` is returned as it is)."""
    if message.DESCRIPTOR is _NODE:
        return message
    node = pb.Node()
    put(_inside(node, message), message)
    return node


def _inside(union: Node, message: Node) -> Node:
    """Where in a `Node` union a copy of `message` belongs: for a union, the union itself."""
    if message.DESCRIPTOR is _NODE:
        return union
    return getattr(union, _FIELD_BY_MESSAGE[message.DESCRIPTOR.name])


# How to copy. The library copies, compares and lists a message field by field, and a `Node` has 270
# of them. It reads bytes without looking at fields that are not there: by way of bytes the same
# copy costs a third.


def copy(message: Node) -> Node:
    """A deep copy of a message."""
    return type(message).FromString(message.SerializeToString())


def put(place: Node, message: Node) -> None:
    """Make `place`, a message inside a tree, a deep copy of `message`, of the same type.

    Its sub-messages that were reached before belong to the tree no longer.
    """
    place.ParseFromString(message.SerializeToString())


def put_all(places: Any, messages: Iterable[Node]) -> None:
    """Append deep copies of `messages` to a repeated field of a tree."""
    for message in messages:
        put(places.add(), message)


# Messages that hold no other, by the grammar: half of a tree, and nothing to look for.
_LEAVES = frozenset(
    message_factory.GetMessageClass(message)
    for message in pb.DESCRIPTOR.message_types_by_name.values()
    if not any(field.message_type for field in message.fields)
)


def children(message: Node) -> Sequence[Node]:
    """Direct sub-messages, unions unwrapped. Every field of the grammar is covered by
    construction."""
    if type(message) in _LEAVES:
        return ()
    found: list[Node] = []
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type is not _NODE:
            if field.is_repeated:
                found.extend(value)
            else:
                found.append(value)
            continue
        for child in value if field.is_repeated else (value,):
            name = child.WhichOneof("node")
            if name is not None:
                found.append(getattr(child, name))
    return found


def unions(message: Node) -> list[Node]:
    """Direct children that are `Node` unions: expressions, names and lists of these."""
    return [
        child
        for field, value in message.ListFields()
        if field.message_type is _NODE
        for child in (value if field.is_repeated else (value,))
    ]


def walk(message: Node) -> Iterator[Node]:
    """The message and every message below it, parents first, `Node` unions unwrapped."""
    if message.DESCRIPTOR.name == "Node":
        field = message.WhichOneof("node")
        if field is None:
            return
        message = getattr(message, field)
    stack = [message]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(children(current))


_LOCATION_FIELDS = frozenset(
    {
        "location", "stmt_location", "stmt_len", "rexpr_list_start", "rexpr_list_end", "list_start",
        "list_end", "name_location",
    }
)  # fmt: skip


@cache
def _grammar_without_locations() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    for message in file.message_type:
        kept = [field for field in message.field if field.name not in _LOCATION_FIELDS]
        del message.field[:]
        message.field.extend(kept)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


@cache
def _without_locations(full_name: str) -> Node:
    """A message's class in a grammar that has no text positions: they are unknown fields in it,
    and the library drops those of a whole tree in one call."""
    found = _grammar_without_locations().FindMessageTypeByName(full_name)
    return message_factory.GetMessageClass(found)


def strip_locations(message: Node) -> Node:
    """Drop every text position, in place, so that trees of differing texts compare equal.

    Messages inside it that were reached before belong to it no longer. Raises LimitFault for a
    tree deeper than the parser would make one.
    """
    try:
        stripped = _without_locations(message.DESCRIPTOR.full_name).FromString(
            message.SerializeToString()
        )
        stripped.DiscardUnknownFields()
        message.ParseFromString(stripped.SerializeToString())
    except DecodeError:
        raise LimitFault("statement too complex", sqlstate="54001") from None
    return message


def same_tree(left: Node, right: Node) -> bool:
    """Equality of two trees, text positions aside."""
    return bool(strip_locations(copy(left)) == strip_locations(copy(right)))


# Constructors. Each returns a `Node` ready to be placed in a tree.


def string(value: str) -> Node:
    return pb.Node(string=pb.String(sval=value))


def name_list(names: Sequence[str]) -> list[Node]:
    return [string(name) for name in names]


def names(nodes: Sequence[Node]) -> tuple[str, ...]:
    """The texts of a list of String nodes (a qualified name); empty string for anything else."""
    return tuple(node.string.sval if node.HasField("string") else "" for node in nodes)


def arity(call: Node) -> int:
    """How many arguments a FuncCall passes; an ordered-set aggregate's ORDER BY items count as
    well."""
    return len(call.args) + (len(call.agg_order) if call.agg_within_group else 0)


def column(*parts: str) -> Node:
    return pb.Node(column_ref=pb.ColumnRef(fields=name_list(parts)))


def constant(value: str) -> Node:
    return pb.Node(a_const=pb.A_Const(sval=pb.String(sval=value)))


def integer(value: int) -> Node:
    return pb.Node(a_const=pb.A_Const(ival=pb.Integer(ival=value)))


def null() -> Node:
    return pb.Node(a_const=pb.A_Const(isnull=True))


def parameter(number: int) -> Node:
    return pb.Node(param_ref=pb.ParamRef(number=number))


def cast(argument: Node, type_name: str) -> Node:
    """`argument::type_name`, the type spelled as Postgres prints it (`text[]`,
    `pg_catalog.name`)."""
    return pb.Node(type_cast=pb.TypeCast(arg=argument, type_name=type_name_tree(type_name)))


_type_names: dict[str, Node] = {}
_TYPE_NAMES_MAX = 1024  # distinct declared types; claims, masks and columns name few


def type_name_tree(type_name: str) -> Node:
    """Parse a type name into a `TypeName` message (cached)."""
    cached = _type_names.get(type_name)
    if cached is None:
        tree = expression(f"NULL::{type_name}")
        if not tree.HasField("type_cast"):
            raise InternalFault("not a type name")
        cached = tree.type_cast.type_name
        if len(_type_names) >= _TYPE_NAMES_MAX:
            _type_names.clear()
        _type_names[type_name] = cached
    return cached


def expression(text: str) -> Node:
    """Parse one scalar expression of ours (a policy's filter or mask), never a client's text.

    Raises: InternalFault unless the text is exactly one expression.
    """
    result = parse_tree(f"SELECT {text}")
    if len(result.stmts) != 1 or not result.stmts[0].stmt.HasField("select_stmt"):
        raise InternalFault("not one expression")
    select = result.stmts[0].stmt.select_stmt
    bare = pb.SelectStmt(
        target_list=select.target_list, limit_option=select.limit_option, op=select.op
    )
    if len(select.target_list) != 1 or select != bare or select.target_list[0].res_target.name:
        raise InternalFault("not one expression")
    return copy(select.target_list[0].res_target.val)


def target(value: Node, name: str = "") -> Node:
    return pb.Node(res_target=pb.ResTarget(name=name, val=value))


def alias(name: str, column_names: Sequence[str] = ()) -> Node:
    return pb.Alias(aliasname=name, colnames=name_list(column_names))


def select() -> Node:
    """An empty SelectStmt with the enum defaults that the parser itself sets."""
    return pb.SelectStmt(limit_option=pb.LIMIT_OPTION_DEFAULT, op=pb.SETOP_NONE)


def subselect(
    query: Node, name: str, column_names: Sequence[str] = (), *, lateral: bool = False
) -> Node:
    """`[LATERAL] (query) AS name(column_names)` as a FROM item."""
    node = pb.Node()
    become_subselect(node, query.SerializeToString(), name, column_names)
    node.range_subselect.lateral = lateral
    return node


def become_subselect(
    place: Node, query: bytes, name: str, column_names: Sequence[str] = ()
) -> None:
    """Make `place`, a FROM item in a tree, `(query) AS name(column_names)`; `query` is a
    serialized SelectStmt."""
    place.Clear()
    item = place.range_subselect
    item.subquery.select_stmt.ParseFromString(query)
    item.alias.aliasname = name
    for column_name in column_names:
        item.alias.colnames.add().string.sval = column_name


def conjunction(parts: Sequence[Node]) -> Node | None:
    """AND of the parts, None for no part."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    return pb.Node(bool_expr=pb.BoolExpr(boolop=pb.AND_EXPR, args=list(parts)))


def conjuncts(condition: Node | None) -> list[Node]:
    """The top-level AND parts of a condition (`Node` unions, still inside their tree)."""
    if condition is None or not condition.WhichOneof("node"):
        return []
    if condition.HasField("bool_expr") and condition.bool_expr.boolop == pb.AND_EXPR:
        return [part for argument in condition.bool_expr.args for part in conjuncts(argument)]
    return [condition]
