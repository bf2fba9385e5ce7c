-- Statements over files, and over files and a database, one a line. Each must answer as one Postgres does that holds what this person may see.

-- columns and conditions
SELECT * FROM web.events ORDER BY id;
SELECT * FROM web.visits ORDER BY id;
SELECT count(*) FROM web.events;
SELECT count(*), count(customer), count(DISTINCT country) FROM web.events;
SELECT id FROM web.events WHERE id = 25;
SELECT id, country FROM web.events WHERE country = 'de' AND amount > 5.5 ORDER BY id;
SELECT id FROM web.events WHERE amount = 5 ORDER BY id;
SELECT id FROM web.events WHERE customer = 5.0 OR small < -140 ORDER BY id;
SELECT id FROM web.events WHERE country IN ('de', 'it', 'xx') AND is_new ORDER BY id;
SELECT id FROM web.events WHERE is_new IS NOT TRUE AND id < 200 ORDER BY id;
SELECT id FROM web.events WHERE is_new IS NULL AND country <> 'de' ORDER BY id;
SELECT id FROM web.events WHERE NOT (amount < 5 OR customer IS NULL) AND id < 300 ORDER BY id;
SELECT id FROM web.events WHERE amount NOT BETWEEN 1 AND 9 ORDER BY id;
SELECT id FROM web.events WHERE customer NOT IN (1, 2, NULL);
SELECT id FROM web.events WHERE day = '2026-01-06' OR day > '2027-01-25' ORDER BY id;
SELECT id FROM web.events WHERE at >= '2026-01-02 00:00:00' AND at < '2026-01-02 03:00' ORDER BY id;
SELECT id FROM web.events WHERE seen > '2026-03-20 00:00:00+02' ORDER BY id;
SELECT id FROM web.events WHERE score = 'NaN' OR score > 1e300 ORDER BY id;
SELECT id FROM web.events WHERE score = 0 ORDER BY id;
SELECT id, score FROM web.events WHERE score < 1 ORDER BY id;
SELECT id FROM web.events WHERE raw = '' ORDER BY id LIMIT 5;
SELECT id FROM web.events WHERE mail LIKE 'u1%';
SELECT id FROM web.events WHERE mail LIKE '[hid%' ORDER BY id LIMIT 3;
SELECT id, page FROM web.visits WHERE page LIKE '%"hi"%' ORDER BY id LIMIT 3;
SELECT id, page FROM web.visits WHERE page LIKE '_t_' ORDER BY id LIMIT 3;
SELECT id, page FROM web.visits WHERE page = '';
SELECT count(*) FROM web.visits WHERE page = 'HOME' OR page = 'home ' OR page = ' home';
SELECT count(*) FROM web.visits WHERE page = U&'e\0301te\0301' OR page = 'ETE' OR page = 'ete';
SELECT count(*) FROM web.visits WHERE page = 'été';
SELECT count(*) FROM web.visits WHERE page <> 'home';
SELECT count(*) FROM web.visits WHERE page <> 'HOME' AND page <> 'home ';
SELECT count(*) FROM web.visits WHERE page NOT IN ('home', 'été ');
SELECT count(*) FROM web.visits WHERE page IN ('home', NULL);
SELECT count(*) FROM web.visits WHERE page NOT IN ('home', NULL);
SELECT count(*) FROM web.visits WHERE page LIKE 'HOM_' OR page LIKE 'home_';
SELECT count(*) FROM web.visits WHERE page IS NOT DISTINCT FROM 'home' OR page IS DISTINCT FROM 'home';
SELECT count(*) FROM web.events WHERE country = 'DE' OR country = 'de ' OR country = 'ｄｅ';
SELECT count(*) FROM web.events WHERE country = 'de'::char(5);
SELECT id, seconds FROM web.visits WHERE seconds > 90.5 ORDER BY id;
SELECT id FROM web.visits WHERE day = '2026-01-05' ORDER BY id;
SELECT id FROM web.visits WHERE seconds IS NULL ORDER BY id;
SELECT id FROM web.visits WHERE upper(page) LIKE 'H%' ORDER BY id LIMIT 5;
SELECT id FROM web.events WHERE country IS DISTINCT FROM 'de' ORDER BY id LIMIT 5;
SELECT id FROM web.events WHERE coalesce(customer, 7) = 7 ORDER BY id;
SELECT e FROM web.events e WHERE id = 25;
SELECT id % 7, length(mail), at::date - day, extract(hour FROM seen) FROM web.events WHERE id < 60 ORDER BY id;

-- what Postgres computes
SELECT country, count(*), sum(amount), avg(amount), min(at), max(seen), sum(customer), avg(small) FROM web.events GROUP BY 1 ORDER BY 1;
SELECT day, sum(score) FILTER (WHERE score < 1e9) FROM web.events GROUP BY day HAVING count(*) > 2 ORDER BY 1 LIMIT 20;
SELECT DISTINCT ON (country) country, id, amount FROM web.events ORDER BY country, amount DESC NULLS LAST, id;
SELECT country, customer, grouping(country), sum(amount) FROM web.events WHERE customer < 10 GROUP BY ROLLUP (country, customer) ORDER BY 1, 2, 3;
SELECT id, rank() OVER (PARTITION BY country ORDER BY amount DESC, id), lag(id) OVER (ORDER BY id) FROM web.events WHERE id < 100 ORDER BY id;
SELECT string_agg(page, ',' ORDER BY id) FROM web.visits WHERE id < 40;
SELECT to_char(amount, 'FM999.00'), to_char(at, 'Mon DD HH24:MI') FROM web.events WHERE id < 30 ORDER BY id;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM web.events;
SELECT page, count(*) FROM web.visits GROUP BY page ORDER BY 2, 1;
SELECT max(page), min(page) FROM web.visits;
SELECT json_agg(v) FROM (SELECT id, page, seconds FROM web.visits WHERE id < 15 ORDER BY id) v;
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n, count(e.id) FROM r LEFT JOIN web.events e ON e.customer = n GROUP BY n ORDER BY n;

