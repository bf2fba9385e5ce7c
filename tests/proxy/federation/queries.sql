-- Statements over two sources, one a line. Each must answer as one Postgres does that holds what this person may see.

-- inner joins
SELECT count(*) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id;
SELECT c.name, o.id, o.total FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.id < 20 AND o.total > 100 ORDER BY 1, 2;
SELECT c.name, o.id FROM crm.customers c, sales.orders o WHERE c.id = o.customer_id AND o.status = 'paid' AND c.region = 'de' ORDER BY 2;
SELECT c.name, r.name, sum(o.total) FROM crm.customers c JOIN crm.regions r ON r.code = c.region JOIN sales.orders o ON o.customer_id = c.id GROUP BY c.name, r.name ORDER BY 3 DESC, 1 LIMIT 10;
SELECT r.name, p.title, sum(i.quantity) AS pieces FROM crm.regions r JOIN crm.customers c ON c.region = r.code JOIN sales.orders o ON o.customer_id = c.id JOIN sales.items i ON i.order_id = o.id JOIN sales.products p USING (sku) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 15;
SELECT * FROM crm.regions r JOIN sales.products p ON length(p.sku) = length(r.code) ORDER BY r.code, p.sku;
SELECT c.*, o.* FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE o.id BETWEEN 5 AND 12 ORDER BY o.id;
SELECT count(*) FROM crm.customers CROSS JOIN sales.products;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id BETWEEN c.id AND c.id + 1 AND o.id < 60 ORDER BY 1, 2;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON (o.customer_id, o.status) = (c.id, 'open') ORDER BY 1, 2 LIMIT 20;
SELECT id FROM (SELECT c.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id) x GROUP BY id HAVING count(*) > 5 ORDER BY id;
SELECT a.id, b.id, o.id FROM crm.customers a JOIN crm.customers b ON b.id = a.id + 1 JOIN sales.orders o ON o.customer_id = b.id WHERE a.id < 12 ORDER BY 1, 2, 3;

-- outer joins
SELECT c.id, count(o.id) FROM crm.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id GROUP BY c.id ORDER BY 2, 1 LIMIT 30;
SELECT c.id, o.id FROM crm.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id AND o.total > 600 WHERE c.id < 40 ORDER BY 1, 2;
SELECT c.id, o.id FROM crm.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id WHERE o.id IS NULL ORDER BY 1;
SELECT c.id, o.id FROM crm.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id WHERE o.status = 'open' AND c.id < 30 ORDER BY 1, 2;
SELECT c.id, o.id FROM crm.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id WHERE o.status IS NULL OR o.status = 'sent' ORDER BY 1, 2 LIMIT 40;
SELECT c.id, o.id FROM crm.customers c RIGHT JOIN sales.orders o ON o.customer_id = c.id WHERE o.id < 100 ORDER BY 2;
SELECT c.id, o.id FROM crm.customers c FULL JOIN sales.orders o ON o.customer_id = c.id WHERE c.id IS NULL OR o.id IS NULL ORDER BY 1 NULLS FIRST, 2 NULLS FIRST;
SELECT c.id, o.id FROM crm.customers c FULL JOIN sales.orders o ON o.customer_id = c.id AND c.region = 'de' WHERE coalesce(o.id, 0) < 50 ORDER BY 1 NULLS LAST, 2 NULLS LAST;
SELECT r.code, c.id, o.id FROM crm.regions r LEFT JOIN crm.customers c ON c.region = r.code LEFT JOIN sales.orders o ON o.customer_id = c.id AND o.id < 80 ORDER BY 1, 2, 3 LIMIT 60;
SELECT r.code, x.n FROM crm.regions r LEFT JOIN (SELECT c.region, count(*) AS n FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id GROUP BY 1) x ON x.region = r.code ORDER BY 1;
SELECT c.id, o.id, i.line FROM crm.customers c LEFT JOIN (sales.orders o JOIN sales.items i ON i.order_id = o.id AND i.quantity > 8) ON o.customer_id = c.id WHERE c.id < 25 ORDER BY 1, 2, 3;
SELECT customer_id, name FROM sales.orders o LEFT JOIN (SELECT id AS customer_id, name FROM crm.customers) c USING (customer_id) WHERE o.id < 60 ORDER BY 1 NULLS FIRST, 2;

