"""The review: which built-in names are allowed, and why. Written by hand, read by people.

The generator applies these rules to what live servers have in `pg_proc`, `pg_operator` and
`pg_type` and writes the data files; the running gate reads only those. A rule that matches nothing
fails a test, and so does a function that only the last resort (`unreviewed`) decides.

Order of decision for a function: a name rule; a refusal by argument or result type; IMMUTABLE;
else refused. PostgreSQL's own volatility mark is not enough: `current_setting` is STABLE, and
`satisfies_hash_partition` is IMMUTABLE and opens a relation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from proxy.sql.classification.verdict import Kind

REASONS: dict[str, str] = {
    "immutable": "reads only its arguments",
    "aggregate": "computes over the rows it is given",
    "clock": "reads the clock",
    "settings": "reads its arguments and output settings that the gate pins",
    "encoding": "converts between encodings",
    "enum": "reads the labels of an enum type the statement may use",
    "random": "draws random numbers; nothing is stored",
    "text_search": "reads its arguments and a text search configuration",
    "type_name": "tells the type or collation of its argument",
    "identity": "answered by the gate: a source would tell of itself",
    "nothing_held": "answered by the gate: its sessions hold no advisory locks",
    "catalog": "describes the catalog: usable in statements about the catalog only",
    "catalog_type": "a catalog type: usable in statements about the catalog only",
    "text_search_name": "usable as the type of a literal that names a configuration",
    "value_type": "a type of plain values",
    "sql_text": "runs SQL given as text, which no policy would see",
    "xml": "reads or makes XML; PostgreSQL loads nothing from outside a document",
    "xml_validation": "not implemented by PostgreSQL",
    "files": "reads the server's files, folders or configuration",
    "large_object": "large objects stand outside every table, and so outside every policy",
    "locks": "takes locks that outlive the statement",
    "sleep": "waits on purpose",
    "signal": "acts on other sessions or on the server",
    "notify": "sends messages outside the statement",
    "sequence": "reads or moves a sequence",
    "transaction": "tells of transaction ids, snapshots or row addresses, and so of hidden rows",
    "statistics": "tells of sizes, statistics or activity, and so of hidden rows",
    "settings_write": "changes settings; use SET",
    "seed": "changes the random seed of a shared connection",
    "statement_text": "tells the text that runs at the source",
    "storage": "tells how a value is stored",
    "type_by_name": "takes the name of a type as text, and so tells which types exist",
    "replication": "belongs to replication, write-ahead log or backup",
    "upgrade": "belongs to server upgrades",
    "maintenance": "maintains an index or the catalog",
    "partition_internal": "opens a relation given as a number",
    "internal": "belongs to the inside of the server: no value of its types can be written",
    "wire": "reads or writes a value in a wire or storage format",
    "support": "belongs to the inside of an aggregate, index or planner",
    "handler": "can be called by the server only",
    "portal": "reads a cursor by its name",
    "session": "tells of the session at the source",
    "pseudo_type": "a pseudo-type: no value has it",
    "unreviewed": "not reviewed yet",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Names that share a verdict and a reason. `names` are regular expressions on whole names."""

    kind: Kind
    reason: str
    names: tuple[str, ...]

    def matches(self, name: str) -> bool:
        """Does the rule speak about this name?"""
        return any(re.fullmatch(pattern, name) for pattern in self.names)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Types whose values no data statement can make: no cast to them is allowed, no system column is
# readable, no allowed function returns them. An overload for one of them does not count when a
# name that has other overloads is judged (`age(xid)` beside `age(timestamp)`). `regclass` and its
# kin are not among them: an untyped literal becomes one silently, as in `nextval('s')`.
UNREACHABLE_TYPES = frozenset(
    _words("internal xid xid8 cid tid aclitem pg_snapshot txid_snapshot int2vector oidvector")
)

