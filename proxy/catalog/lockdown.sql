-- Run once, as superuser, in the bare template of the class databases.
--
-- Postgres tells any role much about the cluster it lives in, and lets it do things besides
-- reading. Here that is taken away, so that a class role learns and does nothing but through the
-- visible schema of its own database. Each section says what it closes; tests/proxy/catalog/
-- test_lockdown.py tries every one of them again.
--
-- Expects the setting sallyport.database_name: the name that clients shall see.
--
-- How a built-in function is replaced. A call by OID reaches the C function whatever pg_proc says;
-- only the planner's inlining puts the new body in its place, and that needs a body without
-- subqueries that uses each argument at most once. So the new bodies are bare expressions, and
-- what needs a query is a function of its own, named pgv_….

SET allow_system_table_mods = on;

-- The database's physical name is that of the class; clients see the virtual one. Views of
-- information_schema call this function by OID, so they follow.
DO $name$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION pg_catalog.current_database() RETURNS name
         LANGUAGE sql STABLE PARALLEL SAFE AS $body$ SELECT %L::name $body$',
        current_setting('sallyport.database_name'));
END
$name$;

-- Volatile functions write, lock, notify, signal, read files or tell of other sessions. Denied by
-- default; the list gives back what clients' own catalog queries call and what system views need.
-- Functions that read or print values (type input and output) stay, or no value could be shown.
DO $volatile$
DECLARE
    given_back CONSTANT text[] := ARRAY[
        -- harmless in themselves
        'random', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'clock_timestamp', 'timeofday',
        'pg_backend_pid', 'set_config', 'pg_is_in_recovery', 'pg_encoding_to_char',
        'pg_conversion_is_visible', 'pg_advisory_unlock_all',
        -- of empty relations: constant answers
        'pg_relation_size', 'pg_total_relation_size', 'pg_table_size', 'pg_indexes_size',
        'pg_database_size', 'pg_tablespace_size', 'pg_sequence_last_value',
        'pg_get_sequence_data', 'currval', 'lastval',
        -- the structure of visible relations
        'pg_partition_ancestors', 'pg_partition_tree', 'pg_partition_root',
        -- called by views such as pg_settings and pg_timezone_names
        'pg_show_all_settings', 'pg_timezone_names', 'pg_timezone_abbrevs',
        'pg_timezone_abbrevs_zone', 'pg_timezone_abbrevs_abbrevs', 'pg_cursor',
        'pg_prepared_statement', 'pg_get_publication_tables'];
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.provolatile = 'v'
          AND p.prokind <> 'p' AND p.prorettype <> 'trigger'::regtype
          AND p.proname <> ALL (given_back) AND p.proname !~ '^pg_stat_get_'
          AND NOT EXISTS (
              SELECT FROM pg_type t
              WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin,
                              t.typmodout, t.typanalyze, t.typsubscript))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
END
$volatile$;

-- Functions that are not volatile, or begin with pg_stat_get_, and still must not be called.
DO $named$
DECLARE
    refused CONSTANT text[] := ARRAY[
        -- run SQL that is hidden in a string: no walk over a statement's tree sees it
        'ts_stat', 'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema',
        'cursor_to_xml', 'cursor_to_xmlschema', 'table_to_xml', 'table_to_xmlschema',
        'table_to_xml_and_xmlschema', 'schema_to_xml', 'schema_to_xmlschema',
        'schema_to_xml_and_xmlschema', 'database_to_xml', 'database_to_xmlschema',
        'database_to_xml_and_xmlschema', 'ts_rewrite',
        -- other sessions: names, addresses, texts
        'pg_stat_get_activity', 'pg_stat_get_backend_activity', 'pg_stat_get_backend_idset',
        'pg_stat_get_backend_activity_start', 'pg_stat_get_backend_client_addr',
        'pg_stat_get_backend_client_port', 'pg_stat_get_backend_dbid', 'pg_stat_get_backend_pid',
        'pg_stat_get_backend_start', 'pg_stat_get_backend_subxact', 'pg_stat_get_backend_userid',
        'pg_stat_get_backend_wait_event', 'pg_stat_get_backend_wait_event_type',
        'pg_stat_get_backend_xact_start', 'pg_stat_get_progress_info',
        'pg_stat_get_db_numbackends', 'pg_stat_get_wal_senders', 'pg_stat_get_wal_receiver',
        'pg_lock_status', 'pg_blocking_pids', 'pg_safe_snapshot_blocking_pids',
        -- the machine and the cluster
        'inet_server_addr', 'inet_server_port', 'inet_client_addr', 'inet_client_port',
        'pg_relation_filepath', 'pg_relation_filenode', 'pg_filenode_relation',
        'pg_postmaster_start_time', 'pg_conf_load_time', 'pg_current_logfile',
        'pg_tablespace_databases', 'pg_tablespace_location', 'pg_last_committed_xact',
        'txid_snapshot_xip', 'pg_current_snapshot', 'txid_current_snapshot',
        -- time that statement_timeout alone would bound
        'pg_sleep', 'pg_sleep_for', 'pg_sleep_until'];
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          AND (p.proname = ANY (refused)
               OR p.proname ~ '^(lo_|loread|lowrite|be_lo|pg_advisory_(lock|xact)|pg_try_advisory'
                  '|pg_logical|pg_replication|pg_create|pg_drop|pg_wal|pg_ls|pg_read|pg_stat_reset)')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
