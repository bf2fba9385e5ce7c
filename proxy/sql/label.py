"""The name of an output column that carries none, by PostgreSQL's rule.

Source of the rule: `FigureColname` in `src/backend/parser/parse_target.c`. A candidate has a
strength: 2 ends the search, 1 is kept unless something stronger turns up, 0 is no name at all.
"""

from __future__ import annotations

from postgast import pg_query_pb2 as pb

from proxy.sql import tree

UNKNOWN = "?column?"

_SQL_VALUE_FUNCTIONS = {
    pb.SVFOP_CURRENT_DATE: "current_date",
    pb.SVFOP_CURRENT_TIME: "current_time",
    pb.SVFOP_CURRENT_TIME_N: "current_time",
    pb.SVFOP_CURRENT_TIMESTAMP: "current_timestamp",
    pb.SVFOP_CURRENT_TIMESTAMP_N: "current_timestamp",
    pb.SVFOP_LOCALTIME: "localtime",
    pb.SVFOP_LOCALTIME_N: "localtime",
    pb.SVFOP_LOCALTIMESTAMP: "localtimestamp",
    pb.SVFOP_LOCALTIMESTAMP_N: "localtimestamp",
    pb.SVFOP_CURRENT_ROLE: "current_role",
    pb.SVFOP_CURRENT_USER: "current_user",
    pb.SVFOP_USER: "user",
    pb.SVFOP_SESSION_USER: "session_user",
    pb.SVFOP_CURRENT_CATALOG: "current_catalog",
    pb.SVFOP_CURRENT_SCHEMA: "current_schema",
}
_FIXED = {
    "a_array_expr": "array",
    "row_expr": "row",
    "coalesce_expr": "coalesce",
    "grouping_func": "grouping",
    "json_parse_expr": "json",
    "json_scalar_expr": "json_scalar",
    "json_serialize_expr": "json_serialize",
    "json_object_constructor": "json_object",
    "json_array_constructor": "json_array",
    "json_array_query_constructor": "json_array",
    "json_object_agg": "json_objectagg",
    "json_array_agg": "json_arrayagg",
    "xml_serialize": "xmlserialize",
}
_XML = {
    pb.IS_XMLCONCAT: "xmlconcat",
    pb.IS_XMLELEMENT: "xmlelement",
    pb.IS_XMLFOREST: "xmlforest",
    pb.IS_XMLPARSE: "xmlparse",
    pb.IS_XMLPI: "xmlpi",
    pb.IS_XMLROOT: "xmlroot",
}
_JSON_FUNCTIONS = {
    pb.JSON_EXISTS_OP: "json_exists",
    pb.JSON_QUERY_OP: "json_query",
    pb.JSON_VALUE_OP: "json_value",
}
_SUBLINKS = {pb.EXISTS_SUBLINK: "exists", pb.ARRAY_SUBLINK: "array"}


def label(target: tree.Node) -> str:
    """The output name of a ResTarget message: its alias, or the figured name."""
    return target.name or figure(target.val)


def figure(value: tree.Node) -> str:
    """The name PostgreSQL gives to an unaliased expression (`?column?` when it finds none)."""
    return _figure(value)[1] or UNKNOWN


def _figure(node: tree.Node) -> tuple[int, str]:
    field = tree.kind(node)
    if not field:
        return 0, ""
    message = getattr(node, field)
    if field in _FIXED:
        return 2, _FIXED[field]
    match field:
        case "column_ref":
            parts = [part.string.sval for part in message.fields if part.HasField("string")]
            return (2, parts[-1]) if parts else (0, "")
        case "a_indirection":
            parts = [part.string.sval for part in message.indirection if part.HasField("string")]
            return (2, parts[-1]) if parts else _figure(message.arg)
        case "func_call":
            return 2, message.funcname[-1].string.sval
        case "a_expr":
            return (2, "nullif") if message.kind == pb.AEXPR_NULLIF else (0, "")
        case "type_cast":
            return _figure_cast(message)
        case "collate_clause":
            return _figure(message.arg)
        case "sub_link":
            return _figure_sublink(message)
        case "case_expr":
            strength, name = _figure(message.defresult)
            return (1, "case") if strength <= 1 else (strength, name)
        case "min_max_expr":
            return 2, "greatest" if message.op == pb.IS_GREATEST else "least"
        case "sqlvalue_function":
            return 2, _SQL_VALUE_FUNCTIONS.get(message.op, "")
        case "xml_expr":
            return (2, _XML[message.op]) if message.op in _XML else (0, "")
        case "json_func_expr":
            return 2, _JSON_FUNCTIONS.get(message.op, "")
        case _:
            return 0, ""


def _figure_cast(message: tree.Node) -> tuple[int, str]:
    strength, name = _figure(message.arg)
    if strength <= 1 and message.type_name.names:
        return 1, message.type_name.names[-1].string.sval
    return strength, name


def _figure_sublink(message: tree.Node) -> tuple[int, str]:
    if message.sub_link_type in _SUBLINKS:
        return 2, _SUBLINKS[message.sub_link_type]
    if message.sub_link_type != pb.EXPR_SUBLINK:
        return 0, ""
    query = message.subselect.select_stmt
    while query.op != pb.SETOP_NONE:
        query = query.larg
    if not query.target_list:
        return (2, "column1") if query.values_lists else (0, "")
    first = query.target_list[0].res_target
    return (2, first.name) if first.name else _figure(first.val)