-- subqueries
SELECT name FROM crm.customers WHERE id IN (SELECT customer_id FROM sales.orders WHERE total > 600) ORDER BY 1;
SELECT name FROM crm.customers WHERE id NOT IN (SELECT customer_id FROM sales.orders WHERE customer_id IS NOT NULL) ORDER BY 1;
SELECT name FROM crm.customers WHERE id NOT IN (SELECT customer_id FROM sales.orders) ORDER BY 1;
SELECT name FROM crm.customers c WHERE EXISTS (SELECT FROM sales.orders o WHERE o.customer_id = c.id AND o.status = 'sent') ORDER BY 1 LIMIT 12;
SELECT name FROM crm.customers c WHERE NOT EXISTS (SELECT FROM sales.orders o WHERE o.customer_id = c.id) ORDER BY 1;
SELECT c.id, (SELECT max(o.total) FROM sales.orders o WHERE o.customer_id = c.id) AS top FROM crm.customers c ORDER BY 2 DESC NULLS LAST, 1 LIMIT 20;
SELECT o.id, (SELECT c.name FROM crm.customers c WHERE c.id = o.customer_id) FROM sales.orders o WHERE o.id < 40 ORDER BY 1;
SELECT id FROM sales.orders o WHERE total > (SELECT avg(credit) FROM crm.customers) ORDER BY 1 LIMIT 10;
SELECT id FROM sales.orders o WHERE total > ALL (SELECT credit FROM crm.customers WHERE id < 10) ORDER BY 1 LIMIT 10;
SELECT id FROM sales.orders o WHERE customer_id = ANY (ARRAY(SELECT id FROM crm.customers WHERE region = 'fr')) ORDER BY 1 LIMIT 10;
SELECT c.id, ARRAY(SELECT o.id FROM sales.orders o WHERE o.customer_id = c.id ORDER BY o.id) FROM crm.customers c WHERE c.id < 15 ORDER BY 1;
SELECT count(*) FROM crm.customers WHERE (id, region) IN (SELECT customer_id, 'de' FROM sales.orders);
SELECT (SELECT count(*) FROM crm.customers), (SELECT count(*) FROM sales.orders), (SELECT sum(quantity) FROM sales.items);
SELECT id FROM crm.customers WHERE id = (SELECT customer_id FROM sales.orders WHERE id = 40);
SELECT CASE WHEN EXISTS (SELECT FROM sales.orders WHERE customer_id = c.id) THEN 'buys' ELSE 'looks' END, count(*) FROM crm.customers c GROUP BY 1 ORDER BY 1;
SELECT c.id FROM crm.customers c ORDER BY (SELECT count(*) FROM sales.orders o WHERE o.customer_id = c.id) DESC, c.id LIMIT 7;

-- lateral
SELECT c.id, l.id, l.total FROM crm.customers c CROSS JOIN LATERAL (SELECT o.id, o.total FROM sales.orders o WHERE o.customer_id = c.id ORDER BY o.total DESC LIMIT 2) l WHERE c.id < 30 ORDER BY 1, 3 DESC;
SELECT c.id, l.n FROM crm.customers c LEFT JOIN LATERAL (SELECT count(*) AS n FROM sales.orders o WHERE o.customer_id = c.id AND o.total > c.credit) l ON true ORDER BY 2 DESC, 1 LIMIT 9;
SELECT c.id, t, o.id FROM crm.customers c, unnest(c.tags) WITH ORDINALITY AS u(t, n), sales.orders o WHERE o.customer_id = c.id AND n = 1 AND o.id < 200 ORDER BY 3;
SELECT c.id, g, o.id FROM crm.customers c CROSS JOIN LATERAL generate_series(1, c.id) g LEFT JOIN sales.orders o ON o.id = g WHERE c.id < 5 ORDER BY 1, 2, 3;

