"""The gate's own answers to "who and where am I", and qualified names for everything built in.

A source would answer for itself: its role, its database, its address (pitfall 13). So every
identity function and keyword is replaced by a literal of the right type before the statement is
bound. In the same pass functions and types get their `pg_catalog` prefix, so that nothing is looked
up by search path.

The tree is changed in place; a replaced select item keeps the label that PostgreSQL would give it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from postgast import pg_query_pb2 as pb

from proxy.faults import Fault, UnsupportedFault
from proxy.sql import label, tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.classification import Kind
from proxy.sql.xml import name_arguments, part_from_keywords


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a session may learn of itself. `schemas` is the effective virtual search path."""

    user: str
    database: str
    schemas: tuple[str, ...] = ("public",)
    backend_pid: int = 0
    server_version: str = "16.0"

    @property
    def version_text(self) -> str:
        return f"PostgreSQL {self.server_version} (Sallyport)"


_KEYWORDS = {
    pb.SVFOP_CURRENT_ROLE: "current_user",
    pb.SVFOP_CURRENT_USER: "current_user",
    pb.SVFOP_USER: "current_user",
    pb.SVFOP_SESSION_USER: "session_user",
    pb.SVFOP_CURRENT_CATALOG: "current_database",
    pb.SVFOP_CURRENT_SCHEMA: "current_schema",
}


def answer(name: str, facts: SessionFacts, argument: tree.Node | None = None) -> tree.Node:
    """The literal that stands for one identity function. An unknown one is NULL: it tells
    nothing."""
    match name:
        case "current_user" | "session_user" | "getpgusername":
            return _name(facts.user)
        case "current_database":
            return _name(facts.database)
        case "current_schema":
            return (
                _name(facts.schemas[0])
                if facts.schemas
                else tree.cast(tree.null(), "pg_catalog.name")
            )
        case "current_schemas":
            implicit = ("pg_catalog",) if _is_true(argument) else ()
            elements = [tree.constant(schema) for schema in (*implicit, *facts.schemas)]
            array = pb.Node(a_array_expr=pb.A_ArrayExpr(elements=elements))
            return tree.cast(array, "pg_catalog.name[]")
        case "version":
            return tree.cast(tree.constant(facts.version_text), "pg_catalog.text")
        case "pg_backend_pid":
            return tree.integer(facts.backend_pid)
        case "pg_client_encoding" | "getdatabaseencoding":
            return _name("UTF8")
        case "pg_is_in_recovery":
            return pb.Node(a_const=pb.A_Const(boolval=pb.Boolean(boolval=False)))
        case "pg_advisory_unlock_all":
            return tree.cast(tree.constant(""), "pg_catalog.void")
        case "inet_server_port" | "inet_client_port":
            return tree.cast(tree.null(), "pg_catalog.int4")
        case "inet_server_addr" | "inet_client_addr":
            return tree.cast(tree.null(), "pg_catalog.inet")
        case _:
            return tree.cast(tree.null(), "pg_catalog.text")


def _name(value: str) -> tree.Node:
    return tree.cast(tree.constant(value), "pg_catalog.name")


def _is_true(argument: tree.Node | None) -> bool:
    if argument is None:
        return False
    if argument.HasField("type_cast"):
        return _is_true(argument.type_cast.arg)
    constant = argument.a_const
    return constant.boolval.boolval or constant.sval.sval in ("t", "true")


def settle(
    node: tree.Node,
    facts: SessionFacts,
    type_schemas: Mapping[str, str],
    *,
    relations: Collection[tuple[str, str]] = (),
    is_catalog: bool = False,
) -> None:
    """Replace identities and qualify functions and types below `node`, in place.

    `type_schemas` tells where the types outside pg_catalog live that this principal may name;
    `relations` are those it sees, as (schema, name); `is_catalog`: for the shadow, where names keep
    their spelling. Raises: Fault (42883, 42704) for a function or type that the allow-list does not
    know, though the shadow did; UnsupportedFault for the row type of a table that it sees.
    """
    stack = [node]
    while stack:
        message = stack.pop()
        name = message.DESCRIPTOR.name
        if name == "Node":
            if _replace_identity(message, facts) or _replace_boolean(message):
                continue
            field = message.WhichOneof("node")
            if field is not None:
                stack.append(getattr(message, field))
            continue
        if name == "FuncCall":
            _qualify_function(message, is_catalog=is_catalog)
            _make_printable(message)
        elif name == "TypeName" and not is_catalog:
            if _is_row_type(tree.names(message.names), facts, relations, type_schemas):
                raise UnsupportedFault("the row type of a table is not supported in a cast")
            _qualify_type(message, type_schemas)
        elif name == "RangeFunction":
            _keep_alias(message)
        elif name == "XmlExpr":
            name_arguments(message)
        elif name in _MISPRINTED:
            _make_printable(message)
        elif name == "ResTarget" and not message.name and _is_replaced(message.val):
            message.name = label.figure(message.val)
        for field, value in message.ListFields():
            if field.message_type is not None:
                stack.extend(value if field.is_repeated else (value,))


def _keep_alias(message: tree.Node) -> None:
    """An identity function in FROM names its item; the literal in its place would not."""
    call = message.functions[0].list.items[0]
    if len(message.functions) == 1 and not message.HasField("alias") and _is_identity(call):
        message.alias.aliasname = label.figure(call)


def _is_replaced(node: tree.Node) -> bool:
    return _is_identity(node) or _literal_boolean(node) is not None


def _literal_boolean(node: tree.Node) -> bool | None:
    """The value of `'t'::bool` or `'f'::bool`, None for anything else.

    The printer spells these two `true` and `false`, which read back as constants, not as casts.
    """
    cast = node.type_cast
    if tree.names(cast.type_name.names)[-1:] != ("bool",) or cast.type_name.array_bounds:
        return None
    return {"t": True, "f": False}.get(cast.arg.a_const.sval.sval)


