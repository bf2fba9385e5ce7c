-- Regions, departments, employees and their pay.
--
-- Tree of people: 1 leads the company; 2–13 head one department each; 14–85 lead six teams per department; the rest
-- report to a team lead of their own department.
-- A story to find: people of grade 4 hired since 2025 are paid about 12 % more than those who stayed.

INSERT INTO org.regions (code, name, currency) VALUES
    ('emea', 'Europe, Middle East and Africa', 'EUR'),
    ('amer', 'North America', 'USD'),
    ('apac', 'Asia and Pacific', 'JPY'),
    ('latam', 'Latin America', 'BRL');

INSERT INTO hr.departments (id, name, cost_centre, budget) VALUES
    (1, 'Finance', 'CC-100', 2400000), (2, 'People', 'CC-110', 1300000),
    (3, 'Sales EMEA', 'CC-200', 3900000), (4, 'Sales Americas', 'CC-210', 3500000),
    (5, 'Sales APAC', 'CC-220', 2100000), (6, 'Customer Support', 'CC-300', 4200000),
    (7, 'Field Engineering', 'CC-310', 2700000), (8, 'Hardware', 'CC-400', 6100000),
    (9, 'Firmware', 'CC-410', 5200000), (10, 'Data and Analytics', 'CC-420', 2200000),
    (11, 'Legal', 'CC-500', 1600000), (12, 'Operations', 'CC-600', 3800000);

INSERT INTO hr.employees
SELECT
    e.id,
    lower(left(pg_temp.given_name(e.id), 1)) || '.' || lower(pg_temp.family_name(e.id)) || e.id::text,
    pg_temp.given_name(e.id) || ' ' || pg_temp.family_name(e.id),
    lower(pg_temp.given_name(e.id) || '.' || pg_temp.family_name(e.id)) || e.id::text || '@fairlead.example',
    CASE
        WHEN e.id = 1 THEN 'Chief Executive'
        WHEN e.id <= 13 THEN 'Head of ' || d.name
        WHEN e.id <= 85 THEN 'Team Lead, ' || d.name
        ELSE (ARRAY['Associate', 'Specialist', 'Senior Specialist', 'Principal'])[e.grade - 1] || ', ' || d.name
    END,
    e.grade,
    e.department_id,
    CASE
        WHEN e.id = 1 THEN NULL
        WHEN e.id <= 13 THEN 1
        WHEN e.id <= 85 THEN e.department_id + 1
        ELSE 13 + e.department_id + 12 * pg_temp.roll(e.id, 204, 6)
    END,
    e.region,
    round((28000 + 16500 * e.grade) * (0.9 + 0.2 * pg_temp.fraction(e.id, 205))::numeric
        * CASE WHEN e.grade = 4 AND e.hired_on >= DATE '2025-01-01' THEN 1.12 ELSE 1 END, -2),
    CASE WHEN e.grade >= 6 THEN 20 WHEN d.name LIKE 'Sales%' THEN 15 ELSE 5 END,
    pg_temp.national_id(e.id + 500000, pg_temp.country(e.id, e.region)),
    pg_temp.country(e.id, e.region) || lpad(pg_temp.roll(e.id, 206, 100)::text, 2, '0') || 'FAIR'
        || lpad(pg_temp.roll(e.id, 207, 100000000)::text, 14, '0'),
    DATE '1960-01-01' + pg_temp.roll(e.id, 208, 15500),
    e.hired_on,
    CASE WHEN e.id > 85 AND pg_temp.roll(e.id, 209, 100) < 9
        THEN e.hired_on + 90 + pg_temp.roll(e.id, 210, greatest(1, DATE '2026-09-30' - e.hired_on - 90)) END,
    ROW(pg_temp.street(e.id), pg_temp.city(e.id, pg_temp.country(e.id, e.region)),
        lpad(pg_temp.roll(e.id, 211, 100000)::text, 5, '0'), pg_temp.country(e.id, e.region))::org.postal_address,
    ARRAY[
        (ARRAY['sql', 'negotiation', 'soldering', 'contracts', 'python'])[1 + pg_temp.roll(e.id, 212, 5)],
        (ARRAY['radar', 'ais', 'vhf', 'sonar', 'forecasting', 'payroll'])[1 + pg_temp.roll(e.id, 213, 6)]
    ]
FROM (
    SELECT
        n AS id,
        CASE WHEN n = 1 THEN 12 ELSE 1 + (n - 2) % 12 END AS department_id,
        (CASE WHEN n = 1 THEN 9 WHEN n <= 13 THEN 7 WHEN n <= 85 THEN 6
            ELSE (ARRAY[2, 2, 3, 3, 3, 4, 4, 5])[1 + pg_temp.roll(n, 202, 8)] END)::smallint AS grade,
        pg_temp.region(n) AS region,
        DATE '2012-03-01' + CASE WHEN n <= 85 THEN pg_temp.roll(n, 203, 3000) ELSE pg_temp.roll(n, 203, 5200) END AS hired_on
    FROM generate_series(1, 600) AS n
) AS e
JOIN hr.departments AS d ON d.id = e.department_id;

-- The people of the demonstration work here too, so that "my own row" and "my team" mean something.
UPDATE hr.employees AS e
SET login = p.login, full_name = p.full_name, email = p.login || '@fairlead.example', region = p.region, left_on = NULL
FROM (VALUES
    (107, 'alice', 'Alice Thorne', 'emea'),  -- Data and Analytics
    (103, 'bob', 'Bob Okafor', 'amer'),      -- Customer Support
    (15, 'carol', 'Carol Lindqvist', 'emea'), -- People, a team lead
    (20, 'dave', 'Dave Nakamura', 'apac')    -- Field Engineering, a team lead
) AS p (id, login, full_name, region)
WHERE e.id = p.id;

INSERT INTO org.region_access (login, region, granted_on)
SELECT login, region, hired_on FROM hr.employees WHERE department_id IN (3, 4, 5, 6, 7)
UNION ALL
SELECT login, r.code, hired_on FROM hr.employees CROSS JOIN org.regions AS r WHERE department_id IN (1, 2, 11) AND id <= 85;
INSERT INTO org.region_access (login, region, granted_on) VALUES ('alice', 'emea', '2024-02-01');

INSERT INTO hr.salary_changes (employee_id, effective_on, old_salary, new_salary, reason)
SELECT
    e.id,
    make_date(y, 4, 1),
    round(e.salary * power(0.965, 2027 - y)::numeric, -2),
    round(e.salary * power(0.965, 2026 - y)::numeric, -2),
    (ARRAY['annual review', 'annual review', 'annual review', 'promotion', 'market adjustment'])
        [1 + pg_temp.roll(e.id * 10 + y, 221, 5)]
FROM hr.employees AS e CROSS JOIN generate_series(2023, 2026) AS y
WHERE e.hired_on < make_date(y, 1, 1) AND (e.left_on IS NULL OR e.left_on > make_date(y, 4, 1));

INSERT INTO hr.investigations (id, employee_id, opened_on, allegation) VALUES
    (1, 124, '2026-02-11', 'Discounts of more than 30 % to one customer without approval'),
    (2, 311, '2025-11-03', 'Personal data sent to a private mailbox');
