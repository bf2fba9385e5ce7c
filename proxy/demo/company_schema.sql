-- Fairlead Instruments: marine electronics, sold to skippers, ferries, harbours and coast guards.
--
-- Tables and types only; keys, indexes and views follow once the rows are in (company_finish.sql), which is
-- faster. The kinds of things are chosen to be a fair test of a gate: enums, domains, a composite type, arrays,
-- jsonb, uuid, inet, a generated column, a partitioned table, free text that holds personal data.

CREATE SCHEMA org;
CREATE SCHEMA hr;
CREATE SCHEMA sales;
CREATE SCHEMA support;
CREATE SCHEMA docs;
CREATE SCHEMA web;

CREATE DOMAIN org.email_address AS text CHECK (VALUE ~ '^[^@ ]+@[^@ ]+[.][^@ ]+$');
CREATE DOMAIN org.amount AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE TYPE org.postal_address AS (street text, city text, postcode text, country text);

CREATE TABLE org.regions (
    code text NOT NULL,
    name text NOT NULL,
    currency text NOT NULL
);
CREATE TABLE org.region_access (
    login text NOT NULL,
    region text NOT NULL,
    granted_on date NOT NULL
);

CREATE TABLE hr.departments (
    id integer NOT NULL,
    name text NOT NULL,
    cost_centre text NOT NULL,
    budget org.amount NOT NULL
);
CREATE TABLE hr.employees (
    id integer NOT NULL,
    login text NOT NULL,
    full_name text NOT NULL,
    email org.email_address NOT NULL,
    job_title text NOT NULL,
    grade smallint NOT NULL,
    department_id integer NOT NULL,
    manager_id integer,
    region text NOT NULL,
    salary numeric(10, 2) NOT NULL,
    bonus_percent numeric(4, 1) NOT NULL,
    national_id text NOT NULL,
    iban text NOT NULL,
    birth_date date NOT NULL,
    hired_on date NOT NULL,
    left_on date,
    home org.postal_address NOT NULL,
    skills text[] NOT NULL
);
CREATE TABLE hr.salary_changes (
    employee_id integer NOT NULL,
    effective_on date NOT NULL,
    old_salary numeric(10, 2) NOT NULL,
    new_salary numeric(10, 2) NOT NULL,
    reason text NOT NULL
);
-- Nobody reads this through the gate: its database role has no right to it either.
CREATE TABLE hr.investigations (
    id integer NOT NULL,
    employee_id integer NOT NULL,
    opened_on date NOT NULL,
    allegation text NOT NULL
);

CREATE TYPE sales.order_status AS ENUM ('draft', 'placed', 'paid', 'shipped', 'delivered', 'returned', 'cancelled');
CREATE TYPE sales.segment AS ENUM ('leisure', 'trade', 'fleet', 'government');

CREATE TABLE sales.products (
    id integer NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    list_price numeric(10, 2) NOT NULL,
    unit_cost numeric(10, 2) NOT NULL,
    size_mm integer[] NOT NULL,
    attributes jsonb NOT NULL,
    released_on date NOT NULL,
    is_discontinued boolean NOT NULL
);
CREATE TABLE sales.customers (
    id integer NOT NULL,
    public_id uuid NOT NULL,
    name text NOT NULL,
    contact_name text NOT NULL,
    email org.email_address NOT NULL,
    phone text,
    region text NOT NULL,
    country text NOT NULL,
    segment sales.segment NOT NULL,
    national_id text,
    credit_limit org.amount NOT NULL,
    address org.postal_address NOT NULL,
    account_lead text NOT NULL,
    wants_news boolean NOT NULL,
    created_at timestamptz NOT NULL,
    churned_on date
);
CREATE TABLE sales.orders (
    id bigint NOT NULL,
    customer_id integer NOT NULL,
    placed_at timestamptz NOT NULL,
    status sales.order_status NOT NULL,
    region text NOT NULL,
    channel text NOT NULL,
    discount numeric(4, 3) NOT NULL,
    total numeric(12, 2) NOT NULL,
    sold_by text NOT NULL,
    delivery jsonb NOT NULL
);
CREATE TABLE sales.order_items (
    order_id bigint NOT NULL,
    line smallint NOT NULL,
    product_id integer NOT NULL,
    quantity integer NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    line_total numeric(12, 2) GENERATED ALWAYS AS (quantity * unit_price) STORED
);

