-- Statements with parameters, as drivers send them.
--: 3
SELECT * FROM employees WHERE id = $1;
--: 'north', 5
SELECT id, quantity FROM sales WHERE region = $1 AND quantity > $2 ORDER BY id;
--: (1, 2, 3)
SELECT name FROM employees WHERE id = ANY($1) ORDER BY id;
--: ('sql', 'rust')
SELECT id FROM posts WHERE tags && $1::text[] ORDER BY id LIMIT 5;
--: 'draft'
SELECT id, status FROM posts WHERE status = $1 ORDER BY id LIMIT 5;
--: 'draft'
SELECT id, status FROM posts WHERE status = $1::app.status ORDER BY id LIMIT 5;
--: 'user1@example.com'
SELECT id, email FROM users WHERE email = $1;
--: None
SELECT id FROM users WHERE email IS NOT DISTINCT FROM $1 ORDER BY id;
--: 'user1%'
SELECT username FROM users WHERE username LIKE $1 ORDER BY 1;
--: 'User1%'
SELECT username FROM users WHERE username ILIKE $1 ORDER BY 1 LIMIT 3;
--: '\\'
SELECT username FROM users WHERE username LIKE $1;
--: '^user1$'
SELECT username FROM users WHERE username ~ $1;
--: 10, 5
SELECT id FROM posts ORDER BY id LIMIT $1 OFFSET $2;
--: 'text'
SELECT $1::text;
--: 'text'
SELECT $1;
--: 1
SELECT $1 + 1;
--: 1, 2
SELECT $1::int + $2::bigint, $1::text;
--: 1
SELECT $1::int, $1::numeric;
--: 'a', 'b'
SELECT coalesce($1, $2), $1 || $2, concat($1::text, $2::text);
--: 2, 'x'
SELECT i, CASE WHEN i = $1 THEN $2 ELSE t END FROM j1 ORDER BY i, t;
--: '{"lang": "fr"}'
SELECT id FROM posts WHERE metadata @> $1 ORDER BY id LIMIT 4;
--: 'lang'
SELECT metadata ->> $1 AS v, count(*) FROM posts GROUP BY metadata ->> $1 ORDER BY 1;
--: 'lang'
SELECT metadata ->> $1 AS v, count(*) FROM posts GROUP BY 1 ORDER BY 1;
--: 'month'
SELECT date_trunc($1, sold_on) AS m, count(*) FROM sales GROUP BY 1 ORDER BY 1;
--: 4
SELECT sum(salary) FILTER (WHERE department_id < $1), count(*) FROM employees;
--: 1, 3
SELECT i, lag(j, $1) OVER (ORDER BY i, t), ntile($2) OVER (ORDER BY i, t) FROM j1 ORDER BY i, t;
--: 0.5
SELECT percentile_cont($1) WITHIN GROUP (ORDER BY salary) FROM employees;
--: 3
WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < $1) SELECT * FROM t;
--: 2
SELECT d.name, e.name FROM departments d, LATERAL (SELECT name FROM employees WHERE department_id = d.id ORDER BY salary LIMIT $1) e ORDER BY 1, 2;
--: 1
SELECT * FROM generate_series(1, $1) g;
--: 1, 2
VALUES ($1::int), ($2);
--: 1
SELECT id FROM departments UNION SELECT $1 ORDER BY 1;
--: 'x'
SELECT id FROM departments WHERE id = $1;
--: 1
SELECT id FROM departments WHERE name = $2;
--: 1, 2
SELECT id FROM departments WHERE id = $2;
--: 5
SELECT 10 / (id - $1) FROM departments WHERE id < 5 ORDER BY id;
--: 0
SELECT 10 / $1::int;
--: 'Oslo'
SELECT id FROM users WHERE (home).city = $1 ORDER BY id;
--: '(street 1,Oslo,P1,1)'
SELECT id FROM users WHERE home = $1;
--: '(a,b,c,1)'
SELECT $1::app.address, ($1::app.address).city;
--: '{draft,review}'
SELECT $1::app.status[], $1::app.status[] @> ARRAY['draft'::app.status];
--: '[1,5)'
SELECT id FROM spans WHERE i && $1 ORDER BY id;
--: '2026-01-01'
SELECT $1::date + 1, $1::timestamp, $1::timestamptz;
--: '\\x00ff'
SELECT id FROM bits WHERE by = $1;
--: 7
SELECT view.id FROM department_totals view WHERE view.people > $1 ORDER BY 1;
--: True
SELECT name FROM employees WHERE active = $1 AND $1 ORDER BY id;
--: 1.5
SELECT $1::float8 * 2, round($1::numeric);
--: 'C'
SELECT t FROM j1 WHERE t > $1 COLLATE "C" ORDER BY t COLLATE "C";
--: 1, 'one'
SELECT * FROM j1 WHERE (i, t) = ($1, $2);
--: 'two'
SELECT * FROM j1 WHERE t IN ('one', $1, upper($1)) ORDER BY i;
--: 5
SELECT * FROM (SELECT i, j FROM j1 WHERE i < $1 UNION ALL SELECT i, k FROM j2 WHERE k < $1) u ORDER BY 1, 2;
--: 'fox'
SELECT id, ts_rank(search, q) FROM posts, to_tsquery('english', $1) q WHERE search @@ q ORDER BY id LIMIT 3;
--: '$.seo.score ? (@ > 8)'
SELECT id FROM posts WHERE metadata @? $1::jsonpath ORDER BY id;
--: 'a@b'
SELECT $1::app.email;
--: 'ab'
SELECT $1::app.email;