INTERNAL_TYPES = frozenset(
    _words(
        "internal pg_node_tree pg_ddl_command pg_mcv_list pg_dependencies pg_ndistinct "
        "pg_brin_bloom_summary pg_brin_minmax_multi_summary gtsvector"
    )
)
HANDLER_TYPES = frozenset(
    _words(
        "trigger event_trigger language_handler fdw_handler index_am_handler "
        "table_am_handler tsm_handler"
    )
)
TRANSACTION_TYPES = frozenset(_words("xid xid8 cid tid pg_snapshot txid_snapshot"))
CATALOG_TYPES = frozenset(
    _words(
        "aclitem regclass regcollation regnamespace regoper regoperator regproc regprocedure "
        "regrole regtype int2vector oidvector pg_node_tree"
    )
)
TEXT_SEARCH_NAME_TYPES = frozenset(_words("regconfig regdictionary"))
VALUE_TYPES = frozenset(
    _words(
        "bit bool box bpchar bytea char cidr circle date datemultirange daterange float4 float8 "
        "inet int2 int4 int4multirange int4range int8 int8multirange int8range interval json "
        "jsonb jsonpath line lseg macaddr macaddr8 money name numeric nummultirange numrange oid "
        "path pg_lsn point polygon text time timestamp timestamptz timetz tsmultirange tsquery "
        "tsrange tstzmultirange tstzrange tsvector uuid varbit varchar xml"
    )
)

