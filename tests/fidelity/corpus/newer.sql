-- Functions and syntax that PostgreSQL 17 and 18 added: on 16 both ends say the same error.
SELECT JSON_VALUE('{"a": 1}'::jsonb, '$.a' RETURNING int);
SELECT JSON_EXISTS('{"a": 1}'::jsonb, '$.a'), JSON_QUERY('{"a": [1]}'::jsonb, '$.a' WITH WRAPPER);
SELECT random(1, 1), to_bin(5), to_oct(8);
SELECT uuidv7() IS NOT NULL, uuidv4() IS NOT NULL;
SELECT array_sort(ARRAY[2, 1]), array_reverse(ARRAY[1, 2]);
SELECT casefold('ABC'), reverse('\x0102'::bytea), crc32('a');
SELECT xmltext('<a>'), gamma(1), lgamma(2);
SELECT interval 'infinity', extract(epoch FROM interval 'infinity');
SELECT json_strip_nulls('{"a": [null]}', true);
SELECT max(by) FROM bits;
SELECT max(a) FROM lists;
SELECT to_timestamp('2026-01-01 +01', 'YYYY-MM-DD TZH'), now() AT LOCAL IS NOT NULL;
SELECT jsonb_path_query('"1.5"', '$.number()'), jsonb_path_query('1', '$.string()'), jsonb_path_query('"2026-01-01"', '$.date()');
SELECT unicode_version() IS NOT NULL, pg_basetype('app.email'::regtype);
SELECT any_value(i) FROM j1 WHERE i = 1;
SELECT string_agg(DISTINCT t, ',') WITHIN GROUP (ORDER BY t) FROM j1;
