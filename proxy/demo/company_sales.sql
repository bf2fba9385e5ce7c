-- Products, customers, orders and their lines.
--
-- Stories to find: Latin America loses customers after the price rise of 2025-07-01; one seller gives Quillfeather
-- Holdings (customer 4711) discounts that nobody else gets; the Petrel 200 radio is returned far too often in 2026.

INSERT INTO sales.products
SELECT
    p.id,
    upper(left(p.family, 3)) || '-' || lpad(p.id::text, 4, '0'),
    p.family || ' ' || p.model::text || ' ' || p.category,
    p.category,
    p.price,
    round(p.price * (0.42 + 0.25 * pg_temp.fraction(p.id, 303))::numeric, 2),
    ARRAY[40 + pg_temp.roll(p.id, 304, 400), 30 + pg_temp.roll(p.id, 305, 300), 20 + pg_temp.roll(p.id, 306, 200)],
    jsonb_build_object(
        'waterproof', (ARRAY['IPX4', 'IPX6', 'IPX7', 'IPX8'])[1 + pg_temp.roll(p.id, 307, 4)],
        'voltage', (ARRAY[5, 12, 24])[1 + pg_temp.roll(p.id, 308, 3)],
        'interfaces', to_jsonb((ARRAY['NMEA 0183', 'NMEA 2000', 'Ethernet', 'Wi-Fi'])[1:1 + pg_temp.roll(p.id, 309, 4)]),
        'warranty', jsonb_build_object('years', 1 + pg_temp.roll(p.id, 310, 5), 'transferable', p.id % 3 = 0)),
    DATE '2015-01-01' + pg_temp.roll(p.id, 311, 4000),
    pg_temp.roll(p.id, 312, 100) < 12
FROM (
    SELECT
        n AS id,
        (ARRAY['Petrel', 'Heron', 'Plover', 'Curlew', 'Dunlin', 'Avocet', 'Turnstone', 'Fulmar'])[1 + n % 8] AS family,
        100 + 100 * ((n / 8) % 9) + (n / 72) * 10 AS model,
        (ARRAY['VHF radio', 'chart plotter', 'AIS transponder', 'depth sounder', 'weather station', 'radar', 'autopilot',
               'beacon'])[1 + n % 8] AS category,
        round((60 + 2400 * power(pg_temp.fraction(n, 302), 2))::numeric, 0) - 0.05 AS price
    FROM generate_series(1, 400) AS n
) AS p;
UPDATE sales.products SET name = 'Petrel 200 VHF radio', list_price = 189.95, unit_cost = 97.40,
    released_on = '2025-10-01', is_discontinued = false WHERE id = 8;

INSERT INTO sales.customers
SELECT
    c.id,
    md5('customer ' || c.id::text)::uuid,
    c.name,
    c.contact,
    pg_temp.slug(c.contact) || c.id::text || '@' || (ARRAY['mail', 'post', 'harbour', 'sea'])[1 + pg_temp.roll(c.id, 321, 4)]
        || '.example',
    CASE WHEN pg_temp.roll(c.id, 322, 10) > 0 THEN '+' || (10 + pg_temp.roll(c.id, 323, 80))::text || ' '
        || lpad(pg_temp.roll(c.id, 324, 100000000)::text, 8, '0') END,
    c.region,
    c.country,
    c.segment,
    CASE WHEN c.segment = 'leisure' THEN pg_temp.national_id(c.id, c.country) END,
    CASE c.segment WHEN 'leisure' THEN 2000 WHEN 'trade' THEN 20000 WHEN 'fleet' THEN 90000 ELSE 250000 END
        + 500 * pg_temp.roll(c.id, 325, 10),
    ROW(pg_temp.street(c.id + 7), pg_temp.city(c.id, c.country), lpad(pg_temp.roll(c.id, 326, 100000)::text, 5, '0'),
        c.country)::org.postal_address,
    l.login,
    pg_temp.roll(c.id, 327, 3) = 0,
    c.created_at,
    CASE
        WHEN c.region = 'latam' AND c.created_at < '2025-07-01' AND pg_temp.roll(c.id, 328, 100) < 31
            THEN DATE '2025-07-10' + pg_temp.roll(c.id, 329, 160)
        WHEN pg_temp.roll(c.id, 328, 100) < 5
            THEN least(DATE '2026-09-30', greatest(c.created_at::date + 60, DATE '2023-03-01') + pg_temp.roll(c.id, 329, 200))
    END
FROM (
    SELECT
        n AS id,
        s.segment,
        CASE s.segment
            WHEN 'leisure' THEN pg_temp.given_name(n) || ' ' || pg_temp.family_name(n)
            WHEN 'government' THEN (ARRAY['Coast Guard ', 'Port Authority ', 'Pilot Station '])[1 + pg_temp.roll(n, 331, 3)]
                || pg_temp.city(n, pg_temp.country(n, pg_temp.region(n)))
            ELSE pg_temp.trade_name(n) || ' ' || pg_temp.trade_kind(n)
        END AS name,
        pg_temp.given_name(n) || ' ' || pg_temp.family_name(n) AS contact,
        pg_temp.region(n) AS region,
        pg_temp.country(n, pg_temp.region(n)) AS country,
        TIMESTAMPTZ '2014-01-01 08:00:00+00' + pg_temp.roll(n, 333, 110000) * INTERVAL '1 hour' AS created_at
    FROM generate_series(1, 12000) AS n
    CROSS JOIN LATERAL (
        SELECT (ARRAY['leisure', 'leisure', 'leisure', 'leisure', 'leisure', 'trade', 'trade', 'trade', 'fleet', 'government'])
               [1 + pg_temp.roll(n, 332, 10)]::sales.segment AS segment
    ) AS s
) AS c
JOIN (
    SELECT login, department_id, row_number() OVER (PARTITION BY department_id ORDER BY id) - 1 AS seat
    FROM hr.employees WHERE department_id IN (3, 4, 5) AND left_on IS NULL
) AS l ON l.department_id = CASE c.region WHEN 'emea' THEN 3 WHEN 'apac' THEN 5 ELSE 4 END
    AND l.seat = pg_temp.roll(c.id, 330, 40);