-- several tables of files
SELECT e.id, v.id, v.page FROM web.events e JOIN web.visits v ON v.customer = e.customer WHERE e.id < 40 ORDER BY 1, 2;
SELECT count(*) FROM web.events a JOIN web.events b ON b.id = a.id + 5;
SELECT id FROM web.events EXCEPT SELECT id FROM web.visits ORDER BY id LIMIT 10;
SELECT id, page FROM web.visits v WHERE EXISTS (SELECT FROM web.events e WHERE e.id = v.id AND e.is_new) ORDER BY id;
SELECT v.day, x.n FROM (SELECT DISTINCT day FROM web.visits) v LEFT JOIN LATERAL (SELECT count(*) AS n FROM web.events e WHERE e.day = v.day) x ON true ORDER BY 1 NULLS FIRST LIMIT 20;

-- files and a database
SELECT c.name, count(*), sum(e.amount) FROM crm.customers c JOIN web.events e ON e.customer = c.id GROUP BY c.name ORDER BY 3 DESC NULLS LAST, 1 LIMIT 20;
SELECT c.name, e.id FROM crm.customers c JOIN web.events e ON e.customer = c.id WHERE c.id = 26 ORDER BY 2;
SELECT c.name, e.id FROM crm.customers c JOIN web.events e ON e.customer = c.id WHERE c.country = 'it' AND e.amount > 9 ORDER BY 2;
SELECT c.name, e.id FROM crm.customers c JOIN web.events e ON e.customer = c.id WHERE e.id = 26;
SELECT c.id, v.page FROM crm.customers c LEFT JOIN web.visits v ON v.customer = c.id AND v.day < '2026-01-10' WHERE c.id < 30 ORDER BY 1, 2 NULLS FIRST, v.id;
SELECT c.id, e.id FROM crm.customers c FULL JOIN web.events e ON e.customer = c.id AND e.id < 50 WHERE c.id IS NULL OR c.id < 20 ORDER BY 1 NULLS FIRST, 2 NULLS FIRST LIMIT 50;
SELECT name FROM crm.customers WHERE country IN (SELECT country FROM web.events) ORDER BY id LIMIT 10;
SELECT name FROM crm.customers c WHERE credit > (SELECT avg(amount) * 100 FROM web.events e WHERE e.customer = c.id) ORDER BY 1 LIMIT 10;
SELECT country, 'crm' FROM crm.customers UNION SELECT country, 'web' FROM web.events ORDER BY 1 NULLS FIRST, 2;
SELECT c.country, e.day, sum(e.amount) FROM crm.customers c JOIN web.events e ON e.country = c.country AND e.customer = c.id GROUP BY CUBE (c.country, e.day) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST LIMIT 30;

-- whole statements that DuckDB may answer
SELECT country, count(*), sum(amount), avg(amount), avg(customer), sum(customer), sum(id), min(day), max(at) FROM web.events WHERE id > 100 GROUP BY country ORDER BY 2 DESC, 3;
SELECT customer, avg(small), avg(id), count(DISTINCT country) FROM web.events GROUP BY customer ORDER BY customer NULLS FIRST LIMIT 40;
SELECT date_trunc('month', at) AS month, count(*) FILTER (WHERE is_new), sum(amount * (1 - amount)), sum(amount + 1) FROM web.events GROUP BY month ORDER BY month;
SELECT at::date, count(*) FROM web.events GROUP BY 1 HAVING count(*) > 3 AND sum(amount) > 10 ORDER BY 1 LIMIT 30;
SELECT DISTINCT day FROM web.events ORDER BY day LIMIT 25;
SELECT DISTINCT is_new, country FROM web.events;
SELECT a.id, b.id FROM web.events a JOIN web.events b ON b.id = a.customer WHERE a.id < 200 ORDER BY a.id, b.id;
SELECT a.id, b.id FROM web.events a LEFT JOIN web.events b ON b.id = a.customer AND b.is_new WHERE a.id < 200 ORDER BY a.id DESC, b.id;
SELECT sum(amount), avg(amount), min(score), max(score), count(score), bool_and(is_new), bool_or(is_new) FROM web.events WHERE id < 0;
SELECT max(score), min(score), max(amount), min(seen), max(small) FROM web.events;
SELECT id, amount * amount, amount - 0.005, 2 * amount FROM web.events WHERE amount > 9 ORDER BY amount DESC, id OFFSET 3 LIMIT 10;
SELECT id AS x, id AS x, country FROM web.events WHERE id < 30 ORDER BY id;
SELECT e.country, count(*) FROM (SELECT country, customer FROM web.events WHERE amount > 3 LIMIT ALL) e GROUP BY e.country ORDER BY 2, 1;
SELECT count(*), sum(e.n) FROM (SELECT customer, count(*) AS n FROM web.events GROUP BY customer HAVING count(*) > 2) e;
SELECT is_new, avg(amount) AS mean FROM web.events GROUP BY is_new ORDER BY mean;
SELECT id FROM web.events WHERE (amount, id) > (5, 3) AND day < date '2026-02-01' ORDER BY id;
SELECT small::int, count(*) FROM web.events GROUP BY small::int ORDER BY 1 LIMIT 10;
SELECT min(country), max(mail) FROM web.events;
SELECT count(*) FROM web.events a, web.events b WHERE a.id = b.id AND a.amount = b.amount;
