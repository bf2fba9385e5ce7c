# flat: safe conditions keep indexes
SELECT id, note FROM orders o WHERE id = 3 AND note ILIKE '%x%' ORDER BY id LIMIT 10
=> SELECT id, note FROM [orders] o WHERE id = 3 AND note ILIKE '%x%' ORDER BY id LIMIT 10

# flat: every kind of safe condition
SELECT id FROM orders WHERE amount > 100 AND placed > now() - interval '30 days' AND tenant IN ('a', 'b') AND note IS NOT NULL AND doc ->> 'a' = 'x' AND id BETWEEN 1 AND 9
=> SELECT id FROM [orders] orders WHERE amount > 100 AND placed > (now() - '30 days'::interval) AND tenant IN ('a', 'b') AND note IS NOT NULL AND (doc ->> 'a') = 'x' AND id BETWEEN 1 AND 9

# flat: keyset pagination
SELECT id FROM orders WHERE (placed, id) < (timestamptz '2024-01-01', 5) ORDER BY placed DESC, id DESC LIMIT 5
=> SELECT id FROM [orders] orders WHERE (placed, id) < ('2024-01-01'::timestamp with time zone, 5) ORDER BY placed DESC, id DESC LIMIT 5

# flat: unsafe expressions of the outermost select list run after all filters
SELECT note::int, 1 / amount FROM orders WHERE id = 3
=> SELECT note::int, 1 / amount FROM [orders] orders WHERE id = 3

# flat: aggregate arguments run after all filters
SELECT sum(note::int) FROM orders WHERE tenant = 'a'
=> SELECT sum(note::int) FROM [orders] orders WHERE tenant = 'a'

# flat: quiet subqueries
SELECT id FROM orders WHERE id IN (SELECT order_id FROM items WHERE qty > 3) AND EXISTS (SELECT 1 FROM people p WHERE p.id = orders.id)
=> SELECT id FROM [orders] orders WHERE id IN (SELECT order_id FROM [items] items WHERE qty > 3) AND EXISTS (SELECT 1 FROM [people] p WHERE p.id = orders.id)

# flat: a CTE that shadows a table is the CTE
WITH orders AS (SELECT 1 AS x) SELECT * FROM orders
=> WITH orders AS (SELECT 1 AS x) SELECT * FROM orders

# flat: a non-recursive CTE of the table's own name reads the table
WITH orders AS (SELECT * FROM orders) SELECT secret FROM orders
=> WITH orders AS (SELECT * FROM [orders] orders) SELECT secret FROM orders

# flat: a CTE inside one subquery does not shadow outside
SELECT (WITH orders AS (SELECT 1 AS x) SELECT max(x) FROM orders), o.secret FROM orders o
=> SELECT (WITH orders AS (SELECT 1 AS x) SELECT max(x) FROM orders), o.secret FROM [orders] o

# flat: a recursive CTE that joins by safe conditions
WITH RECURSIVE r AS (SELECT id, manager_id FROM people WHERE id = 1 UNION ALL SELECT p.id, p.manager_id FROM r JOIN people p ON p.manager_id = r.id) SELECT * FROM r
=> WITH RECURSIVE r AS (SELECT id, manager_id FROM [people] people WHERE id = 1 UNION ALL SELECT p.id, p.manager_id FROM r JOIN [people] p ON p.manager_id = r.id) SELECT * FROM r

# flat: primary key grouped, dependent columns added
SELECT o.id, o.note, count(*) FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id
=> SELECT o.id, o.note, count(*) FROM [orders] o JOIN [items] i ON i.order_id = o.id GROUP BY o.id, o.note

# fence: a cast in WHERE (pitfall 1)
SELECT id FROM orders WHERE id = 2 AND secret::int = 1
=> SELECT sp0_0.sp0_c1 AS id FROM (SELECT orders.id AS sp0_c1, orders.secret AS sp0_c2 FROM [orders] orders WHERE id = 2 OFFSET 0) sp0_0 WHERE sp0_0.sp0_c2::int = 1

# fence: data flow through a subquery (pitfall 1)
SELECT * FROM (SELECT id, note::int AS n FROM orders) q WHERE id = 3 AND n = 7
=> SELECT * FROM (SELECT sp0_1.sp0_c1 AS id, sp0_1.sp0_c2::int AS n FROM (SELECT orders.id AS sp0_c1, orders.note AS sp0_c2 FROM [orders] orders OFFSET 0) sp0_1) q WHERE id = 3 AND n = 7

