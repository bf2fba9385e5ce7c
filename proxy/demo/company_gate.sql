-- The account that the gate uses: it can read the listed relations and nothing else, whatever the gate does.
--
-- Run by the superuser once the company is loaded. The second lock beside policy: not an owner, not a superuser, cannot
-- bypass row security, read-only by default, and without any right to hr.investigations.

REVOKE ALL ON DATABASE company_building FROM PUBLIC;
GRANT CONNECT ON DATABASE company_building TO sallyport_gate;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

ALTER ROLE sallyport_gate NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT LOGIN;
ALTER ROLE sallyport_gate SET default_transaction_read_only = on;

GRANT USAGE ON SCHEMA org, hr, sales, support, docs, web TO sallyport_gate;
GRANT SELECT ON
    org.regions, org.region_access,
    hr.departments, hr.employees, hr.salary_changes,
    sales.products, sales.customers, sales.orders, sales.order_items, sales.monthly_revenue, sales.customer_value,
    support.tickets, support.ticket_messages,
    docs.documents,
    web.events
TO sallyport_gate;
