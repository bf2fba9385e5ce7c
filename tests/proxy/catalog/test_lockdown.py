"""Goal: a class's role learns and does nothing outside the visible schema of its own database.

Method: everything that an untouched Postgres told or let an ordinary role do is tried again, as raw
SQL on the role's own connection: stronger than a client is, whose statements are reviewed first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from proxy.catalog.shadow import MAJOR_NEW, MAJOR_OLD, Shadow
from proxy.catalog.virtual import SourceCatalog
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import DATABASE, Place, seeing


@pytest.fixture(params=[MAJOR_OLD, MAJOR_NEW])
async def place(
    request: pytest.FixtureRequest, place_of: Callable[[int], Awaitable[Place]]
) -> Place:
    return await place_of(request.param)


@pytest.fixture
def cluster(place: Place) -> Cluster:
    return place[0]


@pytest.fixture
def shadow(place: Place) -> Shadow:
    return place[1]


@pytest.fixture
async def role(
    shadow: Shadow, cluster: Cluster, company: SourceCatalog
) -> AsyncIterator[asyncpg.Connection]:
    """The class role's own session; another class exists, with a session of its own."""
    neighbour = await shadow.class_for(seeing(company, {"hr.salaries": ["ssn"]}))
    await neighbour.run("SELECT 1")
    asked = await shadow.class_for(seeing(company, {"public.customers": ["id", "name"]}))
    connection = await login(cluster, (await asked._wholly()).name)
    yield connection
    await connection.close()


async def login(cluster: Cluster, name: str, database: str | None = None) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=str(cluster.socket_directory),
        port=cluster.port,
        user=name,
        database=database or name,
        ssl=False,
        password="guess",
    )


REFUSED = [
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT * FROM pg_database",
    "SELECT * FROM pg_catalog.pg_auth_members",
    "SELECT * FROM pg_shdepend",
    "SELECT * FROM pg_shdescription",
    "SELECT * FROM pg_db_role_setting",
    "SELECT * FROM pg_subscription",
    "SELECT * FROM pg_replication_origin",
    "SELECT * FROM pg_parameter_acl",
    "SELECT count(*) FROM pg_statistic",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_file_settings",
    "SELECT * FROM pg_config",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_stat_get_activity(NULL)",
    "SELECT pg_lock_status()",
    "SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM customers')",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_get(1)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_notify('a', 'b')",
    "SELECT pg_export_snapshot()",
    "SELECT pg_relation_filepath('customers')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('PG_VERSION')",
    "SELECT pg_tablespace_databases(1663)",
    "SELECT pg_sleep(1)",
    "SELECT inet_server_addr()",
    "SELECT pg_postmaster_start_time()",
    "SELECT pg_conf_load_time()",
    "SELECT pg_control_system()",
    "SELECT pg_switch_wal()",
    "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT pg_stat_reset()",
    "SELECT nextval('x')",
    "SELECT setval('x', 1)",
    "SELECT current_setting('data_directory')",
    "SELECT current_setting('unix_socket_directories')",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "SET ROLE postgres",
    "SET allow_system_table_mods = on",
    "CREATE TEMP TABLE t (a int)",
    "CREATE TABLE public.t (a int)",
    "CREATE SCHEMA s",
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DO 'BEGIN END'",
    "COPY customers TO PROGRAM 'id'",
    "COPY customers TO '/tmp/x'",
    "COMMENT ON TABLE customers IS 'x'",
    "INSERT INTO customers VALUES (1, 'x')",
    "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE",
    "CREATE EXTENSION vector",
    # the machine
    "COPY customers FROM PROGRAM 'id'",
    "COPY customers FROM '/etc/passwd'",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_logdir()",
    "SELECT pg_ls_waldir()",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "LOAD 'plpgsql'",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_promote()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_backup_start('x')",
    "SET session_preload_libraries = 'x'",
    "SET dynamic_library_path = '/tmp'",
    "SET temp_file_limit = -1",
    "SET session_replication_role = replica",
    "SET log_statement = 'all'",
    "CHECKPOINT",
    "CREATE TABLESPACE t LOCATION '/tmp'",
    # other sources, classes and roles
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
    "CREATE DATABASE d",
    "CREATE ROLE r",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER SET statement_timeout = 0",
    "GRANT pg_read_server_files TO CURRENT_USER",
    "ALTER DATABASE postgres RENAME TO x",
    "DROP DATABASE postgres",
    "CREATE SUBSCRIPTION s CONNECTION 'host=/tmp' PUBLICATION p",
    "SELECT pg_create_physical_replication_slot('s')",
    "SELECT pg_stat_get_backend_activity(1)",
    "SELECT pg_blocking_pids(1)",
    "SELECT pg_safe_snapshot_blocking_pids(1)",
    # the numbering's and the lock-down's own tools
    "SELECT binary_upgrade_set_next_heap_pg_class_oid(1::oid)",
    "SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')",
    "SELECT * FROM pg_catalog.pgv_number",
    "UPDATE pg_class SET relname = 'x' WHERE relname = 'customers'",
    "DELETE FROM pg_catalog.pg_description",
    "CREATE OR REPLACE FUNCTION pg_catalog.pgv_role_name(oid) RETURNS name LANGUAGE sql AS 'SELECT'",
    "ALTER VIEW pg_catalog.pgv_database OWNER TO CURRENT_USER",
    "SET ROLE pg_monitor",
    "SET SESSION AUTHORIZATION postgres",
]
REFUSED_OF_NEW = [
    "SELECT pg_get_acl(1262, 1::oid, 0)",
    "SELECT * FROM pg_stat_get_backend_io(pg_backend_pid())",
    "SELECT * FROM pg_stat_get_backend_wal(pg_backend_pid())",
    "SELECT * FROM pg_get_aios()",
    "SELECT * FROM pg_get_loaded_modules()",
    "SELECT pg_log_backend_memory_contexts(pg_backend_pid())",
    "SELECT * FROM pg_available_wal_summaries()",
    "SELECT * FROM pg_aios",
]


