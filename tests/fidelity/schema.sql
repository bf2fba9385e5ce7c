-- The data that the corpus reads: a trade schema for analysts, an application as frameworks make it,
-- and small tables that hold every kind of type. Everything is deterministic.

CREATE SCHEMA trade;
CREATE SCHEMA app;

-- trade: the shape of a decision-support benchmark, small.
CREATE TABLE trade.region (r_regionkey int PRIMARY KEY, r_name char(25) NOT NULL, r_comment varchar(152));
CREATE TABLE trade.nation (
  n_nationkey int PRIMARY KEY, n_name char(25) NOT NULL,
  n_regionkey int NOT NULL REFERENCES trade.region, n_comment varchar(152));
CREATE TABLE trade.supplier (
  s_suppkey int PRIMARY KEY, s_name char(25) NOT NULL, s_address varchar(40) NOT NULL,
  s_nationkey int NOT NULL REFERENCES trade.nation, s_phone char(15) NOT NULL,
  s_acctbal numeric(15,2) NOT NULL, s_comment varchar(101) NOT NULL);
CREATE TABLE trade.customer (
  c_custkey int PRIMARY KEY, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL,
  c_nationkey int NOT NULL REFERENCES trade.nation, c_phone char(15) NOT NULL,
  c_acctbal numeric(15,2) NOT NULL, c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL);
CREATE TABLE trade.part (
  p_partkey int PRIMARY KEY, p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL,
  p_brand char(10) NOT NULL, p_type varchar(25) NOT NULL, p_size int NOT NULL,
  p_container char(10) NOT NULL, p_retailprice numeric(15,2) NOT NULL, p_comment varchar(23) NOT NULL);
CREATE TABLE trade.partsupp (
  ps_partkey int NOT NULL REFERENCES trade.part, ps_suppkey int NOT NULL REFERENCES trade.supplier,
  ps_availqty int NOT NULL, ps_supplycost numeric(15,2) NOT NULL, ps_comment varchar(199) NOT NULL,
  PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE trade.orders (
  o_orderkey bigint PRIMARY KEY, o_custkey int NOT NULL REFERENCES trade.customer,
  o_orderstatus char(1) NOT NULL, o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL,
  o_orderpriority char(15) NOT NULL, o_clerk char(15) NOT NULL, o_shippriority int NOT NULL,
  o_comment varchar(79) NOT NULL);
CREATE TABLE trade.lineitem (
  l_orderkey bigint NOT NULL REFERENCES trade.orders, l_partkey int NOT NULL, l_suppkey int NOT NULL,
  l_linenumber int NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
  l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL,
  l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL,
  l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
  l_comment varchar(44) NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber),
  FOREIGN KEY (l_partkey, l_suppkey) REFERENCES trade.partsupp);
INSERT INTO trade.region
SELECT i, (ARRAY['AFRICA','AMERICA','ASIA','EUROPE','MIDDLE EAST'])[i + 1], 'region ' || i FROM generate_series(0, 4) i;
INSERT INTO trade.nation
SELECT i, (ARRAY['ALGERIA','ARGENTINA','BRAZIL','CANADA','EGYPT','ETHIOPIA','FRANCE','GERMANY','INDIA','INDONESIA',
  'IRAN','IRAQ','JAPAN','JORDAN','KENYA','MOROCCO','MOZAMBIQUE','PERU','CHINA','ROMANIA','SAUDI ARABIA','VIETNAM',
  'RUSSIA','UNITED KINGDOM','UNITED STATES'])[i + 1],
  (ARRAY[0,1,1,1,4,0,3,3,2,2,4,4,2,4,0,0,0,1,2,3,4,2,3,3,1])[i + 1], nullif('nation ' || i, 'nation 7')
FROM generate_series(0, 24) i;
INSERT INTO trade.supplier
SELECT i, 'Supplier#' || lpad(i::text, 9, '0'), 'street ' || i, i * 7 % 25, (10 + i * 7 % 25) || '-555-' || lpad(i::text, 4, '0'),
  (i * 7919 % 20000 - 1000) / 2.0, CASE WHEN i % 9 = 0 THEN 'has Customer some Complaints' ELSE 'quick supplier' END
