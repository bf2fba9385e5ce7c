"""Which statements are about the catalog, which of its relations may be asked, where names lead.

Pure: names and libpg_query trees in, names and trees out. INVARIANT I3: a relation of the system
schemas that is not listed here is refused, though the shadow would refuse the dangerous ones too.
This file must not know the shadow's connections, nor which functions are allowed (`proxy.sql`).

Theory. Tables that all databases of a cluster share (`pg_database` and others) tell of other
visibility classes, and Postgres lets nobody replace or filter them. So the lock-down revokes them
and puts a twin `pgv_…` beside each, and `redirect` sends statements to the twin under the original
name as alias; literals such as 'pg_database'::regclass are left as they are and stay right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from proxy.faults import DeniedFault

PG_CATALOG: Final = "pg_catalog"
INFORMATION_SCHEMA: Final = "information_schema"

REDIRECTED: Final = frozenset(
    {
        "pg_auth_members", "pg_database", "pg_db_role_setting", "pg_parameter_acl",
        "pg_replication_origin", "pg_shdepend", "pg_shdescription", "pg_shseclabel",
        "pg_subscription",
    }
)  # fmt: skip

# Structure of the class's own database, or constants of Postgres itself.
_STRUCTURE: Final = frozenset(
    {
        "pg_aggregate", "pg_am", "pg_amop", "pg_amproc", "pg_attrdef", "pg_attribute", "pg_cast",
        "pg_class", "pg_collation", "pg_constraint", "pg_conversion", "pg_default_acl", "pg_depend",
        "pg_description", "pg_enum", "pg_event_trigger", "pg_extension", "pg_foreign_data_wrapper",
        "pg_foreign_server", "pg_foreign_table", "pg_group", "pg_index", "pg_indexes",
        "pg_inherits", "pg_init_privs", "pg_language", "pg_largeobject_metadata", "pg_matviews",
        "pg_namespace", "pg_opclass", "pg_operator", "pg_opfamily", "pg_partitioned_table",
        "pg_policies", "pg_policy", "pg_proc", "pg_publication", "pg_publication_namespace",
        "pg_publication_rel", "pg_publication_tables", "pg_range", "pg_rewrite", "pg_roles",
        "pg_rules", "pg_seclabel", "pg_seclabels", "pg_sequence", "pg_sequences", "pg_settings",
        "pg_statistic_ext", "pg_subscription_rel", "pg_tables", "pg_tablespace",
        "pg_timezone_abbrevs", "pg_timezone_names", "pg_transform", "pg_trigger", "pg_ts_config",
        "pg_ts_config_map", "pg_ts_dict", "pg_ts_parser", "pg_ts_template", "pg_type", "pg_user",
        "pg_views",
    }
)  # fmt: skip

# Figures: all zero or empty in the shadow, where nothing is ever stored. Clients' pages ask them.
_FIGURES: Final = frozenset(
    {
        "pg_available_extension_versions", "pg_available_extensions", "pg_cursors", "pg_locks",
        "pg_prepared_statements", "pg_prepared_xacts", "pg_replication_slots",
        "pg_stat_activity", "pg_stat_all_indexes", "pg_stat_all_tables", "pg_stat_archiver",
        "pg_stat_bgwriter", "pg_stat_database", "pg_stat_database_conflicts", "pg_stat_gssapi",
        "pg_stat_io", "pg_stat_progress_analyze", "pg_stat_progress_basebackup",
        "pg_stat_progress_cluster", "pg_stat_progress_copy", "pg_stat_progress_create_index",
        "pg_stat_progress_vacuum", "pg_stat_recovery_prefetch", "pg_stat_replication",
        "pg_stat_replication_slots", "pg_stat_slru", "pg_stat_ssl", "pg_stat_subscription",
        "pg_stat_subscription_stats", "pg_stat_sys_indexes", "pg_stat_sys_tables",
        "pg_stat_user_functions", "pg_stat_user_indexes", "pg_stat_user_tables", "pg_stat_wal",
        "pg_stat_wal_receiver", "pg_stat_xact_all_tables", "pg_stat_xact_sys_tables",
        "pg_stat_xact_user_functions", "pg_stat_xact_user_tables", "pg_statio_all_indexes",
        "pg_statio_all_sequences", "pg_statio_all_tables", "pg_statio_sys_indexes",
        "pg_statio_sys_sequences", "pg_statio_sys_tables", "pg_statio_user_indexes",
        "pg_statio_user_sequences", "pg_statio_user_tables", "pg_stats", "pg_stats_ext",
        "pg_stats_ext_exprs", "pg_user_mappings",
    }
)  # fmt: skip

# Exist in some supported version and are refused. The reason is for reviewers, not for clients.
_REFUSED: Final[dict[str, str]] = {
    "pg_aios": "activity of all sessions",
    "pg_authid": "passwords and roles of all classes",
    "pg_backend_memory_contexts": "the machine, not the schema",
    "pg_config": "the machine, not the schema",
    "pg_file_settings": "the machine, not the schema",
    "pg_hba_file_rules": "who may connect how",
    "pg_ident_file_mappings": "who may connect how",
    "pg_largeobject": "contents, not structure",
    "pg_replication_origin_status": "the cluster, not the schema",
    "pg_shadow": "passwords and roles of all classes",
    "pg_shmem_allocations": "the machine, not the schema",
    "pg_shmem_allocations_numa": "the machine, not the schema",
    "pg_stat_checkpointer": "the cluster, not the schema",
    "pg_statistic": "samples of contents",
    "pg_statistic_ext_data": "samples of contents",
    "pg_user_mapping": "credentials for foreign servers",
    "pg_wait_events": "the machine, not the schema",
}

INFORMATION_SCHEMA_ALLOWED: Final = frozenset(
    {
        "administrable_role_authorizations", "applicable_roles", "attributes", "character_sets",
        "check_constraint_routine_usage", "check_constraints",
        "collation_character_set_applicability", "collations", "column_column_usage",
        "column_domain_usage", "column_options", "column_privileges", "column_udt_usage",
        "columns", "constraint_column_usage", "constraint_table_usage", "data_type_privileges",
        "domain_constraints", "domain_udt_usage", "domains", "element_types", "enabled_roles",
        "foreign_data_wrapper_options", "foreign_data_wrappers", "foreign_server_options",
        "foreign_servers", "foreign_table_options", "foreign_tables",
        "information_schema_catalog_name", "key_column_usage", "parameters",
        "referential_constraints", "role_column_grants", "role_routine_grants",
        "role_table_grants", "role_udt_grants", "role_usage_grants", "routine_column_usage",
        "routine_privileges", "routine_routine_usage", "routine_sequence_usage",
        "routine_table_usage", "routines", "schemata", "sequences", "sql_features",
        "sql_implementation_info", "sql_parts", "sql_sizing", "table_constraints",
        "table_privileges", "tables", "transforms", "triggered_update_columns", "triggers",
        "udt_privileges", "usage_privileges", "user_defined_types", "user_mapping_options",
        "user_mappings", "view_column_usage", "view_routine_usage", "view_table_usage", "views",
    }
)  # fmt: skip

# Functions that ask about a role, and how many arguments they take when it is given: the first.
_PRIVILEGE_CALLS: Final = {
    "has_any_column_privilege": 3, "has_column_privilege": 4, "has_database_privilege": 3,
    "has_foreign_data_wrapper_privilege": 3, "has_function_privilege": 3,
    "has_language_privilege": 3, "has_schema_privilege": 3, "has_sequence_privilege": 3,
    "has_server_privilege": 3, "has_table_privilege": 3, "has_tablespace_privilege": 3,
    "has_type_privilege": 3, "pg_has_role": 3,
}  # fmt: skip

# System columns that hold transaction numbers, which the whole cluster shares, and their types.
_TRANSACTION_COLUMNS: Final = {"xmin": "xid", "xmax": "xid", "cmin": "cid", "cmax": "cid"}
FROZEN_TRANSACTION: Final = "3"  # older than every transaction (src/include/access/transam.h)

ALLOWED: Final = _STRUCTURE | _FIGURES | REDIRECTED
_KNOWN: Final = ALLOWED | _REFUSED.keys()
_TWIN_PREFIX: Final = "pgv_"


def is_catalog_relation(schema: str | None, name: str) -> bool:
    """Whether a relation so named is one of the system's (allowed or not).

    A bare name means the system's relation before any other, as `pg_catalog` is first on every
    search path; relations of information_schema must be qualified.
    """
    return schema in (PG_CATALOG, INFORMATION_SCHEMA) or (not schema and name in _KNOWN)


def is_allowed_relation(schema: str | None, name: str) -> bool:
    """Whether a catalog statement may read this relation of a system schema."""
    return name in (INFORMATION_SCHEMA_ALLOWED if schema == INFORMATION_SCHEMA else ALLOWED)


def redirect(node: Any, user: str = "") -> Any:
    """Send a statement's references to shared tables to their twins. Changes `node`, returns it.

    `node` is a message of one statement, such as SelectStmt; `user` the name that its principal
    goes by, which is no role of the shadow. Raises DeniedFault (42501), worded as
    Postgres does, for a relation of the system schemas that is not on the list.
    """
    with_names = {message.ctename for message in _walk(node) if _is(message, "CommonTableExpr")}
    for message in _walk(node):
        match message.DESCRIPTOR.name:
            case "RangeVar":
                if message.schemaname or message.relname not in with_names:
                    _redirect_relation(message)
            case "ColumnRef":
                _shorten_column(message)
            case "TypeCast":
                _allow_catalog_prefix(message)
            case "ResTarget" if not message.name and _replaced_label(message.val):
                message.name = _replaced_label(message.val)  # as it would be
            case "FuncCall":
                _redirect_call(message, user)
            case "Node":
                _replace_current_catalog(message)
                _replace_transaction(message)
    return node


def _replace_transaction(node: Any) -> None:
    """The transaction that made a row of the catalog counts those that made other classes'."""
    fields = node.column_ref.fields
    kind = _TRANSACTION_COLUMNS.get(fields[-1].string.sval) if fields else None
    if kind is not None:
        node.Clear()
        node.type_cast.arg.a_const.sval.sval = FROZEN_TRANSACTION if kind == "xid" else "0"
        node.type_cast.type_name.names.extend(_catalog_name(kind))
        node.type_cast.type_name.typemod = -1