-- WITH
WITH spent AS (SELECT customer_id, sum(total) AS total FROM sales.orders GROUP BY 1) SELECT c.name, s.total FROM crm.customers c JOIN spent s ON s.customer_id = c.id ORDER BY 2 DESC LIMIT 5;
WITH spent AS MATERIALIZED (SELECT customer_id, sum(total) AS total FROM sales.orders GROUP BY 1), big AS (SELECT * FROM spent WHERE total > 1000) SELECT c.region, count(*), max(b.total) FROM crm.customers c JOIN big b ON b.customer_id = c.id GROUP BY 1 ORDER BY 1;
WITH a AS (SELECT id FROM crm.customers WHERE region = 'us'), b AS (SELECT customer_id AS id FROM sales.orders WHERE status = 'paid') SELECT id FROM a INTERSECT SELECT id FROM b ORDER BY 1;
WITH RECURSIVE walk(id, depth) AS (SELECT 1, 0 UNION ALL SELECT o.customer_id, depth + 1 FROM walk w JOIN sales.orders o ON o.id = w.id + 7 WHERE depth < 6) SELECT w.*, c.name FROM walk w LEFT JOIN crm.customers c ON c.id = w.id ORDER BY depth;
WITH RECURSIVE reach(id) AS (SELECT id FROM crm.customers WHERE id = 1 UNION SELECT o.customer_id FROM reach r JOIN sales.orders o ON o.id = r.id * 3 WHERE o.customer_id < 200) SELECT * FROM reach ORDER BY 1;
WITH orders AS (SELECT 1 AS id) SELECT c.id FROM crm.customers c JOIN orders ON orders.id = c.id JOIN sales.orders s ON s.customer_id = c.id ORDER BY 1;

-- set operations
SELECT id FROM crm.customers UNION SELECT customer_id FROM sales.orders ORDER BY 1 NULLS FIRST LIMIT 20;
SELECT id::bigint FROM crm.customers WHERE id < 9 UNION ALL SELECT id FROM sales.orders WHERE id < 9 ORDER BY 1;
SELECT id FROM crm.customers EXCEPT SELECT customer_id FROM sales.orders ORDER BY 1;
SELECT region FROM crm.customers INTERSECT SELECT 'de' FROM sales.orders;
SELECT customer_id FROM sales.orders EXCEPT ALL SELECT id FROM crm.customers ORDER BY 1 NULLS LAST LIMIT 20;
SELECT name, 'c' FROM crm.customers WHERE id < 4 UNION ALL SELECT title, 'p' FROM sales.products WHERE price < 5 ORDER BY 2, 1;
(SELECT id FROM crm.customers ORDER BY id LIMIT 3) UNION ALL (SELECT id FROM sales.orders ORDER BY id DESC LIMIT 3) ORDER BY 1;
SELECT credit FROM crm.customers WHERE id < 3 UNION SELECT total FROM sales.orders WHERE id < 3 ORDER BY 1;
SELECT NULL, id FROM crm.customers WHERE id = 1 UNION SELECT status, id FROM sales.orders WHERE id = 1 ORDER BY 2, 1;