FROM generate_series(1, 20) i;
INSERT INTO trade.customer
SELECT i, 'Customer#' || lpad(i::text, 9, '0'), 'avenue ' || i, i * 3 % 25, (10 + i * 3 % 25) || '-777-' || lpad(i::text, 4, '0'),
  (i * 6007 % 20000 - 2000) / 2.0,
  (ARRAY['BUILDING','AUTOMOBILE','MACHINERY','HOUSEHOLD','FURNITURE'])[i % 5 + 1], 'customer comment ' || i
FROM generate_series(1, 90) i;
INSERT INTO trade.part
SELECT i, (ARRAY['forest','green','almond','blue','ivory'])[i % 5 + 1] || ' part ' || i, 'Manufacturer#' || i % 5 + 1,
  'Brand#' || i % 5 + 1 || i % 3 + 1, (ARRAY['STANDARD','SMALL','MEDIUM','LARGE','PROMO'])[i % 5 + 1] || ' '
  || (ARRAY['ANODIZED','BURNISHED','PLATED'])[i % 3 + 1] || ' ' || (ARRAY['TIN','NICKEL','BRASS','STEEL'])[i % 4 + 1],
  i % 50 + 1, (ARRAY['SM CASE','MED BOX','LG PACK','JUMBO BAG'])[i % 4 + 1], 900 + i / 10.0, 'part note ' || i
FROM generate_series(1, 60) i;
INSERT INTO trade.partsupp
SELECT p, (p + s * 5) % 20 + 1, (p * 97 + s * 31) % 9999 + 1, ((p * 13 + s * 17) % 1000) + 0.5, 'supplied'
FROM generate_series(1, 60) p, generate_series(0, 3) s;
INSERT INTO trade.orders
SELECT i, CASE WHEN i % 90 % 3 = 0 THEN 1 ELSE i % 90 END + 0, (ARRAY['O','F','P'])[i % 3 + 1], 1000 + i * 37.5,
  '1992-01-01'::date + i * 7 % 2400, (ARRAY['1-URGENT','2-HIGH','3-MEDIUM','4-NOT SPECIFIED','5-LOW'])[i % 5 + 1],
  'Clerk#' || lpad((i % 10)::text, 9, '0'), 0,
  CASE WHEN i % 11 = 0 THEN 'special packages requests' ELSE 'order comment' END
FROM generate_series(1, 350) i;
INSERT INTO trade.lineitem
SELECT o, p, (p + s * 5) % 20 + 1, n, (o * 7 + n * 3) % 50 + 1, ((o * 31 + n * 17) % 900 + 100) * 10.25,
  (o + n) % 11 / 100.0, (o + n) % 9 / 100.0, (ARRAY['R','A','N'])[(o + n) % 3 + 1], (ARRAY['O','F'])[o % 2 + 1],
  d + 10 + n, d + 20, d + 15 + n * 2, (ARRAY['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[(o + n) % 4 + 1],
  (ARRAY['MAIL','SHIP','AIR','AIR REG','TRUCK','RAIL','FOB'])[(o + n) % 7 + 1], 'line comment'
FROM (SELECT o, n, (o * 11 + n * 5) % 60 + 1 AS p, (o + n) % 4 AS s, '1992-01-01'::date + o * 7 % 2400 AS d
      FROM generate_series(1, 350) o, generate_series(1, 4) n WHERE n <= o % 4 + 1) x;

-- app: a web application as the usual frameworks lay it out.
CREATE TYPE app.status AS ENUM ('draft', 'review', 'published', 'archived');
CREATE DOMAIN app.email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE TYPE app.address AS (street text, city text, postcode varchar(10), door integer);
CREATE TABLE app.users (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, username varchar(150) NOT NULL UNIQUE, email app.email,
  first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL, is_active boolean NOT NULL DEFAULT true,
  is_staff boolean NOT NULL DEFAULT false, date_joined timestamptz NOT NULL, last_login timestamptz, home app.address,
  preferences jsonb NOT NULL DEFAULT '{}', manager_id integer REFERENCES app.users);
CREATE TABLE app.posts (
  id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, author_id integer NOT NULL REFERENCES app.users,
  title varchar(200) NOT NULL, body text NOT NULL, status app.status NOT NULL, tags text[] NOT NULL DEFAULT '{}',
  scores integer[], metadata jsonb, raw json, created_at timestamptz NOT NULL, published_on date,
  reading_time interval, rating numeric(3,1), views app.positive,
  search tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || body)) STORED,
  slug text GENERATED ALWAYS AS (lower(replace(title, ' ', '-'))) STORED);