def _redirect_call(call: Any, user: str) -> None:
    """Privileges of the principal are those of its class; a setting is set by the gate alone."""
    name = call.funcname[-1].string.sval
    if name == "set_config":
        del call.funcname[:]
        call.funcname.extend(_catalog_name("pgv_set_config"))
    elif len(call.args) == _PRIVILEGE_CALLS.get(name) and _text_of(call.args[0]) == user:
        call.args[0].CopyFrom(_call("pgv_class_role"))


def _replaced_label(node: Any) -> str:
    """The label of a select item that is replaced by something of another name, else ""."""
    call, column = node.func_call.funcname, node.column_ref.fields
    if call and call[-1].string.sval == "set_config":
        return "set_config"
    name = str(column[-1].string.sval) if column else ""
    return name if name in _TRANSACTION_COLUMNS else ""


def _text_of(node: Any) -> str | None:
    """The value of a literal, with or without a cast; None for anything else."""
    if node.HasField("type_cast"):
        return _text_of(node.type_cast.arg)
    return str(node.a_const.sval.sval) if node.a_const.HasField("sval") else None


def _redirect_relation(relation: Any) -> None:
    if not is_catalog_relation(relation.schemaname, relation.relname):
        return
    if not is_allowed_relation(relation.schemaname, relation.relname):
        raise DeniedFault(f"permission denied for table {relation.relname}")
    if relation.schemaname == INFORMATION_SCHEMA or relation.relname not in REDIRECTED:
        return
    if not relation.HasField("alias"):
        relation.alias.aliasname = relation.relname
    relation.schemaname = PG_CATALOG
    relation.relname = _TWIN_PREFIX + relation.relname.removeprefix("pg_")


