-- Sessions of tools that cannot be had here, by the statements that they are known to send.
\pset pager off
\echo == npgsql_types
SELECT ns.nspname, typ.typname, typ.typtype, typ.typnotnull, elem.typname AS element
FROM pg_type typ JOIN pg_namespace ns ON ns.oid = typ.typnamespace
LEFT JOIN pg_class cls ON cls.oid = typ.typrelid LEFT JOIN pg_proc proc ON proc.oid = typ.typreceive
LEFT JOIN pg_range rng ON rng.rngtypid = typ.oid
LEFT JOIN pg_type elem ON elem.oid = CASE WHEN proc.proname = 'array_recv' THEN typ.typelem WHEN typ.typtype = 'r' THEN rng.rngsubtype WHEN typ.typtype = 'd' THEN typ.typbasetype END
WHERE ns.nspname IN ('app', 'trade') AND (typ.typtype IN ('b', 'r', 'm', 'e', 'd') OR (typ.typtype = 'c' AND cls.relkind = 'c'))
ORDER BY 1, 2;
SELECT typ.typname, att.attname, att.atttypid::regtype FROM pg_type typ JOIN pg_class cls ON cls.oid = typ.typrelid
JOIN pg_attribute att ON att.attrelid = typ.typrelid WHERE typ.typtype = 'c' AND cls.relkind = 'c' AND att.attnum > 0 AND NOT att.attisdropped ORDER BY typ.typname, att.attnum;
SELECT typ.typname, enumlabel FROM pg_enum JOIN pg_type typ ON typ.oid = enumtypid ORDER BY 1, enumsortorder;
\echo == npgsql_reset
-- What Npgsql sends when a connection with prepared statements goes back to its pool, then without any.
SET statement_timeout = 1234;
PREPARE kept AS SELECT 1;
CLOSE ALL;
UNLISTEN *;
SELECT pg_advisory_unlock_all();
DISCARD SEQUENCES;
DISCARD TEMP;
RESET ALL;
SET SESSION AUTHORIZATION DEFAULT;
SHOW statement_timeout;
EXECUTE kept;
DISCARD ALL;
EXECUTE kept;
\echo == npgsql_failed_reset
BEGIN;
SELECT * FROM app.missing;
ROLLBACK;
DISCARD ALL;
BEGIN;
DISCARD ALL;
ROLLBACK;
\echo == power_bi
SET extra_float_digits = 3;
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY table_schema, table_name;
SELECT column_name, ordinal_position, is_nullable, data_type FROM information_schema.columns WHERE table_schema = 'trade' AND table_name = 'orders' ORDER BY table_schema, table_name, ordinal_position;
SELECT "$Table"."o_orderstatus" AS "o_orderstatus", count(*) AS "a0" FROM (SELECT "_"."o_orderstatus" FROM "trade"."orders" "_" WHERE "_"."o_totalprice" > 2000) "$Table" GROUP BY "$Table"."o_orderstatus" ORDER BY 1 LIMIT 1000001;
\echo == power_bi_encoding
SELECT character_set_name FROM information_schema.character_sets;
\echo == tableau
SET DateStyle = 'ISO';
SET extra_float_digits = 2;
SHOW transaction_isolation;
SELECT current_schema(), version() LIKE 'PostgreSQL 16%';
BEGIN;
SAVEPOINT _EXEC_SVP_1;
SELECT TRUNC(CAST("orders"."o_orderdate" AS DATE) - DATE '1992-01-01', 0) > 100 AS late, SUM("orders"."o_totalprice") AS "sum" FROM "trade"."orders" "orders" GROUP BY 1 ORDER BY 1;
RELEASE _EXEC_SVP_1;
COMMIT;
\echo == tableau_temporary_table
CREATE LOCAL TEMPORARY TABLE "#Tableau_1_Connect" ("COL" INTEGER) ON COMMIT PRESERVE ROWS;
\echo == tableau_cursor
-- Every query of Tableau's (crate 10212).
BEGIN;
DECLARE "SQL_CUR1" CURSOR WITH HOLD FOR SELECT "labels"."name" FROM "app"."labels" "labels" ORDER BY 1;
FETCH 2 IN "SQL_CUR1";
COMMIT;
FETCH 10 IN "SQL_CUR1";
CLOSE "SQL_CUR1";
\echo == metabase
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;
SET SESSION TIME ZONE 'Europe/Berlin';
BEGIN;
-- Metabase:: userID: 1 queryType: native queryHash: 0
SELECT date_trunc('month', CAST("trade"."orders"."o_orderdate" AS timestamp)) AS "month", COUNT(*) AS "count" FROM "trade"."orders" GROUP BY 1 ORDER BY 1 ASC LIMIT 3;
ROLLBACK;
RESET TIME ZONE;
\echo == metabase_read_write
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
\echo == dbeaver
SET application_name = 'DBeaver 25.1.0 - Main';
SET extra_float_digits = 3;
SELECT current_schema(), session_user;
SHOW search_path;
SELECT string_agg(word, ',' ORDER BY word) FROM pg_catalog.pg_get_keywords() WHERE word LIKE 'tab%';
SET search_path = app, public;
SELECT x.* FROM app.labels x ORDER BY 1 LIMIT 200;
RESET search_path;
\echo == pgadmin
SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='UTF8';
\echo == grafana
SELECT quote_ident(table_name) FROM information_schema.tables WHERE quote_ident(table_schema) = 'trade' ORDER BY 1;
SELECT extract(epoch FROM o_orderdate)::bigint AS time, avg(o_totalprice) AS value FROM trade.orders WHERE o_orderdate BETWEEN '1992-01-01T00:00:00Z' AND '1992-03-01T00:00:00Z' GROUP BY 1 ORDER BY 1;
\echo == superset
SELECT pg_catalog.version() LIKE 'PostgreSQL%';
SHOW standard_conforming_strings;
SET statement_timeout = '60s';
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'trade' AND c.relkind IN ('r', 'p') ORDER BY 1;
\echo == liveness
/* ping */;
SELECT 1;
SELECT 1 WHERE false;
;
\echo == end