# fence: grouping by an unsafe expression (pitfall 1)
SELECT note::int, count(*) FROM orders GROUP BY note::int
=> SELECT sp0_0.sp0_c1::int AS note, count(*) AS count FROM (SELECT orders.note AS sp0_c1 FROM [orders] orders OFFSET 0) sp0_0 GROUP BY sp0_0.sp0_c1::int

# fence: HAVING without an aggregate (pitfall 1)
SELECT note FROM orders GROUP BY note HAVING note::int = 7
=> SELECT sp0_0.sp0_c1 AS note FROM (SELECT orders.note AS sp0_c1 FROM [orders] orders OFFSET 0) sp0_0 GROUP BY sp0_0.sp0_c1 HAVING sp0_0.sp0_c1::int = 7

# fence: window partition (pitfall 1)
SELECT id, row_number() OVER (PARTITION BY note::int ORDER BY id) FROM orders
=> SELECT sp0_0.sp0_c1 AS id, row_number() OVER (PARTITION BY sp0_0.sp0_c2::int ORDER BY sp0_0.sp0_c1) AS row_number FROM (SELECT orders.id AS sp0_c1, orders.note AS sp0_c2 FROM [orders] orders OFFSET 0) sp0_0

# fence: ORDER BY position of an unsafe output
SELECT id, note::int FROM orders ORDER BY 2 LIMIT 1
=> SELECT sp0_0.sp0_c1 AS id, sp0_0.sp0_c2::int AS note FROM (SELECT orders.id AS sp0_c1, orders.note AS sp0_c2 FROM [orders] orders OFFSET 0) sp0_0 ORDER BY 2 LIMIT 1

# fence: DISTINCT over an unsafe output
SELECT DISTINCT note::int FROM orders
=> SELECT DISTINCT sp0_0.sp0_c1::int AS note FROM (SELECT orders.note AS sp0_c1 FROM [orders] orders OFFSET 0) sp0_0

# fence: one core around a join, conditions inside (pitfall 6)
SELECT o.id, i.sku FROM orders o JOIN items i ON i.order_id = o.id AND i.qty = 1 WHERE o.tenant = 'a' AND o.note::int = i.qty
=> SELECT sp0_0.sp0_c1 AS id, sp0_0.sp0_c2 AS sku FROM (SELECT o.id AS sp0_c1, i.sku AS sp0_c2, i.qty AS sp0_c3, o.note AS sp0_c4 FROM [orders] o, [items] i WHERE o.tenant = 'a' AND i.order_id = o.id AND i.qty = 1 OFFSET 0) sp0_0 WHERE sp0_0.sp0_c4::int = sp0_0.sp0_c3

# fence: an outer join stays whole inside the core
SELECT o.id, i.sku FROM orders o LEFT JOIN items i ON i.order_id = o.id WHERE 1 / o.amount > 2
=> SELECT sp0_0.sp0_c1 AS id, sp0_0.sp0_c2 AS sku FROM (SELECT o.id AS sp0_c1, i.sku AS sp0_c2, o.amount AS sp0_c3 FROM [orders] o LEFT JOIN [items] i ON i.order_id = o.id OFFSET 0) sp0_0 WHERE (1 / sp0_0.sp0_c3) > 2

# fence: an unsafe ON of an outer join fences each relation
SELECT o.id FROM orders o LEFT JOIN items i ON i.order_id = o.id AND i.sku::int = 4
=> SELECT o.id FROM [orders!] o LEFT JOIN [items!] i ON i.order_id = o.id AND i.sku::int = 4

# fence: a lateral function above the core
SELECT o.id, g FROM orders o, generate_series(1, o.id) g WHERE o.id = 5
=> SELECT sp0_0.sp0_c1 AS id, g AS g FROM (SELECT o.id AS sp0_c1 FROM [orders] o WHERE o.id = 5 OFFSET 0) sp0_0, generate_series(1, sp0_0.sp0_c1) g

# fence: a noisy CTE beside a relation
WITH s AS (SELECT tenant, sum(amount) / count(*) AS a FROM orders GROUP BY 1) SELECT o.id, s.a FROM orders o JOIN s ON s.tenant = o.tenant WHERE o.id = 4
=> WITH s AS (SELECT sp0_1.sp0_c1 AS tenant, sum(sp0_1.sp0_c2) / count(*) AS a FROM (SELECT orders.tenant AS sp0_c1, orders.amount AS sp0_c2 FROM [orders] orders OFFSET 0) sp0_1 GROUP BY 1) SELECT sp0_0.sp0_c2 AS id, s.a AS a FROM (SELECT o.tenant AS sp0_c1, o.id AS sp0_c2 FROM [orders] o WHERE o.id = 4 OFFSET 0) sp0_0, s WHERE s.tenant = sp0_0.sp0_c1