CREATE TABLE app.comments (
  id bigserial PRIMARY KEY, post_id bigint NOT NULL REFERENCES app.posts, user_id integer REFERENCES app.users,
  parent_id bigint REFERENCES app.comments, body text NOT NULL, created_at timestamp NOT NULL);
CREATE TABLE app.labels (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE app.post_labels (post_id bigint REFERENCES app.posts, label_id integer REFERENCES app.labels,
  PRIMARY KEY (post_id, label_id));
CREATE TABLE app.bookings (id uuid PRIMARY KEY, room integer NOT NULL, during tstzrange NOT NULL, nights daterange,
  price_band int4range, bands int4multirange, guest app.email);
CREATE TABLE app.events (id bigint NOT NULL, happened_at timestamp NOT NULL, kind text NOT NULL, payload jsonb,
  amount double precision, PRIMARY KEY (id, happened_at)) PARTITION BY RANGE (happened_at);
CREATE TABLE app.events_2026_01 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE app.events_2026_02 PARTITION OF app.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE TABLE app."Mixed Case" ("Id" int PRIMARY KEY, "select" text, "Ünïcode" text, "a""quote" int);
INSERT INTO app.users (username, email, first_name, last_name, is_active, is_staff, date_joined, last_login, home,
  preferences, manager_id)
SELECT 'user' || i, CASE WHEN i % 5 <> 0 THEN 'user' || i || '@example.com' END,
  (ARRAY['Ada','Grace','Alan','Edsger','Barbara'])[i % 5 + 1], (ARRAY['Lovelace','Hopper','Turing','Dijkstra'])[i % 4 + 1],
  i % 7 <> 0, i % 10 = 1, '2025-01-01 08:00+00'::timestamptz + i * interval '37 hours',
  CASE WHEN i % 3 <> 0 THEN '2026-01-01 00:00+00'::timestamptz + i * interval '11 minutes' END,
  CASE WHEN i % 4 <> 0 THEN ROW('street ' || i, (ARRAY['Paris','Oslo','Rome'])[i % 3 + 1], 'P' || i, i)::app.address END,
  jsonb_build_object('theme', (ARRAY['dark','light'])[i % 2 + 1], 'page', i % 5 * 10, 'flags', to_jsonb(ARRAY[i % 2 = 0, true])),
  NULLIF(i / 4, 0)
FROM generate_series(1, 40) i;
INSERT INTO app.posts (author_id, title, body, status, tags, scores, metadata, raw, created_at, published_on,
  reading_time, rating, views)
SELECT i % 40 + 1, 'Post number ' || i, (ARRAY['The quick brown fox jumps over the lazy dog',
  'Databases answer questions about data', 'A gate stands between agents and rows; 100% of it', 'Été à Zürich – naïve café'])[i % 4 + 1],
  (ARRAY['draft','review','published','archived'])[i % 4 + 1]::app.status,
  CASE i % 4 WHEN 0 THEN ARRAY['sql','postgres'] WHEN 1 THEN ARRAY['python'] WHEN 2 THEN ARRAY[]::text[] ELSE ARRAY['sql','python','rust'] END,
  CASE WHEN i % 6 <> 0 THEN ARRAY[i, NULL, i * 2] END,
  CASE WHEN i % 8 <> 0 THEN jsonb_build_object('lang', (ARRAY['en','fr','de'])[i % 3 + 1], 'seo', jsonb_build_object('score', i % 10),
    'links', jsonb_build_array(i, 'x' || i, null)) END,
  ('{"b": ' || i || ', "a": [1, 2, {"deep": "' || i || '"}]}')::json,
  '2026-01-01 00:00+00'::timestamptz + i * interval '5 hours', CASE WHEN i % 4 = 2 THEN '2026-01-01'::date + i END,
  i * interval '1 minute 30 seconds', CASE WHEN i % 9 <> 0 THEN i % 50 / 10.0 END, i
FROM generate_series(1, 120) i;
INSERT INTO app.comments (post_id, user_id, parent_id, body, created_at)
SELECT i % 120 + 1, NULLIF(i % 41, 0), CASE WHEN i > 20 AND i % 3 = 0 THEN i / 3 END, 'comment ' || i,
  '2026-02-01'::timestamp + i * interval '13 minutes'
FROM generate_series(1, 300) i;
INSERT INTO app.labels (name) SELECT 'label ' || chr(64 + i) FROM generate_series(1, 6) i;
INSERT INTO app.post_labels SELECT p, p % 6 + 1 FROM generate_series(1, 120) p UNION SELECT p, (p + 2) % 6 + 1 FROM generate_series(1, 120, 2) p;
INSERT INTO app.bookings
SELECT md5(i::text)::uuid, i % 3 + 1, tstzrange('2026-03-01 12:00+00'::timestamptz + i * interval '10 hours',
    '2026-03-01 20:00+00'::timestamptz + i * interval '10 hours'), CASE WHEN i % 4 <> 0 THEN daterange('2026-03-01'::date + i, '2026-03-01'::date + i * 2) END,
  int4range(i * 10, NULLIF(i * 10 + 50, 100)), int4multirange(int4range(i, i + 2), int4range(i + 10, i + 12)),
  'guest' || i || '@example.com'
FROM generate_series(1, 20) i;
INSERT INTO app.events
SELECT i, '2026-01-01'::timestamp + i * interval '11 hours', (ARRAY['click','view','buy'])[i % 3 + 1],
  CASE WHEN i % 5 <> 0 THEN jsonb_build_object('n', i, 'ok', i % 2 = 0) END, i / 7.0
FROM generate_series(1, 200) i;
INSERT INTO app."Mixed Case" VALUES (1, 'one', 'é', 10), (2, NULL, 'ü', 20), (3, 'three', 'ß', NULL);
CREATE VIEW app.published AS SELECT id, title, author_id, published_on, rating FROM app.posts WHERE status = 'published';
CREATE MATERIALIZED VIEW app.author_totals AS
  SELECT author_id, count(*) AS posts, avg(rating) AS rating, max(created_at) AS latest FROM app.posts GROUP BY author_id;

-- public: one table per family of types, and the classics of teaching.
CREATE TABLE departments (id int PRIMARY KEY, name text NOT NULL, budget numeric(12,2), floor smallint);
CREATE TABLE employees (id int PRIMARY KEY, name text NOT NULL, department_id int REFERENCES departments, manager_id int,
  salary numeric(10,2), hired date, bonus real, active bool);
CREATE TABLE products (id int PRIMARY KEY, name text, category text, price money, weight float8, attributes jsonb);
CREATE TABLE sales (id int PRIMARY KEY, product_id int REFERENCES products, sold_on date, quantity int, region varchar(10), unit_price numeric(8,2));
CREATE TABLE numbers (id int PRIMARY KEY, s smallint, i int, b bigint, r real, d double precision, n numeric, n52 numeric(5,2));
CREATE TABLE texts (id int PRIMARY KEY, t text, v varchar(20), c char(8), n name, q "char", k text COLLATE "C");
CREATE TABLE times (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, iv interval, ts0 timestamp(0));
CREATE TABLE bits (id int PRIMARY KEY, b bit(8), vb bit varying(16), by bytea, u uuid, ok bool);
CREATE TABLE nets (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8);
CREATE TABLE shapes (id int PRIMARY KEY, p point, l lseg, b box, pa path, po polygon, c circle);
CREATE TABLE lists (id int PRIMARY KEY, i int[], t text[], m int[][], s app.status[], d date[], j jsonb[], e app.email[], a app.address[]);
CREATE TABLE documents (id int PRIMARY KEY, j json, jb jsonb, ts tsvector, tq tsquery, jp jsonpath);
CREATE TABLE spans (id int PRIMARY KEY, i int4range, b int8range, n numrange, d daterange, ts tsrange, tz tstzrange, im int4multirange, dm datemultirange);
CREATE TABLE nodes (id int PRIMARY KEY, parent_id int, name text, weight int);
CREATE TABLE edges (source int, target int, cost int, PRIMARY KEY (source, target));
CREATE TABLE parents (id int PRIMARY KEY, label text, at date);
CREATE TABLE children (extra int) INHERITS (parents);
CREATE TABLE onek (unique1 int PRIMARY KEY, unique2 int UNIQUE, two int, four int, ten int, twenty int, hundred int, odd int, even int, stringu1 name, string4 name);
CREATE TABLE empty_table (id int, note text);
CREATE TABLE j1 (i int, j int, t text);
CREATE TABLE j2 (i int, k int);
CREATE VIEW department_totals AS SELECT d.id, d.name, count(e.id) AS people, sum(e.salary) AS pay
  FROM departments d LEFT JOIN employees e ON e.department_id = d.id GROUP BY d.id, d.name;
INSERT INTO departments VALUES (1, 'Engineering', 500000, 3), (2, 'Sales', 300000.50, 1), (3, 'Support', NULL, 1), (4, 'Empty', 0, NULL);
INSERT INTO employees SELECT i, (ARRAY['Ann','Bob','Cid','Dora','Eve','Finn'])[i % 6 + 1] || i, CASE WHEN i % 7 <> 0 THEN i % 3 + 1 END,
  NULLIF(i / 3, 0), 30000 + i * 1234.56, '2015-03-01'::date + i * 97, CASE WHEN i % 4 <> 0 THEN i * 10.5 END, i % 5 <> 0 FROM generate_series(1, 30) i;
INSERT INTO products SELECT i, 'Product ' || chr(64 + i), (ARRAY['toys','books','food'])[i % 3 + 1], (i * 9.99)::numeric::money,
  i * 0.37, jsonb_build_object('colour', (ARRAY['red','blue'])[i % 2 + 1], 'sizes', jsonb_build_array(i, i + 1), 'dims', jsonb_build_object('w', i, 'h', i * 2)) FROM generate_series(1, 12) i;
INSERT INTO sales SELECT i, i % 12 + 1, '2025-01-01'::date + i * 3, i % 10 + 1, (ARRAY['north','south','east','west'])[i % 4 + 1], 5 + i % 40 * 1.25 FROM generate_series(1, 200) i;
INSERT INTO numbers VALUES (1, 0, 0, 0, 0, 0, 0, 0), (2, 1, -1, 4567890123456789, 1.5, -34.84, 123.456, 1.23),
  (3, 32767, 2147483647, 9223372036854775807, 3.4e38, 1e300, 1e40, 999.99), (4, -32768, -2147483648, -9223372036854775808, -1.1e-30, 1e-300, -0.0001, -5),
  (5, NULL, NULL, NULL, 'NaN', 'Infinity', 'NaN', NULL), (6, 7, 123456, 123, '-Infinity', 0.1, 10.10, 2.5), (7, 12, -123456, 4567890123456789, 1004.3, 1004.3, 'Infinity', -2.5);
INSERT INTO texts VALUES (1, 'hello', 'hello', 'hi', 'name1', 'a', 'b'), (2, '', '', '', '', '', ''), (3, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'Zürich naïve', 'it''s', 'ab  ', 'x y', 'z', 'B'), (5, E'line one\nline "two"\t,end', 'a,b', 'c"d', '%_', '\', 'a'), (6, '100%_\', 'HELLO', 'zz', 'pg', 'Q', 'Ä');
INSERT INTO times VALUES (1, '2026-01-31', '12:34:56.789', '12:34:56+02', '2026-01-31 12:34:56.789', '2026-01-31 12:34:56+00', '1 year 2 mons 3 days 04:05:06.7', '2026-01-01 00:00:00.6'),
  (2, 'infinity', '00:00', '00:00-11', 'infinity', '-infinity', '-1 day', NULL), (3, '0044-03-15 BC', '24:00', '23:59:59.999999+00', '1999-12-31 23:59:59.999999', '2026-03-29 01:30+01', '0', '2000-02-29 12:00'),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (5, '2024-02-29', '06:00', '06:00+05:30', '2024-02-29 06:00', '2024-10-27 01:30+00', '100 days 30 hours', '2024-12-31 23:59:59');
INSERT INTO bits VALUES (1, B'10101010', B'101', '\x00ff10', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', true), (2, B'00000000', B'', '', '00000000-0000-0000-0000-000000000000', false),
  (3, NULL, NULL, NULL, NULL, NULL), (4, B'11110000', B'1111000011110000', '\xdeadbeef', 'ffffffff-ffff-ffff-ffff-ffffffffffff', true);
INSERT INTO nets VALUES (1, '192.168.1.5/24', '192.168.1.0/24', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'), (2, '10.1.2.3', '10.0.0.0/8', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff'),
  (3, '::1', '2001:db8::/32', NULL, NULL), (4, NULL, NULL, '00:00:00:00:00:00', NULL);
INSERT INTO shapes VALUES (1, '(1,2)', '[(0,0),(3,4)]', '((0,0),(2,2))', '((0,0),(1,1),(2,0))', '((0,0),(0,4),(4,4),(4,0))', '<(0,0),5>'), (2, '(-1.5,0.25)', '[(1,1),(1,5)]', '((1,1),(3,3))', '[(0,0),(5,5)]', '((0,0),(1,0),(1,1))', '<(1,1),1>'), (3, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO lists VALUES (1, '{1,2,3}', '{a,b,c}', '{{1,2},{3,4}}', '{draft,published}', '{2026-01-01,2026-02-01}', ARRAY['{"a":1}'::jsonb, '[1]'], '{a@b,c@d}', ARRAY[ROW('s','c','p',1)::app.address]),
  (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (4, '{NULL,5}', '{"with space","with,comma","with\"quote",NULL,""}', '[0:1][2:3]={{9,8},{7,6}}', '{archived,NULL}', '{infinity}', '{null}', '{x@y}', NULL), (5, '{3,3,1}', '{c,a}', '{{5}}', '{review}', NULL, NULL, NULL, NULL);
INSERT INTO documents VALUES (1, '{"a": 1, "b": [1, 2, 3], "c": {"d": "x"}}', '{"a": 1, "b": [1, 2, 3], "c": {"d": "x"}}', 'fat:1 cat:2', 'fat & cat', '$.a'), (2, '[1, "two", null, true]', '[1, "two", null, true]', '', '!dog', '$[*]'), (3, '"scalar"', '"scalar"', 'sat:3A rat:4B', 'rat | sat', '$.b[*] ? (@ > 1)'), (4, NULL, NULL, NULL, NULL, NULL), (5, '{"a": 2, "a": 3,  "n": 1.50, "z": null}', '{"a": 2, "a": 3,  "n": 1.50, "z": null}', to_tsvector('english', 'The quick brown foxes'), 'fox <-> jump', '$.c.d');
INSERT INTO spans VALUES (1, '[1,10)', '[1,100)', '[1.5,2.5]', '[2026-01-01,2026-02-01)', '[2026-01-01 10:00,2026-01-01 12:00)', '[2026-01-01 10:00+00,)', '{[1,3),[5,8)}', '{[2026-01-01,2026-01-05)}'), (2, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}', '{}'), (3, '(,5)', '[5,)', '(,)', '(,2026-01-01)', NULL, NULL, NULL, NULL), (4, '[5,15)', '[50,60)', '[2,3)', '[2026-01-15,2026-03-01)', '[2026-01-01 11:00,2026-01-01 13:00)', '[2026-01-02 00:00+00,2026-01-03 00:00+00)', '{[2,6)}', '{[2026-01-03,2026-01-10)}');
INSERT INTO nodes VALUES (1, NULL, 'root', 1), (2, 1, 'left', 5), (3, 1, 'right', 3), (4, 2, 'left.left', 2), (5, 2, 'left.right', 8), (6, 3, 'right.left', 1), (7, 6, 'deep', 9);
INSERT INTO edges VALUES (1, 2, 5), (2, 3, 2), (3, 1, 9), (1, 4, 1), (4, 3, 1), (3, 5, 4);
INSERT INTO parents VALUES (1, 'p one', '2026-01-01'), (2, 'p two', NULL);
INSERT INTO children VALUES (3, 'c three', '2026-01-03', 30), (4, 'c four', '2026-01-04', NULL);
INSERT INTO onek SELECT i * 7 % 500, i, i % 2, i % 4, i % 10, i % 20, i % 100, i % 50 * 2 + 1, i % 50 * 2, 'S' || lpad((i * 7 % 500)::text, 5, 'A'), (ARRAY['AAAAxx','HHHHxx','OOOOxx','VVVVxx'])[i % 4 + 1] FROM generate_series(0, 499) i;
INSERT INTO j1 VALUES (1, 4, 'one'), (2, 3, 'two'), (3, 2, 'three'), (4, 1, 'four'), (5, 0, 'five'), (6, 6, 'six'), (0, NULL, 'zero'), (NULL, NULL, 'null'), (NULL, 0, 'zero');
INSERT INTO j2 VALUES (1, -1), (2, 2), (3, -3), (2, 4), (5, -5), (5, -5), (0, NULL), (NULL, NULL), (NULL, 0);

CREATE ROLE gate LOGIN PASSWORD 'gate password';
GRANT USAGE ON SCHEMA public, trade, app TO gate;
GRANT SELECT ON ALL TABLES IN SCHEMA public, trade, app TO gate;
ANALYZE;