def _shorten_column(column: Any) -> None:
    """`pg_catalog.pg_database.datname` means a relation by its schema: the alias has none."""
    names = [field.string.sval for field in column.fields[:2]]
    if len(column.fields) > 2 and names[0] == PG_CATALOG and names[1] in REDIRECTED:
        del column.fields[0]


def _allow_catalog_prefix(cast: Any) -> None:
    """Let `'database.schema.relation'::regclass` name the virtual database.

    The shadow's database has another name, and Postgres would refuse the reference. Only texts that
    may have three parts are wrapped: put together by `||` or format(), or written with two dots.
    """
    names = [name.string.sval for name in cast.type_name.names]
    if names[-1:] != ["regclass"] or cast.type_name.array_bounds:
        return
    argument = cast.arg
    is_joined = argument.HasField("a_expr") and [
        name.string.sval for name in argument.a_expr.name
    ] == ["||"]
    is_formatted = argument.HasField("func_call") and (
        argument.func_call.funcname[-1].string.sval in ("format", "concat")
    )
    if is_joined or is_formatted or argument.a_const.sval.sval.count(".") > 1:
        inner = pb.Node()
        inner.CopyFrom(argument)
        argument.Clear()
        argument.CopyFrom(_call("pgv_relation_name", inner))


def _replace_current_catalog(node: Any) -> None:
    """CURRENT_CATALOG is a keyword that bypasses the function `current_database()`."""
    if node.sqlvalue_function.op == pb.SVFOP_CURRENT_CATALOG:
        node.Clear()
        node.CopyFrom(_call("current_database"))


def _catalog_name(name: str) -> list[Any]:
    return [pb.Node(string=pb.String(sval=part)) for part in (PG_CATALOG, name)]


def _call(name: str, *arguments: Any) -> Any:
    call = pb.FuncCall(
        funcname=_catalog_name(name), args=arguments, funcformat=pb.COERCE_EXPLICIT_CALL
    )
    return pb.Node(func_call=call)


def _is(message: Any, name: str) -> bool:
    return bool(message.DESCRIPTOR.name == name)


def _walk(message: Any) -> Iterator[Any]:
    """Every message at and below `message`, `Node` unions included, parents before children.

    A message may be changed while it is visited: its children are listed afterwards.
    """
    stack = [message]
    while stack:
        current = stack.pop()
        yield current
        for field, value in current.ListFields():
            if field.message_type is not None:
                stack.extend(value if field.is_repeated else (value,))