FUNCTION_RULES: tuple[Rule, ...] = (
    Rule(
        Kind.IDENTITY,
        "identity",
        _words(
            "current_user session_user system_user getpgusername current_database current_schema "
            "current_schemas version pg_backend_pid inet_client_addr inet_client_port "
            "inet_server_addr inet_server_port pg_client_encoding getdatabaseencoding "
            "pg_is_in_recovery"
        ),
    ),
    # asyncpg's pool resets a connection with it.
    Rule(Kind.IDENTITY, "nothing_held", ("pg_advisory_unlock_all",)),
    Rule(
        Kind.REFUSED,
        "sql_text",
        _words("(query|table|schema|database|cursor)_to_xml(schema|_and_xmlschema)? ts_stat "),
    ),
    Rule(
        Kind.REFUSED,
        "files",
        _words(
            "pg_ls_.* pg_read_(binary_)?file(_old)? pg_stat_file pg_hba_file_rules "
            "pg_ident_file_mappings pg_show_all_file_settings pg_current_logfile "
            "pg_rotate_logfile(_old)? pg_config pg_relation_filepath pg_get_loaded_modules"
        ),
    ),
    Rule(
        Kind.REFUSED,
        "large_object",
        _words("lo_.* loread lowrite has_largeobject_privilege"),
    ),
    Rule(Kind.REFUSED, "locks", _words("pg_(try_)?advisory_.*")),
    Rule(Kind.REFUSED, "sleep", _words("pg_sleep(_for|_until)?")),
    Rule(
        Kind.REFUSED,
        "signal",
        _words(
            "pg_cancel_backend pg_terminate_backend pg_reload_conf pg_promote "
            "pg_log_backend_memory_contexts pg_blocking_pids pg_safe_snapshot_blocking_pids "
            "pg_isolation_test_session_is_blocked pg_stop_making_pinned_objects"
        ),
    ),
    Rule(
        Kind.REFUSED,
        "notify",
        _words("pg_notify pg_notification_queue_usage pg_listening_channels"),
    ),
    Rule(
        Kind.REFUSED,
        "sequence",
        _words("nextval currval lastval setval pg_sequence_last_value pg_nextoid"),
    ),
    Rule(
        Kind.REFUSED,
        "transaction",
        _words(
            "txid_.* pg_current_xact_id.* pg_current_snapshot pg_export_snapshot pg_xact_.* "
            "pg_snapshot_.* pg_visible_in_snapshot pg_get_multixact_members mxid_age currtid2 "
            "pg_last_committed_xact pg_prepared_xact"
        ),
    ),
    Rule(
        Kind.REFUSED,
        "replication",
        _words(
            "pg_replication_.* pg_logical_.* pg_(copy|create|drop)_.*replication_slot "
            "pg_get_replication_slots pg_sync_replication_slots pg_show_replication_origin_status "
            "pg_.*wal_?(file.*|_.*)? pg_walfile_name(_offset)? pg_backup_.* pg_(start|stop)_backup "
            "pg_is_in_backup pg_create_restore_point pg_control_.* pg_is_wal_replay_paused "
            "pg_last_(wal|xact)_.* pg_log_standby_snapshot pg_split_walfile_name "
            "pg_(available_wal_summaries|get_wal_.*|wal_.*) pg_get_publication_tables"
        ),
    ),
    Rule(
        Kind.REFUSED,
        "statistics",
        _words(
            "pg_stat_.* pg_lock_status pg_get_backend_memory_contexts pg_get_shmem_allocations.* "
            "pg_get_wait_events pg_get_aios pg_numa_available pg_jit_available pg_mcv_list_items "
            "pg_(clear|restore)_(attribute|relation)_stats"
        ),
    ),
    Rule(Kind.REFUSED, "settings_write", ("set_config",)),
    Rule(Kind.REFUSED, "seed", ("setseed",)),
    Rule(Kind.REFUSED, "statement_text", ("current_query",)),
    Rule(
        Kind.REFUSED,
        "storage",
        _words("pg_column_size pg_column_compression pg_column_toast_chunk_id"),
    ),
    Rule(Kind.REFUSED, "type_by_name", _words("pg_input_is_valid pg_input_error_info")),
    Rule(Kind.REFUSED, "upgrade", _words("binary_upgrade_.*")),
    Rule(
        Kind.REFUSED,
        "maintenance",
        _words(
            "brin_(summarize|desummarize)_.* gin_clean_pending_list pg_import_system_collations "
            "pg_extension_config_dump pg_event_trigger_.* amvalidate"
        ),
    ),
    Rule(Kind.REFUSED, "partition_internal", ("satisfies_hash_partition",)),
    Rule(
        Kind.REFUSED,
        "session",
        _words("pg_cursor pg_prepared_statement pg_trigger_depth"),
    ),
    Rule(Kind.REFUSED, "xml_validation", ("xmlvalidate",)),
    Rule(Kind.REFUSED, "support", ("xmlconcat2",)),
    Rule(
        Kind.ALLOWED,
        "xml",
        _words("xml xml(agg|comment|exists|text) xpath.* xml_is_well_formed.*"),
    ),
    Rule(
        Kind.REFUSED,
        "support",
        _words(
            "any_value_transfn bool(and|or)_statefunc .*_(accum|accum_inv|combine|transfn|serialize"
            "|deserialize|subdiff|canonical) gist_translate_cmptype_common spg_.* gin_.* "
            "float8_(avg|corr|covar_.*|regr_.*|stddev_.*|var_.*) int8_avg interval_avg "
            "postgresql_fdw_validator fmgr_.*_validator plpgsql_.* pg_indexam_progress_phasename "
            "range_typanalyze .*typmodin .*typmodout"
        ),
    ),
    Rule(Kind.REFUSED, "wire", _words(".*_?send .*_?recv byteasend")),
    Rule(
        Kind.CATALOG,
        "catalog",
        _words(
            "pg_.*_is_visible has_.*_privilege pg_has_role row_security_active format_type "
            "(obj|col|shobj)_description to_reg.* reg(class) current_setting acldefault aclexplode "
            "oidvectortypes get_current_ts_config "
            "pg_get_(acl|catalog_foreign_keys|constraintdef|expr|functiondef|indexdef|keywords) "
            "pg_get_function_(arg_default|arguments|identity_arguments|result|sqlbody) "
            "pg_get_(object_address|partition_constraintdef|partkeydef|replica_identity_index) "
            "pg_get_(ruledef|sequence_data|serial_sequence|triggerdef|userbyid|viewdef) "
            "pg_get_statisticsobjdef(_columns|_expressions)? pg_partition_(ancestors|root|tree) "
            "pg_relation_(size|is_publishable|is_updatable|filenode) pg_filenode_relation "
            "pg_(table|indexes|total_relation|database|tablespace)_size "
            "pg_tablespace_(location|databases) pg_column_is_updatable "
            "pg_index(am|_column)?_has_property pg_basetype pg_options_to_table "
            "pg_available_extension(s|_versions) pg_extension_update_paths "
            "pg_timezone_(names|abbrevs.*) pg_show_all_settings pg_settings_get_flags "
            "pg_sequence_parameters pg_encoding_to_char pg_char_to_encoding pg_encoding_max_length "
            "pg_describe_object pg_identify_object(_as_address)? "
            "pg_(database_)?collation_actual_version pg_my_temp_schema pg_is_other_temp_schema "
            "pg_postmaster_start_time pg_conf_load_time icu_unicode_version unicode_version _pg_.*"
        ),
    ),
    Rule(
        Kind.ALLOWED,
        "clock",
        _words("now (transaction|statement|clock)_timestamp timeofday uuidv7"),
    ),
    Rule(
        Kind.ALLOWED,
        "random",
        _words("random random_normal gen_random_uuid uuidv4 array_sample array_shuffle"),
    ),
    Rule(
        Kind.ALLOWED,
        "text_search",
        _words(
            "to_tsvector json_to_tsvector jsonb_to_tsvector (to|plainto|phraseto|websearch_to)"
            "_tsquery ts_debug ts_headline ts_lexize ts_match_t[qt] ts_parse ts_token_type"
        ),
    ),
    Rule(Kind.ALLOWED, "enum", _words("enum_(first|last|range)")),
    Rule(Kind.ALLOWED, "encoding", _words("convert convert_from convert_to")),
    Rule(Kind.ALLOWED, "type_name", _words("pg_typeof pg_collation_for")),
)

