"""Look-ups by name: the names of the attack corpus, of honest statements, and of live servers."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from proxy.sql.classification import Classification, Kind, Verdict, generate
from tests.servers import postgres


def calls(text: str) -> list[str]:
    """Calls written as name/arity."""
    return text.split()


REFUSED = calls("""
query_to_xml/4 query_to_xml_and_xmlschema/4 query_to_xmlschema/4 table_to_xml/4 schema_to_xml/4
database_to_xml/3 cursor_to_xml/5 ts_stat/1 ts_stat/2 ts_rewrite/2
pg_ls_dir/1 pg_read_file/1 pg_read_file/3 pg_read_binary_file/1 pg_stat_file/1 pg_hba_file_rules/0
lo_import/1 lo_export/2 lo_get/1 lo_put/3 loread/2 lo_from_bytea/2
set_config/3 pg_sleep/1 pg_sleep_for/1 pg_sleep_until/1
pg_advisory_lock/1 pg_advisory_lock/2 pg_try_advisory_lock/1 pg_advisory_xact_lock/1
pg_terminate_backend/1 pg_terminate_backend/2 pg_cancel_backend/1 pg_reload_conf/0
nextval/1 setval/2 setval/3 currval/1 lastval/0 txid_current/0 txid_current_snapshot/0
pg_current_xact_id/0 pg_export_snapshot/0 pg_notify/2 pg_import_system_collations/1
pg_logical_emit_message/3 pg_create_logical_replication_slot/2 pg_switch_wal/0
pg_stat_get_live_tuples/1 pg_stat_get_activity/1 pg_lock_status/0 pg_stat_reset/0
xmlvalidate/2 xmlconcat2/2 setseed/1 current_query/0 pg_column_size/1
pg_input_is_valid/2 pg_input_error_info/2 satisfies_hash_partition/4 pg_config/0
boolin/1 textin/1 array_in/3 float8_accum/2 int8_avg/1 textsend/1 record_send/1
binary_upgrade_set_next_pg_type_oid/1 pg_cursor/0 pg_prepared_statement/0 xid/1 cid/1 tid/1
""")
CATALOG = calls("""
regclass/1 regtype/1 regproc/1 to_regclass/1 pg_get_viewdef/1 pg_get_constraintdef/2
obj_description/2 col_description/2 format_type/2 pg_table_is_visible/1 has_table_privilege/2
pg_get_indexdef/3 current_setting/1 pg_relation_size/1 pg_total_relation_size/1 acldefault/2
pg_get_userbyid/1 _pg_expandarray/1 pg_show_all_settings/0 regconfig/1
""")
IDENTITY = calls("""
current_user/0 session_user/0 current_database/0 current_schema/0 current_schemas/1 version/0
pg_backend_pid/0 inet_server_addr/0 inet_client_port/0 pg_is_in_recovery/0
pg_advisory_unlock_all/0
""")
ALLOWED = calls("""
now/0 clock_timestamp/0 random/0 random/2 gen_random_uuid/0 lower/1 upper/1 length/1 substring/2
substring/3 concat/1 concat/9 concat_ws/3 format/1 format/4 to_char/2 to_date/2 date_trunc/2
date_trunc/3 date_part/2 extract/2 age/1 age/2 make_interval/0 make_interval/3 generate_series/2
generate_series/3 unnest/1 unnest/3 array_agg/1 string_agg/2 count/0 count/1 sum/1 max/1 rank/0
row_number/0 lag/1 lag/3 ntile/1 percentile_cont/2 json_build_object/0 json_build_object/4
jsonb_build_array/3 jsonb_each/1 jsonb_to_recordset/1 json_populate_record/2 jsonb_path_query/2
jsonb_path_query_tz/3 to_jsonb/1 row_to_json/1 to_tsvector/1 to_tsvector/2 plainto_tsquery/2
ts_headline/3 ts_rank/2 ts_rewrite/3 regexp_replace/4 regexp_matches/2 round/2 text/1
int4range/2 tstzrange/3 multirange/1 enum_range/1 pg_typeof/1 md5/1 sha256/1 encode/2 width_bucket/4
name/1 oid/1 date/1 timezone/2 overlay/3 position/2 pg_size_pretty/1 jsonb_agg/1
""")


def verdict(known: Classification, call: str) -> Verdict:
    name, arity = call.split("/")
    return known.function(name, int(arity))


@pytest.mark.parametrize("call", REFUSED)
def test_dangerous_functions_are_refused(known: Classification, call: str) -> None:
    assert verdict(known, call).kind is Kind.REFUSED


@pytest.mark.parametrize("call", CATALOG)
def test_catalog_functions_stay_with_the_catalog(known: Classification, call: str) -> None:
    assert verdict(known, call).kind is Kind.CATALOG


@pytest.mark.parametrize("call", IDENTITY)
def test_identity_functions_are_answered_by_the_gate(known: Classification, call: str) -> None:
    assert verdict(known, call).kind is Kind.IDENTITY


@pytest.mark.parametrize("call", ALLOWED)
def test_honest_functions_are_allowed(known: Classification, call: str) -> None:
    assert verdict(known, call).is_allowed


@pytest.mark.parametrize(
    "call", ["dblink/2", "evil/1", "crosstab/1", "lower/7", "/0", "QUERY_TO_XML/4", "xmlparse/1"]
)
def test_an_unlisted_name_or_arity_is_unknown(known: Classification, call: str) -> None:
    assert verdict(known, call).kind is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pg_catalog.int4", Kind.ALLOWED),
        ("text", Kind.ALLOWED),
        ("_text", Kind.ALLOWED),
        ("timestamptz[]", Kind.ALLOWED),
        ("char", Kind.ALLOWED),
        ("regconfig", Kind.LITERAL),
        ("regclass", Kind.CATALOG),
        ("pg_catalog.regproc", Kind.CATALOG),
        ("_regclass", Kind.CATALOG),
        ("information_schema.sql_identifier", Kind.CATALOG),
        ("cstring", Kind.REFUSED),
        ("xid", Kind.REFUSED),
        ("tid", Kind.REFUSED),
        ("record", Kind.REFUSED),
        ("xml", Kind.ALLOWED),
        ("refcursor", Kind.REFUSED),
        ("anyelement", Kind.REFUSED),
        ("pg_class", Kind.UNKNOWN),
        ("evil_domain", Kind.UNKNOWN),
    ],
)
def test_types(known: Classification, name: str, kind: Kind) -> None:
    assert known.type(name).kind is kind


def test_types_by_oid(known: Classification) -> None:
    assert known.type_of_oid(23).is_allowed
    assert known.type_of_oid(1007).is_allowed
    assert known.type_of_oid(2205).kind is Kind.CATALOG
    assert known.type_of_oid(99_999).kind is Kind.UNKNOWN
    assert (known.type_oid("pg_catalog.int4"), known.type_oid("int4[]")) == (23, 1007)
    assert known.type_oid("information_schema.sql_identifier") is None


def test_operators(known: Classification) -> None:
    for name in ("=", "<>", "~~", "~~*", "->>", "@>", "@@", "||", "&&", "<->", "^@", "-|-"):
        assert known.operator(name).is_allowed, name
    assert known.operator("<=>").kind is Kind.UNKNOWN


def test_aggregates(known: Classification) -> None:
    assert known.is_aggregate("sum")
    assert not known.is_aggregate("lower")
    assert known.is_aggregate("rank")
    assert not known.is_aggregate("row_number")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("jsonb_each", ("key", "value")),
        ("json_each_text", ("key", "value")),
        ("json_array_elements", ("value",)),
        ("generate_series", ()),
        ("unnest", ()),
        ("json_to_record", ()),
        ("ts_parse", ("tokid", "token")),
    ],
)
def test_output_columns(known: Classification, name: str, columns: tuple[str, ...]) -> None:
    assert known.function_output_columns(name) == columns


def test_output_columns_may_depend_on_the_argument(known: Classification) -> None:
    columns = known.function_output_columns("unnest", [known.type_oid("tsvector") or 0])
    assert columns == ("lexeme", "positions", "weights")


def test_return_types(known: Classification) -> None:
    assert known.return_type("now") == 1184
    assert known.return_type("lower", [25]) == 25
    assert known.return_type("lower") is None
    assert known.return_type("max", [23]) == 23
    assert known.return_type("unnest", [2277]) is None
    assert known.return_type("no_such_function") is None


def test_every_signature_of_every_server_has_the_committed_verdict(
    snapshots: list[generate.Snapshot], known: Classification
) -> None:
    unclassified = [
        (found.name, arity)
        for found in generate.functions(snapshots).values()
        for arity in range(len(found.arguments) - found.defaults, len(found.arguments) + 1)
        if known.function(found.name, arity).kind is Kind.UNKNOWN
    ]
    assert not unclassified


def test_every_allowed_name_exists_somewhere(
    snapshots: list[generate.Snapshot], known: Classification
) -> None:
    live = {str(row[1]) for snapshot in snapshots for row in snapshot.functions}
    assert set(known.functions) == live


def test_casts_between_allowed_types_run_allowed_functions(
    postgres_of: Callable[[int], postgres.Server], known: Classification
) -> None:
    query = """
        SELECT castsource::regtype::text, casttarget::regtype::text, castsource::int8,
               casttarget::int8, p.proname::text, p.pronargs
        FROM pg_cast LEFT JOIN pg_proc p ON p.oid = castfunc"""
    for major in postgres.MAJORS:
        with psycopg.connect(postgres_of(major).dsn) as connection:
            for source, target, source_oid, target_oid, name, arity in connection.execute(query):
                types = (known.type_of_oid(source_oid), known.type_of_oid(target_oid))
                if name is None or not all(found.is_allowed for found in types):
                    continue
                # The sized forms (numeric(n), bpchar(n)) run a function of three arguments.
                assert known.function(name, arity).is_allowed, (major, source, target, name)


def test_an_untyped_literal_does_not_reach_an_overload_that_was_left_out(
    postgres_server: postgres.Server, known: Classification
) -> None:
    """`age('3')` must not become `age(xid)`, or leaving that overload out would be a hole."""
    checked = 0
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        for name, overloads in known.functions.items():
            hidden = [found for found in overloads if not found.is_reachable]
            for overload in hidden:
                arity = len(overload.arguments)
                if overload.kind == "a" or not known.function(name, arity).is_allowed:
                    continue
                checked += 1
                call = f"SELECT pg_typeof({name}({', '.join(['NULL'] * arity)}))::oid::int8"
                try:
                    row = connection.execute(call).fetchone()
                except psycopg.Error:
                    continue
                assert row != (known.type_oid(overload.result),), call
    assert checked


def test_extensions_add_names_and_open_none(known: Classification) -> None:
    extended = known.with_extensions(
        functions={"l2_distance": "public", "pg_read_file": "public"},
        operators={"<=>": "public"},
        types={"vector": "public", "regclass": "public"},
    )
    assert extended.function("l2_distance", 2) == Verdict(
        Kind.ALLOWED, "listed by the operator", "public"
    )
    assert extended.function("pg_read_file", 1).kind is Kind.REFUSED
    assert extended.operator("<=>").is_allowed
    assert extended.type("vector").schema == "public"
    assert extended.type("regclass").kind is Kind.CATALOG
    assert known.function("l2_distance", 2).kind is Kind.UNKNOWN


def test_unknown_names_are_not_remembered(known: Classification) -> None:
    before = len(known._verdicts)
    for number in range(100):
        known.function(f"invented_{number}", 1)
    assert len(known._verdicts) == before
