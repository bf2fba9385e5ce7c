-- The fixture company as a principal sees it to whom every column is granted: what the reference
-- server holds. It differs from `fixture.sql` by what the gate shows to nobody: defaults, CHECK and
-- generation expressions, the bodies of views, functions, indexes that are not keys, sequences, and
-- that one table is a partition of another. Keys have the names that Postgres gives.
CREATE SCHEMA hr;
CREATE SCHEMA sales;
COMMENT ON SCHEMA sales IS 'Sales mart';

CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE public.addr AS (street text, zip varchar(10));
CREATE DOMAIN public.email AS text;

CREATE TABLE hr.salaries (emp_id integer NOT NULL, emp_name text NOT NULL, salary money, ssn text,
    PRIMARY KEY (emp_id));

CREATE TABLE public.customers (
    id integer NOT NULL,
    name varchar(80) NOT NULL,
    email public.email,
    mood public.mood,
    balance numeric(12,2),
    tags text[],
    attrs jsonb,
    uid uuid,
    created_at timestamptz,
    birth date,
    active boolean NOT NULL,
    home public.addr,
    PRIMARY KEY (id),
    UNIQUE (uid)
);
COMMENT ON TABLE public.customers IS 'All customers';
COMMENT ON COLUMN public.customers.email IS 'masked for analysts';

CREATE TABLE public.events (ts timestamptz NOT NULL, kind text, payload json);
CREATE TABLE public.events_2025 (ts timestamptz NOT NULL, kind text, payload json);

CREATE VIEW sales.big_orders AS
    SELECT NULL::bigint AS id, NULL::integer AS customer_id, NULL::numeric(12,2) AS amount;
CREATE MATERIALIZED VIEW sales.mv AS
    SELECT NULL::integer AS customer_id, NULL::numeric AS s WITH NO DATA;

CREATE TABLE sales.order_items (
    order_id bigint NOT NULL,
    line integer NOT NULL,
    sku text,
    price double precision,
    t time,
    iv interval,
    b bytea,
    r real,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE sales.orders (
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer_id integer NOT NULL,
    amount numeric(12,2) NOT NULL,
    qty smallint,
    status char(1),
    placed timestamp(3),
    notes text,
    total numeric,
    PRIMARY KEY (id)
);
COMMENT ON COLUMN sales.orders.amount IS 'in EUR';
ALTER TABLE sales.order_items ADD FOREIGN KEY (order_id) REFERENCES sales.orders (id);
ALTER TABLE sales.orders ADD FOREIGN KEY (customer_id) REFERENCES public.customers (id)
    ON DELETE CASCADE;
