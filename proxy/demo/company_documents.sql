-- Papers with tags and metadata, and the clicks of the web shop.
--
-- Stories to find: Project Larkspur, an acquisition that only a few may know of; the field failure report of the Petrel
-- 200; visitors who read the recall page before it was announced.

INSERT INTO docs.documents (id, title, body, classification, tags, department_id, owner, metadata, created_at, updated_at)
SELECT
    md5('document ' || d.id::text)::uuid,
    k.kind || ': ' || (ARRAY['radar mounting', 'year-end close', 'supplier audit', 'sea trial', 'price list', 'onboarding',
        'data retention', 'dealer contract', 'spare parts', 'firmware release', 'insurance', 'trade fair'])
        [1 + pg_temp.roll(d.id, 502, 12)] || ' ' || (2019 + pg_temp.roll(d.id, 503, 8))::text,
    k.opening || ' ' || (ARRAY[
        'All measurements were taken in calm water and repeated twice.',
        'Open points are listed at the end, with a name beside each.',
        'The figures were agreed with Finance and do not include freight.',
        'Readers outside the department should ask before they pass this on.',
        'A shorter version for dealers is in preparation.'
    ])[1 + pg_temp.roll(d.id, 504, 5)] || ' ' || (ARRAY[
        'The next review is due in six months.',
        'Questions go to the owner named above.',
        'This replaces the version of last year.'
    ])[1 + pg_temp.roll(d.id, 505, 3)],
    d.classification,
    ARRAY[k.tag,
        (ARRAY['hardware', 'software', 'dealers', 'safety', 'finance', 'people'])[1 + pg_temp.roll(d.id, 506, 6)],
        (ARRAY['2024', '2025', '2026', 'archive'])[1 + pg_temp.roll(d.id, 507, 4)]],
    1 + pg_temp.roll(d.id, 508, 12),
    e.login,
    jsonb_build_object(
        'version', 1 + pg_temp.roll(d.id, 509, 9),
        'language', (ARRAY['en', 'en', 'en', 'de', 'ja', 'pt'])[1 + pg_temp.roll(d.id, 510, 6)],
        'pages', 1 + pg_temp.roll(d.id, 511, 60),
        'reviewers', jsonb_build_array(e.login, 'dave'),
        'source', jsonb_build_object('system', (ARRAY['wiki', 'mail', 'scan'])[1 + pg_temp.roll(d.id, 512, 3)],
                                     'path', '/papers/' || d.id::text)),
    d.created_at,
    least(TIMESTAMPTZ '2026-09-30 15:00:00+00', d.created_at + pg_temp.roll(d.id, 513, 4000) * INTERVAL '1 hour')
FROM (
    SELECT
        n AS id,
        (ARRAY['public', 'internal', 'internal', 'internal', 'internal', 'confidential', 'confidential', 'restricted'])
            [1 + pg_temp.roll(n, 501, 8)]::docs.classification AS classification,
        TIMESTAMPTZ '2019-01-07 09:00:00+00' + pg_temp.roll(n, 500, 67000) * INTERVAL '1 hour' AS created_at
    FROM generate_series(1, 4000) AS n
) AS d
JOIN (VALUES
    (0, 'Field report', 'report', 'Notes from the installation and what we would do differently.'),
    (1, 'Runbook', 'runbook', 'Steps to follow when the alarm rings, with the commands to type.'),
    (2, 'Meeting notes', 'minutes', 'Present: the team leads. Decisions are marked in bold.'),
    (3, 'Contract', 'contract', 'Terms agreed between Fairlead Instruments and the partner.'),
    (4, 'Datasheet', 'product', 'Electrical and mechanical properties, tolerances at 25 degrees.'),
    (5, 'Policy', 'policy', 'What we expect of everyone, and whom to ask in doubt.')
) AS k (number, kind, tag, opening) ON k.number = pg_temp.roll(d.id, 514, 6)
JOIN hr.employees AS e ON e.id = 1 + pg_temp.roll(d.id, 515, 600);

INSERT INTO docs.documents (id, title, body, classification, tags, department_id, owner, metadata, created_at, updated_at)
VALUES
    (md5('larkspur 1')::uuid, 'Project Larkspur: offer for Stormglass Weather AS',
     'The board agreed to offer 41 million for all shares. Announcement not before 2026-11-15. Do not forward.',
     'restricted', '{larkspur,acquisition,2026}', 1, 'carol',
     '{"pages": 14, "version": 3, "language": "en", "reviewers": ["carol"], "source": {"system": "mail", "path": "/board/larkspur"}}',
     '2026-08-03 16:20:00+00', '2026-09-21 09:05:00+00'),
    (md5('larkspur 2')::uuid, 'Project Larkspur: list of people who know',
     'Insiders by name and by the day on which they were told. Eleven people.',
     'restricted', '{larkspur,acquisition,legal}', 11, 'carol',
     '{"pages": 1, "version": 9, "language": "en", "reviewers": ["carol"], "source": {"system": "mail", "path": "/board/insiders"}}',
     '2026-08-04 07:45:00+00', '2026-09-28 11:30:00+00'),
    (md5('petrel failure')::uuid, 'Field failure report: Petrel 200 battery pack',
     'Separator fault in the cells of the March batch. 4.1 % of units swell within thirty charges. We advise a recall.',
     'confidential', '{petrel,safety,report,2026}', 7, 'dave',
     '{"pages": 23, "version": 2, "language": "en", "reviewers": ["dave", "carol"], "source": {"system": "wiki", "path": "/field/petrel"}}',
     '2026-05-12 13:00:00+00', '2026-06-02 08:15:00+00');

INSERT INTO web.events
SELECT
    n,
    TIMESTAMPTZ '2025-01-01 00:00:00+00' + (637 * 86400 * pg_temp.fraction(n, 601))::integer * INTERVAL '1 second',
    md5('session ' || (n / 4)::text)::uuid,
    CASE WHEN pg_temp.roll(n / 4, 602, 3) = 0 THEN 1 + pg_temp.roll(n / 4, 603, 12000) END,
    (ARRAY['view', 'view', 'view', 'search', 'basket', 'checkout'])[1 + pg_temp.roll(n, 604, 6)],
    CASE WHEN pg_temp.roll(n, 605, 200) = 0 THEN '/notices/petrel-200-recall'
        ELSE '/shop/' || (1 + pg_temp.roll(n, 606, 400))::text END,
    20 + (3000 * power(pg_temp.fraction(n, 607), 4))::integer,
    ('198.51.' || (100 + pg_temp.roll(n / 4, 608, 2))::text || '.' || pg_temp.roll(n / 4, 609, 256)::text)::inet,
    jsonb_build_object('device', (ARRAY['phone', 'phone', 'desktop', 'tablet'])[1 + pg_temp.roll(n / 4, 610, 4)],
                       'referrer', (ARRAY['search', 'mail', 'direct', 'forum'])[1 + pg_temp.roll(n, 611, 4)])
FROM generate_series(1, 30000) AS n;