END
$named$;

-- A tablespace has no place that a client may know, but psql's \db asks for it: a constant.
CREATE OR REPLACE FUNCTION pg_catalog.pg_tablespace_location(oid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT ''::text $$;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_tablespace_location(oid) TO PUBLIC;

-- Roles of other classes: a role sees itself and Postgres' predefined ones (OIDs below 16384).
DO $roles$
DECLARE
    view text;
    body text;
BEGIN
    FOREACH view IN ARRAY ARRAY['pg_roles', 'pg_user', 'pg_group'] LOOP
        body := rtrim(pg_get_viewdef(('pg_catalog.' || view)::regclass), '; ');
        EXECUTE format(
            'CREATE OR REPLACE VIEW pg_catalog.%I AS SELECT * FROM (%s) every WHERE %s', view, body,
            CASE view
                WHEN 'pg_roles' THEN 'rolname = current_user OR oid < 16384'
                WHEN 'pg_user' THEN 'usename = current_user OR usesysid < 16384'
                ELSE 'grosysid < 16384' END);
    END LOOP;
END
$roles$;
CREATE FUNCTION pg_catalog.pgv_role_name(oid) RETURNS name LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = $1),
                    ('unknown (OID=' || $1 || ')')::name) $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_userbyid(oid) RETURNS name
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_role_name($1) $$;

-- Tables shared by all databases cannot be replaced nor carry row-level security. Statements are
-- sent to a twin in pg_catalog instead (route.py); in any other schema clients would list it.
DO $shared$
DECLARE
    shared text;
    columns text;
    condition text;
BEGIN
    FOREACH shared IN ARRAY ARRAY[
        'pg_database', 'pg_auth_members', 'pg_shdescription', 'pg_shdepend', 'pg_shseclabel',
        'pg_db_role_setting', 'pg_replication_origin', 'pg_subscription', 'pg_parameter_acl']
    LOOP
        SELECT string_agg(
            CASE WHEN shared = 'pg_database' AND attname = 'datname'
                     THEN 'pg_catalog.current_database() AS datname'
                 WHEN shared = 'pg_database' AND attname = 'datacl'
                     THEN 'NULL::pg_catalog.aclitem[] AS datacl'
                 ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
        INTO columns
        FROM pg_attribute
        WHERE attrelid = ('pg_catalog.' || shared)::regclass AND attnum > 0 AND NOT attisdropped;
        condition := CASE WHEN shared = 'pg_database'
            THEN 'datname = current_catalog' ELSE 'false' END;
        EXECUTE format('CREATE VIEW pg_catalog.%I AS SELECT %s FROM pg_catalog.%I WHERE %s',
            replace(shared, 'pg_', 'pgv_'), columns, shared, condition);
        EXECUTE format('GRANT SELECT ON pg_catalog.%I TO PUBLIC', replace(shared, 'pg_', 'pgv_'));
        EXECUTE format('REVOKE ALL ON pg_catalog.%I FROM PUBLIC', shared);
    END LOOP;
END
$shared$;
-- An inlined SQL function reads with the caller's rights; this one reads pg_database.
ALTER FUNCTION information_schema._pg_char_octet_length(oid, int4) SECURITY DEFINER;
CREATE OR REPLACE FUNCTION pg_catalog.shobj_description(oid, name) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT NULL::text $$;

-- Functions that take a database, by a name that is not the physical one or by a guessed OID.
CREATE FUNCTION pg_catalog.pgv_may_connect(database text, privilege text) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN database = pg_catalog.current_database()::text
                THEN privilege ILIKE '%connect%' END $$;
CREATE FUNCTION pg_catalog.pgv_may_connect(database oid, privilege text) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pgv_database d WHERE d.oid = database)
                THEN privilege ILIKE '%connect%' END $$;