CREATE TYPE support.priority AS ENUM ('low', 'normal', 'high', 'urgent');
CREATE TYPE support.author_kind AS ENUM ('customer', 'agent', 'system');

CREATE TABLE support.tickets (
    id integer NOT NULL,
    customer_id integer NOT NULL,
    region text NOT NULL,
    product_id integer NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    priority support.priority NOT NULL,
    topic text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    assignee text NOT NULL,
    satisfaction smallint
);
CREATE TABLE support.ticket_messages (
    id integer NOT NULL,
    ticket_id integer NOT NULL,
    sent_at timestamptz NOT NULL,
    author_kind support.author_kind NOT NULL,
    author text NOT NULL,
    is_internal boolean NOT NULL,
    body text NOT NULL
);

CREATE TYPE docs.classification AS ENUM ('public', 'internal', 'confidential', 'restricted');

CREATE TABLE docs.documents (
    id uuid NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    classification docs.classification NOT NULL,
    tags text[] NOT NULL,
    department_id integer NOT NULL,
    owner text NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    search tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || body)) STORED
);

CREATE TABLE web.events (
    id bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    session_id uuid NOT NULL,
    customer_id integer,
    kind text NOT NULL,
    path text NOT NULL,
    duration_ms integer NOT NULL,
    address inet NOT NULL,
    payload jsonb NOT NULL
) PARTITION BY RANGE (occurred_at);
CREATE TABLE web.events_2025_first PARTITION OF web.events
    FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-07-01 00:00:00+00');
CREATE TABLE web.events_2025_second PARTITION OF web.events
    FOR VALUES FROM ('2025-07-01 00:00:00+00') TO ('2026-01-01 00:00:00+00');
CREATE TABLE web.events_2026_first PARTITION OF web.events
    FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-07-01 00:00:00+00');
CREATE TABLE web.events_2026_second PARTITION OF web.events
    FOR VALUES FROM ('2026-07-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');

COMMENT ON SCHEMA sales IS 'Customers, products and orders. Books run from 2023-01-01 to 2026-09-30.';
COMMENT ON SCHEMA hr IS 'People of Fairlead Instruments: personal data, need to know.';
COMMENT ON TABLE org.region_access IS 'Which login may see which sales region; policies look it up.';
COMMENT ON TABLE hr.employees IS 'One row per employee, past and present (left_on).';
COMMENT ON COLUMN hr.employees.salary IS 'Gross, per year, in USD.';
COMMENT ON COLUMN hr.employees.national_id IS 'Personal. Invented for the sample.';
COMMENT ON COLUMN sales.customers.national_id IS 'Personal. Only for private skippers, who need a radio licence.';
COMMENT ON COLUMN sales.customers.churned_on IS 'Day on which the account was closed, NULL while active.';
COMMENT ON COLUMN sales.products.unit_cost IS 'What a unit costs us. Commercially sensitive.';
COMMENT ON COLUMN sales.orders.discount IS 'Fraction of the list value, 0.100 is ten per cent.';
COMMENT ON COLUMN sales.orders.total IS 'Sum of the lines less the discount, in USD.';
COMMENT ON TABLE support.tickets IS 'What customers wrote to us, in their words; may hold personal data.';
COMMENT ON COLUMN support.ticket_messages.is_internal IS 'True: staff only, never shown to the customer.';
COMMENT ON TABLE docs.documents IS 'The company''s papers with tags and metadata.';
COMMENT ON TABLE web.events IS 'Web shop clicks since 2025, partitioned by half-year.';