def _replace_boolean(node: tree.Node) -> bool:
    value = _literal_boolean(node) if node.HasField("type_cast") else None
    if value is None:
        return False
    node.Clear()
    node.a_const.boolval.boolval = value
    return True


_MISPRINTED = frozenset(
    {"A_Expr", "NullTest", "BooleanTest", "RangeTableFunc", "JsonTable", "FuncCall"}
)


def make_printable(node: tree.Node) -> None:
    """Give every form below `node` that the printer gets wrong another one, equal in meaning."""
    for message in reversed(list(tree.walk(node))):  # inner ones before they are copied
        if message.DESCRIPTOR.name in _MISPRINTED:
            _make_printable(message)


def _make_printable(message: tree.Node) -> None:
    match message.DESCRIPTOR.name:
        case "A_Expr":
            if message.kind in _BETWEEN:
                _part_collated_bounds(message)
        case "RangeTableFunc" | "FuncCall":
            part_from_keywords(message)
        case "JsonTable":
            message.lateral = False  # it is lateral without the word, which is not printed
        case _:
            _part_chained_tests(message)


_BETWEEN = (
    pb.AEXPR_BETWEEN, pb.AEXPR_NOT_BETWEEN, pb.AEXPR_BETWEEN_SYM, pb.AEXPR_NOT_BETWEEN_SYM,
)  # fmt: skip


def _part_collated_bounds(message: tree.Node) -> None:
    """`a BETWEEN (b COLLATE c) AND d`: the printer leaves the parentheses out.

    COALESCE of one argument is that argument, its collation included, and needs none.
    """
    for bound in message.rexpr.list.items:
        if bound.HasField("collate_clause"):
            held = pb.CoalesceExpr(args=[tree.copy(bound)])
            bound.Clear()
            bound.coalesce_expr.CopyFrom(held)


_TESTS = ("null_test", "boolean_test", "json_is_predicate")


def _part_chained_tests(message: tree.Node) -> None:
    """`(a IS NULL) IS TRUE`: IS does not associate, and the printer leaves the parentheses out.

    A cast to boolean between the two changes nothing and is printed with parentheses.
    """
    argument = message.arg
    is_distinct = argument.a_expr.kind in (pb.AEXPR_DISTINCT, pb.AEXPR_NOT_DISTINCT)
    if tree.kind(argument) in _TESTS or is_distinct:
        parted = tree.cast(tree.copy(argument), "pg_catalog.bool")
        argument.Clear()
        argument.CopyFrom(parted)


def _is_identity(node: tree.Node) -> bool:
    if node.HasField("sqlvalue_function"):
        return node.sqlvalue_function.op in _KEYWORDS
    return node.HasField("func_call") and _identity_function(node.func_call) is not None


def _identity_function(call: tree.Node) -> str | None:
    names = tree.names(call.funcname)
    verdict = CLASSIFICATION.function(names[-1], tree.arity(call))
    return names[-1] if verdict.kind is Kind.IDENTITY else None


def _replace_identity(node: tree.Node, facts: SessionFacts) -> bool:
    if not _is_identity(node):
        return False
    if node.HasField("sqlvalue_function"):
        replacement = answer(_KEYWORDS[node.sqlvalue_function.op], facts)
    else:
        call = node.func_call
        name = _identity_function(call)
        assert name is not None
        replacement = answer(name, facts, call.args[0] if call.args else None)
    node.Clear()
    node.CopyFrom(replacement)
    return True


def _qualify_function(call: tree.Node, *, is_catalog: bool) -> None:
    names = tree.names(call.funcname)
    verdict = CLASSIFICATION.function(names[-1], tree.arity(call))
    if verdict.kind is Kind.UNKNOWN or (len(names) == 2 and names[0] != verdict.schema):
        raise Fault(f"function {'.'.join(names)} does not exist", sqlstate="42883")
    if is_catalog or len(names) != 1 or (names[0] == "unnest" and len(call.args) > 1):
        return  # unnest(a, b) in FROM is syntax, and only the bare name has it
    if CLASSIFICATION.is_shared(names[0]):
        return  # max(citext) or max(text): PostgreSQL finds it, the two schemas are on its path
    del call.funcname[:]
    call.funcname.extend(tree.name_list((verdict.schema, names[0])))


def _is_row_type(
    names: tuple[str, ...],
    facts: SessionFacts,
    relations: Collection[tuple[str, str]],
    type_schemas: Mapping[str, str],
) -> bool:
    """Whether a type's name means the rows of a table that this principal sees.

    The source would expand such a row to all its columns, hidden ones included. A type of the same
    name comes first; so does pg_catalog, for a bare name.
    """
    *schemas, name = names
    if not schemas and (name in type_schemas or CLASSIFICATION.type(name).kind is not Kind.UNKNOWN):
        return False
    places = schemas or facts.schemas
    spellings = {name, name.removeprefix("_")}  # the array type's own name
    return any((schema, one) in relations for schema in places for one in spellings)


def _qualify_type(message: tree.Node, type_schemas: Mapping[str, str]) -> None:
    names = tree.names(message.names)
    verdict = CLASSIFICATION.type(names[-1])
    schema = names[0] if len(names) == 2 else type_schemas.get(names[0], verdict.schema)
    is_builtin = verdict.kind is not Kind.UNKNOWN and schema == verdict.schema
    if len(names) > 2 or not (
        is_builtin or type_schemas.get(names[-1].removeprefix("_")) == schema
    ):
        raise Fault(f'type "{".".join(names)}" does not exist', sqlstate="42704")
    del message.names[:]
    message.names.extend(tree.name_list((schema, names[-1])))