@pytest.mark.parametrize("sql", REFUSED + REFUSED_OF_NEW)
async def test_former_leak_or_effect_is_refused(
    role: asyncpg.Connection, cluster: Cluster, sql: str
) -> None:
    transaction = role.transaction()  # writable, were it for the transaction alone
    await transaction.start()
    await role.execute("SET LOCAL statement_timeout = '2s'")
    with pytest.raises(asyncpg.PostgresError) as caught:
        await role.fetch(sql)
    await transaction.rollback()
    refused = {"42501", "42P01", "25006"}
    if sql in REFUSED_OF_NEW and cluster.installation.major == MAJOR_OLD:
        refused.add("42883")
    assert caught.value.sqlstate in refused, caught.value


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("ALTER SYSTEM SET fsync = on", "42501"),
        ("VACUUM customers", ""),  # a warning: it is skipped
        ("SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t (a int)", "42883"),
        ("SELECT 'postgres.public.x'::regclass", "0A000"),
    ],
)
async def test_what_no_transaction_takes(role: asyncpg.Connection, sql: str, sqlstate: str) -> None:
    try:
        await role.execute(sql)
        told = ""
    except asyncpg.PostgresError as error:
        told = str(error.sqlstate)
    assert told == sqlstate


async def test_sessions_of_others_are_not_to_be_seen_or_ended(
    role: asyncpg.Connection, cluster: Cluster
) -> None:
    superuser = await cluster.connect()
    others = await superuser.fetch("SELECT pid FROM pg_stat_activity WHERE pid <> 1")
    own = await role.fetchval("SELECT pg_backend_pid()")
    assert len(others) > 2
    for row in others:
        for function in ("pg_terminate_backend", "pg_cancel_backend", "pg_stat_get_activity"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.fetch(f"SELECT {function}({row['pid']})")
    assert await role.fetch("SELECT * FROM pg_stat_activity") == []
    assert own in [row["pid"] for row in others]
    assert await superuser.fetchval("SELECT 1") == 1
    await superuser.close()


async def test_writes_are_refused_without_read_only_too(role: asyncpg.Connection) -> None:
    await role.execute("SET default_transaction_read_only = off")
    for sql in (
        "CREATE TABLE public.t (a int)",
        "CREATE TEMP TABLE t (a int)",
        "CREATE SCHEMA s",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "INSERT INTO customers VALUES (1, 'x')",
        "COMMENT ON TABLE customers IS 'x'",
        "SELECT lo_create(0)",
        "DO 'BEGIN END'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await role.execute(sql)


EMPTY = [
    "pg_stat_activity", "pg_stat_database", "pg_stat_ssl", "pg_stat_gssapi", "pg_stat_replication",
    "pg_locks", "pg_available_extensions", "pg_prepared_xacts", "pg_stat_io", "pg_stat_wal",
    "pg_replication_slots", "pg_user_mappings", "pgv_shdescription",
    "pgv_shdepend", "pgv_db_role_setting", "pgv_subscription", "pgv_shseclabel",
]  # fmt: skip


@pytest.mark.parametrize("view", EMPTY)
async def test_cluster_wide_view_is_empty_with_its_columns(
    role: asyncpg.Connection, cluster: Cluster, view: str
) -> None:
    statement = await role.prepare(f"SELECT * FROM pg_catalog.{view}")
    assert await statement.fetch() == []
    superuser = await cluster.connect()
    original = await superuser.prepare(f"SELECT * FROM pg_catalog.{view.replace('pgv_', 'pg_')}")
    names = [attribute.name for attribute in original.get_attributes()]
    await superuser.close()
    assert [attribute.name for attribute in statement.get_attributes()] == names


async def test_only_one_database_exists_under_its_virtual_name(role: asyncpg.Connection) -> None:
    rows = await role.fetch("SELECT datname, datacl FROM pg_catalog.pgv_database")
    assert [tuple(row) for row in rows] == [(DATABASE, None)]
    assert await role.fetchval("SELECT current_database()") == DATABASE
    catalogs = "SELECT DISTINCT table_catalog FROM information_schema.columns"
    assert [row[0] for row in await role.fetch(catalogs)] == [DATABASE]
    own = "SELECT oid FROM pg_catalog.pgv_database"
    assert await role.fetchval(f"SELECT has_database_privilege('{DATABASE}', 'CONNECT')")
    assert not await role.fetchval(f"SELECT has_database_privilege(({own}), 'CREATE')")
    for guess in ("'postgres'", "'template1'", "1::oid", "5::oid", "'nobody'"):
        for function in (
            f"has_database_privilege({guess}, 'CONNECT')",
            f"pg_database_size({guess})",
        ):
            assert await role.fetchval(f"SELECT {function}") is None


async def test_replaced_functions_answer_wherever_they_stand(role: asyncpg.Connection) -> None:
    """They work through inlining, so each place where an expression can stand is tried."""
    for call, expected in (
        ("current_database()", DATABASE),
        ("txid_current()", 3),
        ("has_database_privilege(1::oid, 'CONNECT')", None),
        ("pg_get_userbyid(4000000000)", "unknown (OID=4000000000)"),
        ("shobj_description(1, 'pg_database')", None),
    ):
        for sql in (
            f"SELECT {call}",
            f"SELECT * FROM {call}",
            f"SELECT v FROM (VALUES ({call})) x(v)",
            f"SELECT max(({call})::text) FROM generate_series(1, 2)",
            f"SELECT (SELECT {call} FROM pg_class ORDER BY {call} LIMIT 1)",
            f"SELECT {call} FROM generate_series(1, 1) GROUP BY 1 HAVING count(*) = 1",
            f"SELECT l FROM pg_namespace n, LATERAL (SELECT {call}) y(l) LIMIT 1",
            f"SELECT (ARRAY[{call}])[1]",
        ):
            value = await role.fetchval(sql)
            assert str(value) == str(expected), sql


async def test_roles_of_other_classes_do_not_exist(
    role: asyncpg.Connection, cluster: Cluster
) -> None:
    superuser = await cluster.connect()
    others = await superuser.fetch(
        "SELECT oid::int, rolname FROM pg_roles WHERE rolname ~ '^c_' AND rolname <> $1",
        await role.fetchval("SELECT current_user"),
    )
    await superuser.close()
    assert others
    for query in ("SELECT rolname FROM pg_roles", "SELECT usename FROM pg_user",
                  "SELECT role_name FROM information_schema.enabled_roles"):  # fmt: skip
        told = {row[0] for row in await role.fetch(query)}
        assert told.isdisjoint(row["rolname"] for row in others)
        assert len([name for name in told if name.startswith("c_")]) == 1
    for row in others:
        for argument in (row["oid"], f"({row['oid']} + (random() * 0)::int)::oid"):
            told_name = await role.fetchval(f"SELECT pg_get_userbyid({argument})")
            assert told_name == f"unknown (OID={row['oid']})"


async def test_other_databases_cannot_be_entered(
    role: asyncpg.Connection, cluster: Cluster
) -> None:
    name = await role.fetchval("SELECT current_user")
    superuser = await cluster.connect()
    others = await superuser.fetch("SELECT datname FROM pg_database WHERE datname <> $1", name)
    await superuser.close()
    assert len(others) >= 4
    for row in others:
        with pytest.raises(asyncpg.PostgresError):
            await login(cluster, name, row["datname"])
    with pytest.raises(asyncpg.InvalidPasswordError):
        await login(cluster, "postgres", "postgres")


async def test_no_volatile_function_is_left_but_the_listed(role: asyncpg.Connection) -> None:
    rows = await role.fetch(
        """
        SELECT DISTINCT p.proname FROM pg_proc p
        WHERE p.provolatile = 'v' AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
          AND has_function_privilege(p.oid, 'EXECUTE') AND p.proname !~ '^pg_stat_get_'
          AND NOT EXISTS (SELECT FROM pg_type t
                          WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
        """
    )
    assert {row[0] for row in rows} == {
        "clock_timestamp", "currval", "gen_random_uuid", "lastval", "pg_advisory_unlock_all",
        "pg_backend_pid", "pg_conversion_is_visible", "pg_encoding_to_char",
        "pg_get_sequence_data", "pg_indexes_size",
        "pg_is_in_recovery", "pg_partition_ancestors", "pg_partition_root", "pg_partition_tree",
        "pg_relation_size", "pg_sequence_last_value", "pg_show_all_settings", "pg_table_size",
        "pg_tablespace_size", "pg_timezone_abbrevs", "pg_timezone_names",
        "pg_total_relation_size", "random", "set_config", "timeofday", "uuidv4", "uuidv7",
    } & {row[0] for row in rows}  # fmt: skip
