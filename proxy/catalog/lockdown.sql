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
        'pg_stat_get_backend_io', 'pg_stat_get_backend_wal',
        -- privileges on shared objects too, by a guessed number
        'pg_get_acl',
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
    LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN ''::text END $$;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_tablespace_location(oid) TO PUBLIC;

-- Roles of other classes: a principal sees itself, under its own name, and Postgres' predefined
-- ones (OIDs below 16384). The class's role is shared by all who see the same; whose statement it
-- is stands in the setting sallyport.principal while it runs. A view must not hold the OID of a
-- function that is made here: renumber.sql could not follow.
CREATE FUNCTION pg_catalog.pgv_class_role() RETURNS name LANGUAGE sql STABLE AS $$
    SELECT current_user $$;
CREATE OR REPLACE VIEW pg_catalog.pg_roles AS
    SELECT CASE WHEN r.oid < 16384 THEN r.rolname 
                ELSE coalesce(nullif(current_setting('sallyport.principal', true), ''),
                              r.rolname)::name END AS rolname,
           r.rolsuper, true AS rolinherit, r.rolcreaterole,
           r.rolcreatedb, r.rolcanlogin, r.rolreplication, -1 AS rolconnlimit,
           '********'::text AS rolpassword, r.rolvaliduntil, r.rolbypassrls,
           NULL::text[] COLLATE "C" AS rolconfig,
           CASE WHEN r.oid < 16384 THEN r.oid ELSE 16385::oid END AS oid
    FROM pg_catalog.pg_authid r WHERE r.rolname = current_user OR r.oid < 16384;
CREATE OR REPLACE VIEW pg_catalog.pg_user AS
    SELECT r.rolname AS usename, r.oid AS usesysid, r.rolcreatedb AS usecreatedb,
           r.rolsuper AS usesuper, r.rolreplication AS userepl, r.rolbypassrls AS usebypassrls,
           '********'::text AS passwd, r.rolvaliduntil::timestamptz AS valuntil,
           NULL::text[] COLLATE "C" AS useconfig
    FROM pg_catalog.pg_roles r WHERE r.rolcanlogin;
DO $roles$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW pg_catalog.pg_group AS SELECT * FROM ('
        || rtrim(pg_get_viewdef('pg_catalog.pg_group'::regclass), '; ')
        || ') every WHERE grosysid < 16384';
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
                 WHEN shared = 'pg_database' AND attname = 'oid' THEN '16384::oid AS oid'
                 WHEN shared = 'pg_database' AND attname = 'datacl'
                     THEN 'NULL::pg_catalog.aclitem[] AS datacl'
                 ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
        INTO columns
        FROM pg_attribute
        WHERE attrelid = ('pg_catalog.' || shared)::regclass AND attnum > 0 AND NOT attisdropped;
        condition := CASE shared WHEN 'pg_database' THEN 'datname = current_catalog'
            -- what the predefined roles are members of, the same in every Postgres
            WHEN 'pg_auth_members' THEN 'roleid < 16384 AND member < 16384'
            ELSE 'false' END;
        EXECUTE format('CREATE VIEW pg_catalog.%I AS SELECT %s FROM pg_catalog.%I WHERE %s',
            replace(shared, 'pg_', 'pgv_'), columns, shared, condition);
        EXECUTE format('GRANT SELECT ON pg_catalog.%I TO PUBLIC', replace(shared, 'pg_', 'pgv_'));
        EXECUTE format('REVOKE ALL ON pg_catalog.%I FROM PUBLIC', shared);
    END LOOP;
END
$shared$;
-- It would look the encoding up in pg_database, under the physical name. All class databases are UTF8.
CREATE OR REPLACE FUNCTION information_schema._pg_char_octet_length(typid oid, typmod int4)
    RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT AS $$
    SELECT CASE WHEN $1 IN (25, 1042, 1043)
                THEN CASE WHEN $2 = -1 THEN CAST(2^30 AS integer)
                          ELSE information_schema._pg_char_max_length($1, $2) *
                               pg_catalog.pg_encoding_max_length(
                                   pg_catalog.pg_char_to_encoding('UTF8')) END END $$;
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

-- Nothing is stored here, but the files of shared tables grow with the number of classes.
CREATE OR REPLACE FUNCTION pg_catalog.pg_relation_size(regclass) RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0::bigint END $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_relation_size(regclass, text) RETURNS bigint
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN 0::bigint END $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_table_size(regclass) RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0::bigint END $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_indexes_size(regclass) RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0::bigint END $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_total_relation_size(regclass) RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0::bigint END $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_tablespace_size(oid) RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0::bigint END $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_tablespace_size(name) RETURNS bigint
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0::bigint END $$;

-- How often tables were read, shared ones by other classes: never, for all that can be told.
DO $statistics$
DECLARE
    function record;
BEGIN
    FOR function IN
        SELECT oid::regprocedure AS name, prorettype::regtype AS result FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_stat_get_'
          AND proname !~ '^pg_stat_get_(db|backend|subscription|function|xact_function)_'
          AND proargtypes = '26' AND NOT proretset
          AND prorettype IN ('bigint'::regtype, 'timestamptz'::regtype, 'float8'::regtype)
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION pg_catalog.%s RETURNS %s LANGUAGE sql STABLE AS %L',
            function.name, function.result, format('SELECT CASE WHEN $1 IS NOT NULL THEN %s::%s END',
                CASE WHEN function.result = 'timestamptz'::regtype THEN 'NULL' ELSE '0' END,
                function.result));
    END LOOP;
END
$statistics$;

-- Ages are counted from the newest transaction of all classes (xmin: see route.py).
CREATE OR REPLACE FUNCTION pg_catalog.age(xid) RETURNS integer
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0 END $$;
CREATE OR REPLACE FUNCTION pg_catalog.mxid_age(xid) RETURNS integer
    LANGUAGE sql STABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN 0 END $$;

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

-- What set_config() becomes in a statement about the catalog (route.py): pg_dump and others narrow
-- what they may read so, which needs no doing here. Nothing else can be set in passing.
CREATE FUNCTION pg_catalog.pgv_set_config(setting text, value text, is_local boolean) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
    BEGIN
        IF setting <> 'restrict_nonsystem_relation_kind' THEN
            RAISE insufficient_privilege USING MESSAGE = 'permission denied for function set_config';
        END IF;
        RETURN value;
    END $$;

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

-- The wheel's Postgres is built without libxml, and reading a literal of type xml is an error there.
-- Here XML is typed, never read: whatever the text, it is a value of that type.
UPDATE pg_catalog.pg_type SET typinput = 'pg_catalog.textin'::regproc
    WHERE oid = 'pg_catalog.xml'::regtype;

RESET allow_system_table_mods;
