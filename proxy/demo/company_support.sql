-- Tickets and the talk in them.
--
-- Stories to find: from April 2026 the Petrel 200 radio's battery swells; internal notes speak of a recall before the
-- customers are told. One ticket in sixty quotes a national id or a card number in free text, as people do: a mask on a
-- column does not reach it, only a rule on the text does.

INSERT INTO support.tickets
SELECT
    t.id, t.customer_id, t.region,
    CASE WHEN t.is_petrel THEN 8 ELSE 1 + pg_temp.roll(t.id, 404, 400) END,
    t.opened_at,
    CASE WHEN t.opened_at + (2 + pg_temp.roll(t.id, 406, 400)) * INTERVAL '1 hour' < '2026-09-30'
        THEN t.opened_at + (2 + pg_temp.roll(t.id, 406, 400)) * INTERVAL '1 hour' END,
    CASE WHEN t.is_petrel THEN 'urgent'
        ELSE (ARRAY['low', 'normal', 'normal', 'normal', 'high'])[1 + pg_temp.roll(t.id, 407, 5)] END::support.priority,
    CASE WHEN t.is_petrel THEN 'battery' ELSE w.topic END,
    CASE WHEN t.is_petrel THEN 'Battery of my Petrel 200 swells while charging' ELSE w.subject END,
    CASE WHEN t.is_petrel
        THEN 'The battery pack of the handheld has swollen after ' || (3 + pg_temp.roll(t.id, 408, 30))::text
            || ' charges and the case no longer closes. It gets too hot to touch. Is it safe to keep on board?'
        ELSE w.body END
    || CASE WHEN pg_temp.roll(t.id, 409, 60) = 0
        THEN CASE WHEN t.national_id IS NOT NULL THEN ' To confirm who I am, my national id is ' || t.national_id || '.'
            ELSE ' Please refund card 4000 00' || lpad(pg_temp.roll(t.id, 410, 100)::text, 2, '0') || ' '
                || lpad(pg_temp.roll(t.id, 411, 10000)::text, 4, '0') || ' 0000.' END
        ELSE '' END,
    a.login,
    CASE WHEN pg_temp.roll(t.id, 412, 3) > 0
        THEN CASE WHEN t.is_petrel THEN 1 + pg_temp.roll(t.id, 413, 2) ELSE 2 + pg_temp.roll(t.id, 413, 4) END END
FROM (
    SELECT
        n AS id, c.id AS customer_id, c.region, c.national_id,
        TIMESTAMPTZ '2023-01-02 07:30:00+00' + day * INTERVAL '1 day' + pg_temp.roll(n, 403, 43000) * INTERVAL '1 second'
            AS opened_at,
        day >= 1184 AND pg_temp.roll(n, 402, 3) = 0 AS is_petrel -- day 1184: 2026-03-31
    FROM generate_series(1, 19000) AS n
    CROSS JOIN LATERAL (SELECT (1365 * sqrt(pg_temp.fraction(n, 401)))::integer AS day) AS d
    JOIN sales.customers AS c ON c.id = 1 + pg_temp.roll(n, 400, 12000)
        AND day > c.created_at::date - DATE '2023-01-02'
        AND (c.churned_on IS NULL OR day < c.churned_on - DATE '2023-01-02')
) AS t
JOIN (VALUES
    (0, 'delivery', 'Parcel has not arrived', 'The carrier shows no movement for six days and we sail on Saturday.'),
    (1, 'delivery', 'Wrong item in the box', 'We ordered two transducers and received a mounting kit.'),
    (2, 'firmware', 'Update stops at 43 %', 'The plotter restarts at the same point each time, with a card or over Wi-Fi.'),
    (3, 'firmware', 'Depth alarm silent since the update', 'No sound at all, although the symbol blinks as it should.'),
    (4, 'billing', 'Invoice shows the wrong address', 'Our company moved in spring. Please correct the last three invoices.'),
    (5, 'billing', 'Charged twice for one order', 'Two equal amounts left our account on the same day.'),
    (6, 'installation', 'No data on NMEA 2000', 'Terminators are in place and the bus has 12.4 volts, still no wind data.'),
    (7, 'installation', 'Where does the antenna go?', 'The manual shows a mast, ours is a motor boat without one.'),
    (8, 'warranty', 'Display fogs up', 'Moisture behind the glass every morning. Bought eleven months ago.'),
    (9, 'warranty', 'Autopilot clutch slips', 'It holds course to 10 knots of wind and then lets go without an alarm.'),
    (10, 'account', 'Cannot sign in after the change of owner', 'The boat came with the device still bound to the last owner.'),
    (11, 'account', 'Please delete my data', 'I have sold the boat and want my account and position history removed.')
) AS w (number, topic, subject, body) ON w.number = pg_temp.roll(t.id, 420, 12)
JOIN (
    SELECT login, row_number() OVER (ORDER BY id) - 1 AS seat
    FROM hr.employees WHERE department_id = 6 AND left_on IS NULL
) AS a ON a.seat = pg_temp.roll(t.id, 421, 40);

INSERT INTO support.ticket_messages
SELECT
    row_number() OVER (ORDER BY m.ticket_id, m.turn),
    m.ticket_id,
    m.opened_at + m.turn * INTERVAL '3 hours' + pg_temp.roll(m.ticket_id * 8 + m.turn, 430, 9000) * INTERVAL '1 second',
    CASE WHEN m.is_internal OR m.turn % 2 = 1 THEN 'agent' ELSE 'customer' END::support.author_kind,
    CASE WHEN m.is_internal OR m.turn % 2 = 1 THEN m.assignee ELSE m.customer END,
    m.is_internal,
    CASE
        WHEN m.is_internal AND m.topic = 'battery' THEN (ARRAY[
            'Serial is from the March batch again. Do not mention the recall before Legal has signed off.',
            'Cell supplier confirms the separator fault. See the field failure report.',
            'Offer a replacement, ask for the old unit back by courier, no explanation yet.'
        ])[1 + pg_temp.roll(m.ticket_id, 431, 3)]
        WHEN m.is_internal THEN (ARRAY[
            'Third ticket from this account this quarter, tell the account lead.',
            'Customer is right, our manual is wrong on page 12.',
            'Credit granted within my limit, no approval needed.'
        ])[1 + pg_temp.roll(m.ticket_id, 432, 3)]
        WHEN m.turn % 2 = 1 THEN (ARRAY[
            'Thank you for writing. Could you send the serial number and a photograph?',
            'I have looked into this and we will send a replacement today.',
            'Please hold the power key for ten seconds and try once more.',
            'I have passed this to our engineers and will be back by tomorrow noon.'
        ])[1 + pg_temp.roll(m.ticket_id * 8 + m.turn, 433, 4)]
        ELSE (ARRAY[
            'The serial number is FL' || (100000 + pg_temp.roll(m.ticket_id, 434, 899999))::text || ', photograph attached.',
            'That worked, thank you.',
            'It did not help, the fault is the same.',
            'When may I expect an answer?'
        ])[1 + pg_temp.roll(m.ticket_id * 8 + m.turn, 435, 4)]
    END
FROM (
    SELECT
        t.id AS ticket_id, t.opened_at, t.topic, t.assignee, c.contact_name AS customer, turn,
        pg_temp.roll(t.id * 8 + turn, 436, 7) = 0 AS is_internal
    FROM support.tickets AS t
    JOIN sales.customers AS c ON c.id = t.customer_id
    CROSS JOIN LATERAL generate_series(1, (ARRAY[1, 2, 2, 3, 3, 4])[1 + pg_temp.roll(t.id, 437, 6)]) AS turn
) AS m;
