-- A small company with one of everything that a catalog can hold: the relations, keys, types and
-- comments that the catalog queries of `queries.sql` look for.
CREATE SCHEMA sales;
CREATE SCHEMA hr;
COMMENT ON SCHEMA sales IS 'Sales mart';

CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE public.addr AS (street text, zip varchar(10));
CREATE DOMAIN public.email AS text CHECK (VALUE ~ '@');

CREATE TABLE public.customers (
    id integer PRIMARY KEY,
    name varchar(80) NOT NULL,
    email public.email,
    mood public.mood DEFAULT 'ok',
    balance numeric(12,2) DEFAULT 0,
    tags text[],
    attrs jsonb,
    uid uuid UNIQUE,
    created_at timestamptz DEFAULT now(),
    birth date,
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT bal_pos CHECK (balance >= 0)
);
COMMENT ON TABLE public.customers IS 'All customers';
COMMENT ON COLUMN public.customers.email IS 'masked for analysts';
CREATE INDEX customers_name_idx ON public.customers (lower(name));

CREATE TABLE sales.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES public.customers (id) ON DELETE CASCADE,
    amount numeric(12,2) NOT NULL,
    qty smallint,
    status char(1),
    placed timestamp(3),
    notes text,
    total numeric GENERATED ALWAYS AS (amount * 2) STORED
);
COMMENT ON COLUMN sales.orders.amount IS 'in EUR';

CREATE TABLE sales.order_items (
    order_id bigint REFERENCES sales.orders (id),
    line int,
    sku text,
    price double precision,
    t time,
    iv interval,
    b bytea,
    r real,
    PRIMARY KEY (order_id, line)
);

CREATE TABLE hr.salaries (emp_id serial PRIMARY KEY, emp_name text NOT NULL, salary money, ssn text);

CREATE VIEW sales.big_orders AS SELECT id, customer_id, amount FROM sales.orders WHERE amount > 1000;
CREATE MATERIALIZED VIEW sales.mv AS SELECT customer_id, sum(amount) s FROM sales.orders GROUP BY 1;

CREATE TABLE public.events (ts timestamptz NOT NULL, kind text, payload json) PARTITION BY RANGE (ts);
CREATE TABLE public.events_2025 PARTITION OF public.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

CREATE FUNCTION public.add_one(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'select $1+1';
CREATE SEQUENCE public.myseq;