# fence: an arm of UNION whose outputs are sorted
SELECT note::int FROM orders UNION SELECT qty FROM items
=> SELECT sp0_1.sp0_c1::int AS note FROM (SELECT orders.note AS sp0_c1 FROM [orders] orders OFFSET 0) sp0_1 UNION SELECT sp0_1.sp0_c1 AS qty FROM (SELECT items.qty AS sp0_c1 FROM [items] items OFFSET 0) sp0_1

# fence: USING merges columns, the core exports the merged one
SELECT * FROM items a JOIN items b USING (order_id) WHERE 1 / a.qty = 1
=> SELECT sp0_0.sp0_c1 AS order_id, sp0_0.sp0_c2 AS line, sp0_0.sp0_c3 AS sku, sp0_0.sp0_c4 AS qty, sp0_0.sp0_c5 AS line, sp0_0.sp0_c6 AS sku, sp0_0.sp0_c7 AS qty FROM (SELECT a.order_id AS sp0_c1, a.line AS sp0_c2, a.sku AS sp0_c3, a.qty AS sp0_c4, b.line AS sp0_c5, b.sku AS sp0_c6, b.qty AS sp0_c7 FROM [items] a JOIN [items] b USING (order_id) OFFSET 0) sp0_0 WHERE (1 / sp0_0.sp0_c4) = 1

# fence: correlated subqueries follow into the core
SELECT (SELECT max(qty) FROM items WHERE order_id = o.id) FROM orders o WHERE o.note::int = 3
=> SELECT (SELECT max(qty) FROM [items] items WHERE order_id = sp0_0.sp0_c1) AS max FROM (SELECT o.id AS sp0_c1, o.note AS sp0_c2 FROM [orders] o OFFSET 0) sp0_0 WHERE sp0_0.sp0_c2::int = 3

# fence: whole rows keep their field names
SELECT row_to_json(o) FROM orders o WHERE 1 / id = 1
=> SELECT row_to_json(sp0_0.sp0_c1) AS row_to_json FROM (SELECT o AS sp0_c1, o.id AS sp0_c2 FROM [orders] o OFFSET 0) sp0_0 WHERE (1 / sp0_0.sp0_c2) = 1

# fence: schema-qualified references get an alias of their own
SELECT public.orders.id FROM public.orders WHERE public.orders.note::int = 1
=> SELECT sp0_0.sp0_c1 AS id FROM (SELECT sp0_0r0.id AS sp0_c1, sp0_0r0.note AS sp0_c2 FROM [orders] sp0_0r0 OFFSET 0) sp0_0 WHERE sp0_0.sp0_c2::int = 1

# two relations of one name
SELECT archive.orders.note FROM archive.orders, public.orders WHERE archive.orders.id = public.orders.id
=> SELECT sp0_0r0.note FROM [archive.orders] sp0_0r0, [orders] sp0_0r1 WHERE sp0_0r0.id = sp0_0r1.id

# views and virtual columns always carry their own fence (pitfall 2)
SELECT vp.id, inv FROM vp JOIN calc ON calc.id = vp.id WHERE vp.n = 3
=> SELECT vp.id, inv FROM [vp!] vp JOIN [calc!] calc ON calc.id = vp.id WHERE vp.n = 3

# identities are the gate's own answers
SELECT current_user, current_database(), pg_backend_pid()
=> SELECT 'alice'::name AS "current_user", 'analytics'::name AS current_database, 7 AS pg_backend_pid

# aliases with column names
SELECT x.c4 FROM orders AS x(c1, c2, c3, c4)
=> SELECT x.c4 FROM [orders] x(c1, c2, c3, c4)

# ONLY is kept
SELECT id FROM ONLY orders
=> SELECT id FROM (SELECT id, tenant, amount, CASE WHEN tenant = $1::text THEN secret ELSE 'x'::text END AS secret, note, placed, doc, raw FROM ONLY public.orders WHERE tenant IN (SELECT m.tenant FROM org.members m WHERE m.u = $2::text) IS TRUE) orders

# an aliased join stays whole
SELECT j.sku FROM (orders a JOIN items b ON a.id = b.order_id) AS j WHERE j.note::int = 1
=> SELECT sp0_0.sp0_c1 AS sku FROM (SELECT j.sku AS sp0_c1, j.note AS sp0_c2 FROM ([orders] a JOIN [items] b ON a.id = b.order_id ) j OFFSET 0) sp0_0 WHERE sp0_0.sp0_c2::int = 1