# STABLE functions that read nothing but their arguments and TimeZone, DateStyle, IntervalStyle,
# lc_monetary, bytea_output and the like, all pinned per session. Kept apart from the rules above
# because most of these names have IMMUTABLE overloads too.
SETTINGS_FUNCTIONS = Rule(
    Kind.ALLOWED,
    "settings",
    _words(
        "age anytextcat textanycat array_to_json array_to_string concat concat_ws date date_add "
        "date_(cmp|eq|ge|gt|le|lt|ne)_timestamptz date_part date_subtract date_trunc extract "
        "format generate_series in_range interval_pl_timestamptz json_build_(array|object) "
        "json_populate_recordset json_populate_record json_to_record json_to_recordset "
        "jsonb_build_(array|object) jsonb_path_(exists|match|query|query_array|query_first)_tz "
        "jsonb_populate_record(_valid|set)? jsonb_to_record(set)? length make_timestamptz money "
        "numeric overlaps quote_literal quote_nullable row_to_json time timestamp timestamptz "
        "timetz timezone timestamp_(cmp|eq|ge|gt|le|lt|ne)_timestamptz "
        "timestamptz_(cmp|eq|ge|gt|le|lt|ne)_(date|timestamp) timestamptz_(mi|pl)_interval "
        "to_char to_date to_json to_jsonb to_number to_timestamp"
    ),
)

# Overloads that differ from what their name or types would say: the text form of `ts_rewrite`
# runs a query, the other one rewrites a value; `text(xml)` prints and parses nothing.
SIGNATURE_RULES: dict[tuple[str, tuple[str, ...]], tuple[Kind, str]] = {
    ("text", ("xml",)): (Kind.ALLOWED, "immutable"),
    ("ts_rewrite", ("tsquery", "text")): (Kind.REFUSED, "sql_text"),
}
