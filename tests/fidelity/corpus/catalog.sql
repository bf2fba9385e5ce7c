-- The catalog, as clients and agents read it to find their way. Keys and OIDs that no client keeps are left out.
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema IN ('public', 'trade', 'app') ORDER BY 1, 2;
SELECT table_name FROM information_schema.tables WHERE table_schema = 'trade' AND table_type = 'BASE TABLE' ORDER BY table_name;
SELECT column_name, data_type, is_nullable, ordinal_position FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'employees' ORDER BY ordinal_position;
SELECT table_name, column_name, udt_schema, udt_name, character_maximum_length, numeric_precision, numeric_scale, datetime_precision FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position;
SELECT table_name, column_name, data_type, udt_name, domain_schema, domain_name FROM information_schema.columns WHERE table_schema = 'app' ORDER BY 1, ordinal_position;
SELECT column_name, is_identity, identity_generation FROM information_schema.columns WHERE table_schema = 'app' AND table_name = 'users' ORDER BY ordinal_position;
--! the shadow does not tell which columns are generated
SELECT column_name, is_generated FROM information_schema.columns WHERE table_schema = 'app' AND table_name = 'posts' ORDER BY ordinal_position;
SELECT table_name, column_name, collation_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'texts' ORDER BY 2;
SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ('public', 'app', 'trade') ORDER BY 1;
SELECT tc.table_name, kcu.column_name FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu USING (constraint_schema, constraint_name) WHERE tc.constraint_type = 'PRIMARY KEY' AND tc.table_schema = 'trade' ORDER BY 1, 2;
SELECT domain_schema, domain_name, data_type FROM information_schema.domains WHERE domain_schema = 'app' ORDER BY 2;
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1;
--! a partitioned table is shown as a plain one
SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'app', 'trade') AND c.relkind IN ('r', 'v', 'm', 'p') ORDER BY 1, 2;
SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'trade' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 3;
SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 3;
--! the shadow does not tell which columns are generated
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attidentity, a.attgenerated FROM pg_attribute a WHERE a.attrelid = 'app.posts'::regclass AND a.attnum > 0 ORDER BY a.attnum;
SELECT t.typname, t.typtype, e.enumlabel FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid ORDER BY 1, e.enumsortorder;
SELECT t.typname, t.typtype, t.typcategory, format_type(t.typbasetype, t.typtypmod) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'app' AND t.typtype IN ('d', 'e') ORDER BY 1;
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid WHERE t.typname = 'address' AND t.typtype = 'c' ORDER BY a.attnum;
SELECT oid, typname, typlen, typarray FROM pg_type WHERE oid < 10000 AND typtype = 'b' ORDER BY oid;
SELECT 'employees'::regclass::text, 'app.users'::regclass::text, 'int4'::regtype::oid, 'app.status'::regtype::text, to_regtype('nothing'), to_regclass('trade.orders')::text;
SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid) AND c.relname LIKE 'n%' AND relnamespace = 'public'::regnamespace ORDER BY 1;
SELECT conrelid::regclass::text, confrelid::regclass::text, contype FROM pg_constraint WHERE contype = 'f' ORDER BY 1, 2;
SELECT conrelid::regclass::text, contype, conkey FROM pg_constraint WHERE contype IN ('p', 'u') AND connamespace = 'trade'::regnamespace ORDER BY 1;
SELECT i.indrelid::regclass::text, i.indisprimary, i.indisunique, i.indnatts FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'trade'::regnamespace ORDER BY 1;
SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'trade' ORDER BY 2;
SELECT schemaname, viewname FROM pg_views WHERE schemaname IN ('public', 'app') ORDER BY 2;
SELECT schemaname, matviewname FROM pg_matviews;
--! partitions and children stand for themselves
SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits ORDER BY 1, 2;
--! partitions stand for themselves
SELECT relname, relispartition FROM pg_class WHERE relname LIKE 'events%' AND relkind IN ('r', 'p') ORDER BY 1;
SELECT collname FROM pg_collation WHERE collname IN ('C', 'POSIX', 'default') ORDER BY 1;
SELECT amname FROM pg_am ORDER BY 1;
SELECT proname, pronargs FROM pg_proc WHERE proname IN ('upper', 'lower', 'length') AND pronamespace = 'pg_catalog'::regnamespace ORDER BY 1, 2, oid;
SELECT typname FROM pg_type WHERE oid = ANY ('{16,23,25,1043,1700}') ORDER BY oid;
SELECT count(*) FROM information_schema.tables WHERE table_schema = 'nowhere';
SELECT description FROM pg_description WHERE objoid = 'j1'::regclass;
SELECT c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(onek)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid);
SELECT relname, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0) AS columns FROM pg_class c WHERE relname IN ('part', 'orders') ORDER BY 1;
SELECT e.name FROM employees e WHERE EXISTS (SELECT 1 FROM information_schema.tables WHERE table_name = 'employees');
SELECT * FROM pg_shadow;
SELECT rolname FROM pg_authid;
SELECT * FROM pg_stat_activity WHERE pid = 0;
--! a view's body would tell of what is hidden
SELECT pg_get_viewdef('department_totals'::regclass);
--! sizes would tell of hidden rows
SELECT pg_relation_size('onek');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'trade.orders'::regclass AND contype IN ('p', 'f') ORDER BY 1;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'trade.region'::regclass;
--! estimates would tell of hidden rows
SELECT reltuples FROM pg_class WHERE relname = 'onek';
--! defaults are not told
SELECT c.relname, d.adbin IS NOT NULL FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid ORDER BY 1;
SELECT sequence_name FROM information_schema.sequences ORDER BY 1;
