"""The data of the benchmark, and two policies over it that say the same: the gate's and the peer's.

`analyst` sees 10 of 100 tenants through a lookup table, `auditor` sees every row. The peer is a
login role of the same server with native row-level security for the same rows. This file must not
know how anything is measured.
"""

from __future__ import annotations

from typing import Final

TENANTS: Final = 100
TENANTS_SEEN: Final = 10
ORDERS: Final = 1_000_000
ITEMS: Final = 1_000_000
CUSTOMERS: Final = 10_000
ACCOUNTS: Final = 1_000_000
"""As `pgbench -i -s 10` makes them."""

LOGIN: Final = "ada"
SOURCE: Final = "bench"
DATABASE: Final = "bench"
ROLE_PASSWORD: Final = "bench password"
GATE_ROLE: Final = "bench_gate"
PEER_ROLE: Final = "bench_peer"
PEER_AUDITOR_ROLE: Final = "bench_auditor"

SEEN: Final = (
    "tenant IN (SELECT tenant FROM bench.members WHERE login = current_setting('bench.login'))"
)
"""What native row-level security asks of each row; the setting is made at connect."""

TABLES: Final = f"""
CREATE SCHEMA bench;
CREATE TABLE bench.members (login text NOT NULL, tenant int NOT NULL, PRIMARY KEY (login, tenant));
INSERT INTO bench.members
  SELECT 'user' || u, t FROM generate_series(1, 200) u, generate_series(0, 9) t;
INSERT INTO bench.members
  SELECT '{LOGIN}', t * {TENANTS // TENANTS_SEEN} FROM generate_series(0, {TENANTS_SEEN - 1}) t;
CREATE TABLE bench.customers (id int, tenant int NOT NULL, name text NOT NULL, email text);
INSERT INTO bench.customers
  SELECT i, i % {TENANTS}, 'customer ' || i, 'c' || i || '@example.com'
  FROM generate_series(0, {CUSTOMERS - 1}) i;
CREATE TABLE bench.orders (
  id bigint, tenant int NOT NULL, customer_id int NOT NULL, reference int NOT NULL,
  amount numeric(12,2) NOT NULL, placed_at timestamptz NOT NULL, status text NOT NULL,
  note text NOT NULL);
INSERT INTO bench.orders
  SELECT i, i % {TENANTS}, i % {CUSTOMERS}, i, (i % 9973) * 1.37,
    now() - (i % 100000) * interval '10 minutes',
    (ARRAY['open', 'paid', 'sent', 'closed'])[i % 7 % 4 + 1],
    'order ' || md5(i::text) || CASE WHEN i % 97 = 0 THEN ' urgent' ELSE '' END
  FROM generate_series(0, {ORDERS - 1}) i;
CREATE TABLE bench.items (
  id bigint, tenant int NOT NULL, order_id bigint NOT NULL, reference int NOT NULL,
  sku text NOT NULL, quantity int NOT NULL);
INSERT INTO bench.items
  SELECT i, i % {TENANTS}, i, i, 'sku' || i % 5000, i % 9 + 1
  FROM generate_series(0, {ITEMS - 1}) i;
CREATE TABLE public.pgbench_accounts (aid int, bid int, abalance int, filler char(84));
INSERT INTO public.pgbench_accounts
  SELECT i, (i - 1) / 100000 + 1, 0, '' FROM generate_series(1, {ACCOUNTS}) i;
ALTER TABLE bench.customers ADD PRIMARY KEY (id);
ALTER TABLE bench.orders ADD PRIMARY KEY (id);
ALTER TABLE bench.items ADD PRIMARY KEY (id);
ALTER TABLE public.pgbench_accounts ADD PRIMARY KEY (aid);
CREATE INDEX ON bench.items (order_id);
CREATE INDEX ON bench.orders (amount);
CREATE INDEX ON bench.orders (placed_at);
"""

ROLES: Final = f"""
CREATE ROLE {GATE_ROLE} LOGIN PASSWORD '{ROLE_PASSWORD}';
CREATE ROLE {PEER_ROLE} LOGIN PASSWORD '{ROLE_PASSWORD}';
CREATE ROLE {PEER_AUDITOR_ROLE} LOGIN PASSWORD '{ROLE_PASSWORD}';
ALTER ROLE {PEER_ROLE} SET bench.login = '{LOGIN}';
GRANT USAGE ON SCHEMA bench TO {GATE_ROLE}, {PEER_ROLE}, {PEER_AUDITOR_ROLE};
GRANT SELECT ON ALL TABLES IN SCHEMA bench, public
  TO {GATE_ROLE}, {PEER_ROLE}, {PEER_AUDITOR_ROLE};
"""

GUARDED_TABLES: Final = ("customers", "orders", "items")


def row_level_security() -> str:
    """SQL: native policies for the peer's roles; the gate's role sees all, and filters itself."""
    parts = []
    for table in GUARDED_TABLES:
        parts.append(f"ALTER TABLE bench.{table} ENABLE ROW LEVEL SECURITY;")
        parts.append(f"CREATE POLICY seen ON bench.{table} TO {PEER_ROLE} USING ({SEEN});")
        others = f"{GATE_ROLE}, {PEER_AUDITOR_ROLE}"
        parts.append(f"CREATE POLICY everything ON bench.{table} TO {others} USING (true);")
    return "\n".join(parts)


_RULES: Final = """\
    rules:
      - grant: tenants of the login
        roles: [analyst]
        where: tenant IN (SELECT tenant FROM bench.members WHERE login = claim('login'))
      - grant: everything
        roles: [auditor]"""

POLICY: Final = f"""\
version: 1
source: {SOURCE}
roles:
  analyst: Sees the tenants that bench.members lists for the login
  auditor: Sees every row
claims:
  login: {{type: text, pointer: /login}}
  branches: {{type: "int[]", pointer: /branches}}
lookups:
  bench.members: [login, tenant]
tables:
  bench.customers:
    columns: {{id: {{}}, tenant: {{}}, name: {{}}, email: {{mask: email}}}}
{_RULES}
  bench.orders:
    columns:
      id: {{}}
      tenant: {{}}
      customer_id: {{}}
      reference: {{}}
      amount: {{}}
      placed_at: {{}}
      status: {{}}
      note: {{}}
{_RULES}
  bench.items:
    columns: {{id: {{}}, tenant: {{}}, order_id: {{}}, reference: {{}}, sku: {{}}, quantity: {{}}}}
{_RULES}
  public.pgbench_accounts:
    columns: {{aid: {{}}, bid: {{}}, abalance: {{}}, filler: {{mask: "null"}}}}
    rules:
      - grant: branches of the token
        roles: [analyst]
        where: bid = ANY (claim('branches'))
"""


def claims(role: str) -> dict[str, object]:
    """A token's payload for somebody of this role."""
    branches = list(range(1, ACCOUNTS // 100_000 + 1))
    return {"roles": [role], "login": LOGIN, "branches": branches}
