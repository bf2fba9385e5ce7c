-- What psql sends for its own commands, and how it shows what comes back.
\pset pager off
\pset null '(null)'
\echo == version
SELECT current_setting('server_version_num')::int / 10000 AS server;
\echo == tables
\dt trade.*
\dv *.*ublish*
\dm app.*
\dn
\l corpus
\echo == described
\d trade.orders
\d trade.lineitem
\d+ trade.nation
\d app."Mixed Case"
\d app.author_totals
\dT app.*
\di trade.*
\dd app.*
\echo == described_with_identity
\d app.bookings
\d public.lists
\echo == described_with_defaults
\d app.users
\echo == described_with_sequence
\d app.labels
\ds app.*
\echo == described_partitions
\d app.events
\dP app.*
\echo == described_view
\d+ app.published
\echo == described_domain
\dD app.*
\echo == privileges
\dp app.labels
\ddp
\du reader
\echo == functions
\df app.*
\df lower
\do ~~
\sf lower(text)
\echo == tab_completion
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'post%' AND pg_catalog.pg_table_is_visible(c.oid)
UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'tra%' LIMIT 1000;
SELECT attname FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped AND (attname) LIKE 'o\_%' AND c.relname = 'orders' ORDER BY 1 LIMIT 1000;
SELECT name FROM (SELECT pg_catalog.lower(name) AS name FROM pg_catalog.pg_settings) ss WHERE name LIKE 'timez%' LIMIT 1000;
\echo == plain
SELECT * FROM public.numbers ORDER BY id;
SELECT * FROM public.times ORDER BY id;
\echo == expanded
\x
SELECT id, title, status, tags, reading_time FROM app.posts WHERE id = 3;
\x
\echo == gdesc
SELECT id, title, status, tags, metadata, created_at, views FROM app.posts \gdesc
\echo == gset
SELECT count(*) AS posts FROM app.posts \gset
\echo :posts
\echo == gexec
SELECT format('SELECT %s AS n', n) FROM generate_series(1, 2) n \gexec
\echo == crosstabview
SELECT author_id % 2 AS odd, status, count(*) FROM app.posts GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
\echo == fetch_count
\set FETCH_COUNT 25
SELECT id FROM app.posts ORDER BY id;
SELECT * FROM app.missing;
\unset FETCH_COUNT
\echo == copy
\copy app.labels TO STDOUT
\copy (SELECT id, title FROM app.posts ORDER BY id LIMIT 3) TO STDOUT WITH (FORMAT csv, HEADER)
COPY app.labels (name) TO STDOUT;
\echo == prepared
PREPARE one (int) AS SELECT title FROM app.posts WHERE id = $1;
EXECUTE one (5);
DEALLOCATE one;
EXECUTE one (5);
\echo == cursor
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM app.posts ORDER BY id;
FETCH 3 FROM c;
MOVE 2 FROM c;
FETCH NEXT FROM c;
CLOSE c;
COMMIT;
\echo == several
SELECT 1 \; SELECT 2 \; SELECT 3;
\echo == transaction
BEGIN;
SELECT * FROM app.missing;
SELECT 1;
ROLLBACK;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT * FROM app.missing;
SELECT 1;
COMMIT;
\set ON_ERROR_ROLLBACK off
\echo == errors
SELEC 1;
SELECT nothing FROM app.posts;
SELECT 1 / (id - 1) FROM app.labels;
INSERT INTO app.labels (name) VALUES ('x');
\echo == settings
SET TimeZone = 'Europe/Rome';
SELECT created_at FROM app.posts WHERE id = 1;
RESET TimeZone;
SHOW TimeZone;
\encoding
\echo == timing
\timing on
SELECT 1;
\timing off
\echo == reconnect
\c
SELECT current_user, current_database();
\c corpus reader
SELECT 1;
\echo == end