-- grouping, windows, DISTINCT
SELECT DISTINCT c.region, o.status FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id ORDER BY 1, 2;
SELECT DISTINCT ON (c.region) c.region, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id ORDER BY c.region, o.total DESC;
SELECT c.region, o.status, count(*), grouping(c.region, o.status) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id GROUP BY ROLLUP (c.region, o.status) ORDER BY 4, 1, 2;
SELECT c.region, o.status, sum(o.total) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id GROUP BY CUBE (c.region, o.status) ORDER BY 1 NULLS LAST, 2 NULLS LAST;
SELECT c.region, o.status, count(*) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id GROUP BY GROUPING SETS ((c.region), (o.status), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST;
SELECT c.id, o.id, rank() OVER (PARTITION BY c.region ORDER BY o.total DESC) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id ORDER BY 3, 1, 2 LIMIT 12;
SELECT c.id, o.id, sum(o.total) OVER w, lag(o.id) OVER w FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.id < 9 WINDOW w AS (PARTITION BY c.id ORDER BY o.id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) ORDER BY 1, 2;
SELECT c.id, o.id, count(*) OVER (ORDER BY o.placed RANGE BETWEEN INTERVAL '2 hours' PRECEDING AND CURRENT ROW) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE o.id < 60 ORDER BY 2;
SELECT c.region, string_agg(DISTINCT o.status, '/' ORDER BY o.status), array_agg(o.id ORDER BY o.id) FILTER (WHERE o.id < 30) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id GROUP BY 1 ORDER BY 1;
SELECT c.region, percentile_cont(0.5) WITHIN GROUP (ORDER BY o.total), percentile_disc(0.9) WITHIN GROUP (ORDER BY o.total), mode() WITHIN GROUP (ORDER BY o.status) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id GROUP BY 1 ORDER BY 1;
SELECT corr(c.credit::float8, o.total::float8)::numeric(10,6), regr_count(c.credit::float8, o.total::float8) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id;
SELECT c.id, c.name, count(o.id) FROM crm.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id GROUP BY c.id ORDER BY 3 DESC, 1 LIMIT 4;
SELECT count(DISTINCT c.region), count(DISTINCT o.status), bool_or(o.total > 600), every(c.id > 0) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id;

-- types
SELECT c.grade, max(o.total), min(c.grade), max(c.grade) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id GROUP BY c.grade ORDER BY c.grade;
SELECT c.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.grade >= 'silver' AND o.id < 40 ORDER BY 1;
SELECT c.id, c.since, o.placed - c.since FROM crm.customers c JOIN sales.orders o ON o.placed::date - c.since BETWEEN 1900 AND 1905 ORDER BY 1, 3 LIMIT 12;
SELECT c.id, c.seen, o.window_of FROM crm.customers c JOIN sales.orders o ON o.window_of @> c.seen WHERE o.id = 1 ORDER BY 1 LIMIT 3;
SELECT c.id, c.facts -> 'deep' ->> 0, c.facts || jsonb_build_object('orders', count(o.id)) FROM crm.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id WHERE c.facts @> '{"n": 3}' GROUP BY c.id ORDER BY 1 LIMIT 6;
SELECT c.id, c.tags, c.tags[3], array_length(c.tags, 1) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id AND 't1' = ANY (c.tags) ORDER BY o.id LIMIT 6;
SELECT c.id, c.score, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id ORDER BY c.score DESC, o.id LIMIT 8;
SELECT c.key, encode(c.raw, 'hex'), md5(c.raw) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id AND o.id < 20 ORDER BY 1;
SELECT o.took, justify_interval(o.took), c.since + o.took FROM sales.orders o JOIN crm.customers c ON c.id = o.customer_id WHERE o.id IN (3, 77, 200) ORDER BY o.took;
SELECT p.price, p.weight, p.price * r.vat, p.weight * 2 FROM sales.products p CROSS JOIN crm.regions r WHERE p.sku IN ('p3', 'p17') ORDER BY 1, 3 NULLS FIRST;
SELECT c.note, length(c.note), c.note IS NULL, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE o.id < 30 ORDER BY o.id;
SELECT sum(c.credit), avg(c.credit), sum(o.total), avg(o.total), stddev(o.total) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id;
SELECT to_char(o.placed, 'FMMonth DD, YYYY HH24:MI'), to_char(c.credit, 'FM999G990D00'), upper(c.name) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE o.id < 12 ORDER BY o.id;
SELECT c.since, date_trunc('month', c.since), extract(dow FROM o.placed), c.seen AT TIME ZONE 'America/New_York' FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE o.id < 12 ORDER BY o.id;
SELECT row_to_json(x) FROM (SELECT c.id, c.grade, o.total, c.tags FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE o.id < 9) x ORDER BY x.id;
SELECT c, o FROM crm.regions c JOIN sales.products o ON o.sku = 'p1' ORDER BY c.code;
SELECT to_jsonb(c) - 'raw' FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id AND o.id = 5;
SELECT regexp_replace(c.name, '\d+', '#', 'g'), c.name ~ '1$', c.name ILIKE 'CUSTOMER 1%' FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE o.id < 25 ORDER BY o.id;

-- conditions that a source may or may not be asked to check
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.name LIKE 'Customer 1%' AND o.status IN ('open', 'sent') AND o.total IS NOT NULL ORDER BY 2 LIMIT 12;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE (c.region = 'de' OR c.credit > 2000) AND NOT o.status = 'paid' ORDER BY 2 LIMIT 12;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.region IS DISTINCT FROM 'de' AND o.placed >= '2026-01-20' ORDER BY 2 LIMIT 12;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.name > 'Customer 5' AND c.name BETWEEN 'Customer 6' AND 'Customer 8' ORDER BY 2 LIMIT 12;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE abs(c.id - 50) < 5 AND lower(o.status) = 'open' ORDER BY 2 LIMIT 12;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE 100 / (c.id - 500) = 0 AND o.total::int % 7 = 0 ORDER BY 2 LIMIT 12;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.credit BETWEEN 100 AND 300 AND o.took < '20 days' AND c.key <> '00000000-0000-0000-0000-000000000000' ORDER BY 2 LIMIT 12;
SELECT c.id, o.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE c.seen < now() AND o.placed > '2026-01-01'::timestamp + interval '3 days' ORDER BY 2 LIMIT 12;
SELECT count(*) FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id WHERE false;
SELECT c.id FROM crm.customers c JOIN sales.orders o ON true WHERE o.id = 7 AND c.id = 7;
SELECT c.id, o.id FROM crm.customers AS c (id, label) JOIN sales.orders AS o (id, buyer) ON o.buyer = c.id WHERE c.label = 'Customer 9' ORDER BY 2;
SELECT customers.id, orders.id FROM crm.customers JOIN sales.orders ON sales.orders.customer_id = crm.customers.id WHERE crm.customers.region = 'us' ORDER BY 2 LIMIT 5;
SELECT x.id, x.total FROM (crm.customers c JOIN sales.orders o ON o.customer_id = c.id) AS x (id, name, region, email, grade, credit, since, seen, tags, facts, score, key, raw, note, oid, cid, placed, total) WHERE x.oid < 9 ORDER BY x.oid;
VALUES ((SELECT count(*) FROM crm.customers), (SELECT count(*) FROM sales.orders));
TABLE crm.regions EXCEPT SELECT sku, title, price FROM sales.products ORDER BY 1;
SELECT 1 FROM crm.customers c, sales.orders o LIMIT 3 OFFSET 2;
SELECT c.id FROM crm.customers c JOIN sales.orders o ON o.customer_id = c.id ORDER BY c.id FETCH FIRST 3 ROWS WITH TIES;

-- whole subqueries that one source computes
SELECT c.name, s.n, s.total FROM crm.customers c JOIN (SELECT customer_id, count(*) AS n, sum(total) AS total FROM sales.orders WHERE status <> 'open' GROUP BY 1 HAVING count(*) > 1) s ON s.customer_id = c.id ORDER BY 3 DESC, 1 LIMIT 12;
WITH top AS (SELECT customer_id, max(total) AS best FROM sales.orders GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5), fewest AS (SELECT region, min(credit) AS least, avg(credit) AS mean FROM crm.customers GROUP BY region) SELECT c.name, t.best, f.least, f.mean FROM top t JOIN crm.customers c ON c.id = t.customer_id LEFT JOIN fewest f USING (region) ORDER BY 2 DESC, 1;
SELECT region, count(*) FROM crm.customers GROUP BY 1 UNION ALL SELECT status, count(*) FROM sales.orders GROUP BY 1 ORDER BY 1, 2;
SELECT c.region, x.status, x.n FROM (SELECT status, customer_id, count(*) AS n FROM sales.orders GROUP BY GROUPING SETS ((status, customer_id), (status))) x LEFT JOIN crm.customers c ON c.id = x.customer_id ORDER BY 1 NULLS FIRST, 2, 3 DESC LIMIT 40;
SELECT c.id, c.name FROM crm.customers c WHERE c.id NOT IN (SELECT DISTINCT customer_id FROM sales.orders WHERE customer_id IS NOT NULL AND total * 2 > 900) ORDER BY 1 LIMIT 20;
SELECT x.customer_id, x.total, c.name FROM (SELECT DISTINCT ON (customer_id) customer_id, total, id FROM sales.orders ORDER BY customer_id, total DESC, id) x JOIN crm.customers c ON c.id = x.customer_id WHERE x.total > 300 ORDER BY 2 DESC, 1 LIMIT 10;
SELECT r.name, x.pieces FROM crm.regions r CROSS JOIN (SELECT sum(i.quantity) AS pieces, bool_or(i.quantity > 9) AS any FROM sales.items i JOIN sales.orders o ON o.id = i.order_id WHERE o.status LIKE 'p%') x WHERE x.any ORDER BY 1;
SELECT c.id FROM crm.customers c JOIN (SELECT customer_id AS id FROM sales.orders WHERE total > 500 EXCEPT SELECT customer_id FROM sales.orders WHERE status = 'open') x USING (id) ORDER BY 1;