UPDATE sales.customers SET name = 'Quillfeather Holdings', segment = 'fleet', region = 'emea', country = 'GB',
    national_id = NULL, churned_on = NULL, credit_limit = 95000, created_at = '2019-05-02 09:00:00+00',
    address = ROW('3 Customs House Lane', 'Plymouth', '04711', 'GB')::org.postal_address WHERE id = 4711;

-- Orders need the sum of their lines, lines need their order's day: draft first, lines next, orders last.
CREATE TEMPORARY TABLE draft AS
SELECT
    d.id, c.id AS customer_id, c.region, c.account_lead, d.placed_at, d.lines,
    CASE
        WHEN c.id = 4711 AND d.placed_at >= '2025-06-01' THEN 0.350 + 0.010 * pg_temp.roll(d.id, 344, 8)
        WHEN c.segment IN ('fleet', 'government') THEN 0.050 + 0.025 * pg_temp.roll(d.id, 344, 4)
        WHEN pg_temp.roll(d.id, 345, 5) = 0 THEN 0.050
        ELSE 0
    END AS discount
FROM (
    SELECT
        n AS id,
        -- The square favours low numbers: a few customers order often, as in life. One in 400 is Quillfeather.
        CASE WHEN n % 400 = 7 THEN 4711
            ELSE 1 + (pg_temp.roll(n, 341, 8191) * pg_temp.roll(n, 340, 12000)::bigint / 8191)::integer END AS customer_id,
        -- The root makes the business grow over the years.
        TIMESTAMPTZ '2023-01-01 06:00:00+00' + (1367 * 86400 * sqrt(pg_temp.fraction(n, 342)))::integer
            * INTERVAL '1 second' AS placed_at,
        (ARRAY[1, 1, 2, 2, 3, 3, 4])[1 + pg_temp.roll(n, 343, 7)] AS lines
    FROM generate_series(1, 76000) AS n
) AS d
JOIN sales.customers AS c ON c.id = d.customer_id
WHERE d.placed_at >= c.created_at AND (c.churned_on IS NULL OR d.placed_at < c.churned_on); -- about four in five

INSERT INTO sales.order_items (order_id, line, product_id, quantity, unit_price)
SELECT
    i.order_id, i.line, p.id, i.quantity,
    -- The price rise of July 2025, in Latin America only.
    round(p.list_price * CASE WHEN i.region = 'latam' AND i.placed_at >= '2025-07-01' THEN 1.35 ELSE 1 END, 2)
FROM (
    SELECT
        d.id AS order_id, line, d.region, d.placed_at,
        CASE WHEN d.placed_at >= '2025-10-01' AND pg_temp.roll(d.id * 8 + line, 350, 12) = 0 THEN 8
            ELSE 1 + (pg_temp.roll(d.id * 8 + line, 351, 400) + 49 * (line - 1)) % 400 END AS product_id,
        (ARRAY[1, 1, 1, 1, 2, 2, 3, 6])[1 + pg_temp.roll(d.id * 8 + line, 352, 8)] AS quantity
    FROM draft AS d CROSS JOIN LATERAL generate_series(1, d.lines) AS line
) AS i
JOIN sales.products AS p ON p.id = i.product_id;

INSERT INTO sales.orders
SELECT
    d.id, d.customer_id, d.placed_at,
    CASE
        WHEN d.placed_at > '2026-09-20' THEN (ARRAY['draft', 'placed', 'paid', 'shipped'])[1 + pg_temp.roll(d.id, 360, 4)]
        WHEN s.has_petrel AND d.placed_at >= '2026-01-01' AND pg_temp.roll(d.id, 361, 100) < 28 THEN 'returned'
        WHEN pg_temp.roll(d.id, 361, 100) < 3 THEN 'returned'
        WHEN pg_temp.roll(d.id, 361, 100) < 8 THEN 'cancelled'
        ELSE 'delivered'
    END::sales.order_status,
    d.region,
    (ARRAY['web', 'web', 'web', 'phone', 'dealer'])[1 + pg_temp.roll(d.id, 362, 5)],
    d.discount,
    round(s.total * (1 - d.discount), 2),
    CASE WHEN d.discount >= 0.3 THEN (SELECT login FROM hr.employees WHERE id = 124) ELSE d.account_lead END,
    jsonb_build_object(
        'carrier', (ARRAY['DHL', 'UPS', 'PostNord', 'Yamato'])[1 + pg_temp.roll(d.id, 363, 4)],
        'express', pg_temp.roll(d.id, 364, 6) = 0,
        'parcels', 1 + pg_temp.roll(d.id, 365, 3),
        'tracking', upper(left(md5('parcel ' || d.id::text), 12)))
FROM draft AS d
JOIN (
    SELECT order_id, sum(line_total) AS total, bool_or(product_id = 8) AS has_petrel
    FROM sales.order_items GROUP BY order_id
) AS s ON s.order_id = d.id;
DROP TABLE draft;