CREATE FUNCTION pg_catalog.pgv_database_size(database oid) RETURNS bigint
    LANGUAGE sql STABLE AS $$
    SELECT 0::bigint FROM pg_catalog.pgv_database d WHERE d.oid = database $$;
CREATE OR REPLACE FUNCTION pg_catalog.has_database_privilege(text, text) RETURNS boolean
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_may_connect($1, $2) $$;
CREATE OR REPLACE FUNCTION pg_catalog.has_database_privilege(oid, text) RETURNS boolean
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_may_connect($1, $2) $$;
CREATE OR REPLACE FUNCTION pg_catalog.has_database_privilege(name, text, text) RETURNS boolean
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_may_connect($2, $3) $$;
CREATE OR REPLACE FUNCTION pg_catalog.has_database_privilege(name, oid, text) RETURNS boolean
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_may_connect($2, $3) $$;
CREATE OR REPLACE FUNCTION pg_catalog.has_database_privilege(oid, text, text) RETURNS boolean
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_may_connect($2, $3) $$;
CREATE OR REPLACE FUNCTION pg_catalog.has_database_privilege(oid, oid, text) RETURNS boolean
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_may_connect($2, $3) $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_database_size(name) RETURNS bigint
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN $1 = pg_catalog.current_database() THEN 0::bigint END $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_database_size(oid) RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT pg_catalog.pgv_database_size($1) $$;

-- Transaction numbers count what others do, and asking for one uses one up.
CREATE OR REPLACE FUNCTION pg_catalog.txid_current() RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT 3::bigint $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_current_xact_id() RETURNS xid8
    LANGUAGE sql STABLE AS $$ SELECT '3'::xid8 $$;

-- What a name of the form database.schema.relation becomes before ::regclass (route.py): the
-- virtual database is not the physical one, and Postgres would refuse a cross-database reference.
CREATE FUNCTION pg_catalog.pgv_relation_name(text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN pg_catalog.cardinality(p) = 3 AND p[1] = pg_catalog.current_database()::text
                THEN pg_catalog.quote_ident(p[2]) || '.' || pg_catalog.quote_ident(p[3])
                ELSE $1 END
    FROM (SELECT pg_catalog.parse_ident($1, false) AS p) parsed $$;

-- Views over cluster-wide activity are emptied in place, so that their columns stay right.
DO $activity$
DECLARE
    view text;
    columns text;
BEGIN
    FOREACH view IN ARRAY ARRAY[
        'pg_stat_activity', 'pg_stat_database', 'pg_stat_database_conflicts', 'pg_stat_ssl',
        'pg_stat_gssapi', 'pg_stat_replication', 'pg_stat_replication_slots',
        'pg_replication_slots', 'pg_replication_origin_status', 'pg_locks', 'pg_stat_io',
        'pg_stat_wal', 'pg_stat_bgwriter', 'pg_stat_checkpointer', 'pg_stat_archiver',
        'pg_stat_slru', 'pg_prepared_xacts', 'pg_stat_subscription', 'pg_stat_subscription_stats',
        'pg_stat_wal_receiver', 'pg_stat_recovery_prefetch', 'pg_stat_progress_vacuum',
        'pg_stat_progress_analyze', 'pg_stat_progress_copy', 'pg_stat_progress_cluster',
        'pg_stat_progress_create_index', 'pg_stat_progress_basebackup', 'pg_available_extensions',
        'pg_available_extension_versions', 'pg_user_mappings', 'pg_aios']
    LOOP
        CONTINUE WHEN to_regclass('pg_catalog.' || view) IS NULL;
        SELECT string_agg(format('NULL::%s%s AS %I', format_type(atttypid, atttypmod),
                   CASE WHEN attcollation NOT IN (0, 100)
                        THEN format(' COLLATE %s', attcollation::regcollation) END, attname),
               ', ' ORDER BY attnum)
        INTO columns
        FROM pg_attribute WHERE attrelid = ('pg_catalog.' || view)::regclass AND attnum > 0;
        EXECUTE format('CREATE OR REPLACE VIEW pg_catalog.%I AS SELECT %s WHERE false',
            view, columns);
    END LOOP;
END
$activity$;

-- Nothing can be made, in any schema or language.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;

RESET allow_system_table_mods;
