"""What row an expression gives, and `(expression).*` taken apart into its fields.

PostgreSQL writes `(value).*` out as `(value).a, (value).b` (documentation, section 8.16.5), and so
does this file, before the select list is bound: the binder then knows every column by name, and
source, shadow and fence count alike. A row whose fields are not known here is refused.

Rows are followed through columns, subqueries, casts, fields, subscripts, and functions with OUT
arguments. This file must not know policies; it resolves names through the binder and records
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pb

from proxy.faults import Fault, LimitFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.infer import case_results
from proxy.sql.scope import Entry, Output, RefKind, Scope
from proxy.sql.shape import Field

if TYPE_CHECKING:
    from proxy.sql.bind import Binder

EXPANDED_NODES_MAX = 10_000  # of all copies of one expression: a row may have 1,600 fields

# Their result is a row of their first argument's type.
_LIKE_FIRST_ARGUMENT = frozenset(
    {
        "jsonb_populate_record", "jsonb_populate_recordset", "json_populate_record",
        "json_populate_recordset", "jsonb_populate_record_valid",
    }
)  # fmt: skip
_POPULATE_TESTS = frozenset({"jsonb_populate_record_valid"})


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of an expression's type: its OID at the source (0: unknown), and its fields."""

    oid: int = 0
    fields: tuple[Field, ...] = ()


_UNKNOWN = Value()


def expand_rows(binder: Binder, select: tree.Node, scope: Scope) -> None:
    """Write out every `(expression).*` of a select list, in place.

    Raises: UnsupportedFault for a row whose fields are not known; LimitFault for too many copies.
    """
    if not any(_is_row_star(target.res_target.val) for target in select.target_list):
        return
    binder.takes_rows_apart = True
    targets: list[tree.Node] = []
    for target in select.target_list:
        value = target.res_target.val
        if _is_row_star(value):
            targets += _fields(binder, value, scope)
        else:
            targets.append(tree.copy(target))
    del select.target_list[:]
    select.target_list.extend(targets)


def _is_row_star(node: tree.Node) -> bool:
    parts = node.a_indirection.indirection
    return len(parts) > 0 and bool(parts[-1].HasField("a_star"))


def _fields(binder: Binder, node: tree.Node, scope: Scope) -> list[tree.Node]:
    row = tree.copy(node)
    del row.a_indirection.indirection[-1]
    if not row.a_indirection.indirection:
        row = row.a_indirection.arg
    fields = value_of(binder, row, scope).fields
    if not fields:
        raise UnsupportedFault(
            "(expression).* is not supported for this row", hint="Name the fields that you want."
        )
    if sum(1 for _ in tree.walk(row)) * len(fields) > EXPANDED_NODES_MAX:
        raise LimitFault("statement too complex", sqlstate="54001")
    return [tree.target(_field(row, name), name) for name, _ in fields]


def _field(row: tree.Node, name: str) -> tree.Node:
    if row.HasField("a_indirection"):
        taken = tree.copy(row)
        taken.a_indirection.indirection.append(tree.string(name))
        return taken
    return pb.Node(a_indirection=pb.A_Indirection(arg=row, indirection=[tree.string(name)]))


def value_of(binder: Binder, node: tree.Node, scope: Scope | None) -> Value:
    """What is known of the type of an expression whose names stand in `scope`.

    Without a scope, only names that are bound already are known.
    """
    match tree.kind(node):
        case "column_ref":
            return _of_reference(binder, node.column_ref, scope)
        case "a_indirection":
            return _of_indirection(binder, node.a_indirection, scope)
        case "type_cast":
            return _of_cast(binder, node.type_cast)
        case "func_call":
            return _of_call(binder, node.func_call, scope)
        case "coalesce_expr":
            return _first_known(binder, list(node.coalesce_expr.args), scope)
        case "case_expr":
            return _first_known(binder, case_results(node.case_expr), scope)
        case _:
            return _UNKNOWN


def _first_known(binder: Binder, nodes: list[tree.Node], scope: Scope | None) -> Value:
    values = (value_of(binder, node, scope) for node in nodes)
    return next((value for value in values if value != _UNKNOWN), _UNKNOWN)


def _of_type(binder: Binder, oid: int) -> Value:
    return Value(oid, binder.shapes.fields(oid))


def _of_reference(binder: Binder, message: tree.Node, scope: Scope | None) -> Value:
    ref = binder.refs.get(id(message))
    if ref is not None:
        if ref.kind is RefKind.WHOLE_ROW and ref.space is not None and not ref.is_expanded:
            return _of_entries(ref.space.entries)
        return _of_output(binder, ref.entry.output) if ref.entry is not None else _UNKNOWN
    parts = tree.names(message.fields)
    if scope is None or not all(parts):
        return _UNKNOWN
    try:
        found = binder.find(parts, scope, message)
    except Fault:  # told when the expression itself is bound
        return _UNKNOWN
    if isinstance(found, Entry):
        return _of_output(binder, found.output)
    return _of_entries(found.entries)


def _of_entries(entries: list[Entry]) -> Value:
    return Value(0, tuple((entry.name, _stored_type(entry.output)) for entry in entries))


def _stored_type(output: Output) -> int:
    return output.column.type_oid if output.column is not None else 0


def _of_output(binder: Binder, output: Output) -> Value:
    if output.column is not None:
        return _of_type(binder, output.column.type_oid)
    if output.expression is not None:
        return value_of(binder, output.expression, None)
    if output.typed_by is not None:
        return _of_output(binder, output.typed_by)
    if output.arms is not None:
        return _of_output(binder, output.arms[0])
    return _of_type(binder, output.type_oid)


def _of_indirection(binder: Binder, message: tree.Node, scope: Scope | None) -> Value:
    value = value_of(binder, message.arg, scope)
    for part in message.indirection:
        if part.HasField("string"):
            own = [oid for name, oid in value.fields if name == part.string.sval]
            value = _of_type(binder, own[0]) if len(own) == 1 else _UNKNOWN
        elif part.HasField("a_indices") and not part.a_indices.is_slice:
            value = _of_type(binder, binder.shapes.element(value.oid))
        elif not part.HasField("a_indices"):
            return _UNKNOWN
    return value


def _of_cast(binder: Binder, message: tree.Node) -> Value:
    names = tree.names(message.type_name.names)
    schema = names[-2] if len(names) > 1 else "pg_catalog"
    oid = binder.shapes.named(schema, names[-1])
    if message.type_name.array_bounds:
        oid = binder.shapes.array(oid)
    return _of_type(binder, oid)


def _of_call(binder: Binder, message: tree.Node, scope: Scope | None) -> Value:
    name = tree.names(message.funcname)[-1]
    if name in _POPULATE_TESTS:
        return _UNKNOWN
    if name == "unnest" and len(message.args) == 1:
        inner = value_of(binder, message.args[0], scope)
        return _of_type(binder, binder.shapes.element(inner.oid))
    if name in _LIKE_FIRST_ARGUMENT and message.args:
        return value_of(binder, message.args[0], scope)
    columns = binder.shapes.function_columns(name)
    if len(columns) > 1:  # one OUT argument makes no row
        return Value(0, tuple((column, 0) for column in columns))
    return Value(CLASSIFICATION.only_result(name))


def function_columns(
    binder: Binder, call: tree.Node, alias: str | None, own: str
) -> list[Field] | None:
    """Names and types of what one function in FROM gives; its names are bound already.

    `alias` names a single column, `own` where there is none. None: it may be a row of any width.
    """
    if call.HasField("func_call"):
        message = call.func_call
        name = tree.names(message.funcname)[-1]
        declared = binder.shapes.function_columns(name)
        if declared:
            return [(column, 0) for column in declared]
        if name == "unnest" and len(message.args) > 1:
            found: list[Field] = []
            for argument in message.args:
                element = binder.shapes.element(value_of(binder, argument, None).oid)
                found += binder.shapes.fields(element) or ((name, element),)
            return found
        if CLASSIFICATION.is_polymorphic(name) and not _is_plain(binder, message):
            value = value_of(binder, call, None)
            if value.fields:
                return list(value.fields)
            if value.oid == 0:
                return None
        return [(alias or own, 0)]
    value = value_of(binder, call, None)
    return list(value.fields) or [(alias or own, value.oid)]


def _is_plain(binder: Binder, message: tree.Node) -> bool:
    """Whether the arguments surely hold values of built-in types, so that no row comes out."""
    if len(message.args) != 1:
        return False
    only = message.args[0]
    if only.HasField("param_ref") or only.HasField("a_const"):
        return True
    if only.HasField("a_array_expr"):
        return not any(
            one.DESCRIPTOR.name in ("ColumnRef", "RowExpr", "SubLink", "TypeCast")
            for one in tree.walk(only)
        )
    if only.HasField("type_cast"):
        names = tree.names(only.type_cast.type_name.names)
        is_built_in = len(names) == 1 or names[0] == "pg_catalog"
        return is_built_in and CLASSIFICATION.type_oid(names[-1]) != 0
    if only.HasField("func_call"):
        result = CLASSIFICATION.only_result(tree.names(only.func_call.funcname)[-1])
        return CLASSIFICATION.element_type(result) != 0
    return False
