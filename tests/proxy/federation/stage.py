"""A gate over two sources of different versions, and one Postgres that holds what a person may see.

`customers` and `regions` live in PostgreSQL 16 (source `crm`), `orders`, `items` and `products` in
PostgreSQL 18 (source `sales`). The reference is a database of the latter server with all five
tables, holding only the rows that `alice` may see, masked as she sees them: what the gate answers
her over two sources must equal what the reference answers anybody.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg
import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.load import load as load_policy
from proxy.catalog.shadow import shadow_cluster
from proxy.cluster_keeper import keep_alive
from proxy.federation.engine import merge_cluster
from proxy.runtime.config import load
from proxy.runtime.embedded import Cluster
from proxy.worker import Post, Worker, opened
from tests.servers.postgres import Server

ISSUER = "https://issuer.test"
AUDIENCE = "sallyport"
GATE_PASSWORD = "gate password"

CRM = """
CREATE SCHEMA crm;
CREATE TYPE crm.grade AS ENUM ('bronze', 'silver', 'gold');
CREATE TABLE crm.regions (code text PRIMARY KEY, name text NOT NULL, vat numeric(4,2));
INSERT INTO crm.regions VALUES ('de', 'Germany', 19), ('fr', 'France', 20), ('it', 'Italy', 22),
  ('us', 'States', NULL), ('xx', 'Nowhere', 0);
CREATE TABLE crm.customers (
  id int PRIMARY KEY, name text NOT NULL, region text REFERENCES crm.regions, email text,
  grade crm.grade, credit numeric(12,2), since date, seen timestamptz, tags text[], facts jsonb,
  score float8, key uuid, raw bytea, note varchar(20));
INSERT INTO crm.customers SELECT i, 'Customer ' || i,
  CASE WHEN i % 11 = 0 THEN NULL ELSE (ARRAY['de','fr','it','us'])[i % 4 + 1] END,
  'c' || i || '@example.test', (ARRAY['bronze','silver','gold'])[i % 3 + 1]::crm.grade,
  i * 7.25, '2020-01-01'::date + i, '2025-01-01 00:00+00'::timestamptz + i * interval '7 hours',
  ARRAY['t' || i % 5, NULL, 'x"y,' || i], jsonb_build_object('n', i % 10, 'deep', ARRAY[i, NULL]),
  CASE i % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' ELSE i / 3.0 END, md5(i::text)::uuid,
  decode(md5(i::text), 'hex'),
  CASE WHEN i % 7 = 0 THEN '' WHEN i % 5 = 0 THEN NULL ELSE 'n' || i END
  FROM generate_series(1, 300) i;
"""

SALES = """
CREATE SCHEMA sales;
CREATE TABLE sales.products (sku text PRIMARY KEY, title text, price numeric, weight real);
INSERT INTO sales.products SELECT 'p' || i, 'Product ' || i, i * 1.1, i / 7.0
  FROM generate_series(1, 40) i;
CREATE TABLE sales.orders (
  id bigint PRIMARY KEY, customer_id int, placed timestamp, total numeric(14,4), status text,
  window_of tstzrange, took interval);
INSERT INTO sales.orders SELECT i, CASE WHEN i % 13 = 0 THEN NULL ELSE i % 350 + 1 END,
  '2026-01-01'::timestamp + i * interval '37 minutes', i * 0.3333,
  (ARRAY['open','paid','sent','late'])[i % 4 + 1],
  tstzrange('2026-01-01 00:00+00'::timestamptz + i * interval '1 hour', NULL),
  i * interval '1 day 3 hours' FROM generate_series(1, 2000) i;
CREATE TABLE sales.items (
  order_id bigint, line int, sku text, quantity int, PRIMARY KEY (order_id, line));
INSERT INTO sales.items SELECT i, l, 'p' || (i * l) % 45 + 1, i % 9 + l
  FROM generate_series(1, 2000) i, generate_series(1, 3) l WHERE (i + l) % 4 <> 0;
"""

# What alice may not see of it, and how she sees the rest.
REDUCED = """
DELETE FROM crm.customers WHERE region IS NULL OR region NOT IN ('de', 'fr', 'us');
UPDATE crm.customers SET email = '[hidden]';
DELETE FROM sales.orders WHERE NOT (status <> 'late');
"""

ROLE = """
GRANT USAGE ON SCHEMA {0}, {1} TO gate;
GRANT SELECT ON ALL TABLES IN SCHEMA {0}, {1} TO gate;
"""

_, _TPCH_CRM, _TPCH_SALES = re.split(
    r"-- \{crm\}|-- \{sales\}", Path(__file__).with_name("tpch.sql").read_text()
)
CRM += _TPCH_CRM
SALES += _TPCH_SALES


def _open(source: str, script: str) -> str:
    """Policy for every table of TPC-H in the script: all rows, all columns."""
    lines = []
    for schema, table, body in re.findall(r"CREATE TABLE (tpch2?)\.(\w+) \((.*)\);", script):
        columns = re.findall(rf"\b({_prefix(table)}_\w+) (?:int|text|numeric|date)", body)
        shown = ", ".join(f"{column}: {{}}" for column in columns)
        lines.append(f"  {source}.{schema}.{table}:")
        lines.append(f"    columns: {{{shown}}}")
        lines.append("    rules: [{grant: all, roles: [analyst, auditor]}]")
    return "\n".join(lines) + "\n"


def _prefix(table: str) -> str:
    return "ps" if table == "partsupp" else table[0]


POLICY_CRM = """
version: 1

roles: {analyst: reads some regions, auditor: reads everything}
claims:
  regions: {type: "text[]", pointer: /regions}
masks:
  hidden: {constant: {type: text, value: "[hidden]"}}
tables:
  crm.crm.regions:
    columns: {code: {}, name: {}, vat: {}}
    rules: [{grant: all, roles: [analyst, auditor]}]
  crm.crm.customers:
    columns: {id: {}, name: {}, region: {}, email: {mask: hidden}, grade: {}, credit: {}, since: {},
      seen: {}, tags: {}, facts: {}, score: {}, key: {}, raw: {}, note: {}}
    rules:
      - {grant: theirs, roles: [analyst], where: "region = ANY(claim('regions'))"}
      - {grant: every, roles: [auditor], unmask: [email]}
"""

POLICY_SALES = """
version: 1

tables:
  sales.sales.products:
    columns: {sku: {}, title: {}, price: {}, weight: {}}
    rules: [{grant: all, roles: [analyst, auditor]}]
  sales.sales.orders:
    columns: {id: {}, customer_id: {}, placed: {}, total: {}, status: {}, window_of: {}, took: {}}
    rules:
      - {grant: timely, roles: [analyst], where: "status <> 'late'"}
      - {grant: every, roles: [auditor]}
  sales.sales.items:
    columns: {order_id: {}, line: {}, sku: {}, quantity: {}}
    rules: [{grant: all, roles: [analyst, auditor]}]
"""


@dataclass
class Stage:
    """`dsn` of the gate for a person; `reference` of the database that holds what alice sees."""

    worker: Worker
    reference: str
    crm: str
    sales: str
    directory: Path
    merge: Cluster
    _key: Ed25519PrivateKey = field(repr=False)

    def password(self, name: str = "alice", *, role: str = "analyst") -> str:
        """A token of the person, for an hour."""
        now = int(time.time())
        payload = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": name, "iat": now, "exp": now + 3600,
            "roles": [role], "regions": ["de", "fr", "us"],
        }  # fmt: skip
        return jwt.encode(payload, self._key, algorithm="EdDSA", headers={"kid": "k1"})

    def dsn(self, name: str = "alice", *, role: str = "analyst", **options: str) -> str:
        """A libpq connection string of the gate."""
        given = {
            "host": "127.0.0.1", "port": str(self.worker.port), "user": name, "dbname": "crm",
            "password": self.password(name, role=role), "sslmode": "disable", "gssencmode": "disable", **options,
        }  # fmt: skip
        return " ".join(f"{key}='{value}'" for key, value in given.items())


@asynccontextmanager
async def staged(crm: Server, sales: Server) -> AsyncIterator[Stage]:
    """The gate in this process; its sources are databases of two running servers."""
    with (
        tempfile.TemporaryDirectory(prefix="sallyport-federation-") as name,
        crm.database("crm") as crm_dsn,
        sales.database("sales") as sales_dsn,
        sales.database("reference") as reference,
    ):
        directory = Path(name)
        (directory / "post").mkdir(mode=0o700)
        key = Ed25519PrivateKey.generate()
        await _fill(crm_dsn, CRM, "crm", "tpch")
        await _fill(sales_dsn, SALES, "sales", "tpch2")
        await _fill(reference, CRM + SALES + REDUCED)
        configuration = _write(directory, key, crm, sales)
        async with (
            shadow_cluster(directory / "shadow") as shadow,
            merge_cluster(directory / "merge", 1 << 30) as merge,
            _kept(merge),
            opened(
                load(configuration),
                Post(0, shadow, directory / "post", merge=merge),
                partial(load_policy),
            ) as worker,
        ):
            yield Stage(worker, reference, crm_dsn, sales_dsn, directory, merge, key)


@asynccontextmanager
async def _kept(cluster: Cluster) -> AsyncIterator[None]:
    keeper = asyncio.ensure_future(keep_alive(cluster, "merge engine"))
    yield
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)


async def _fill(dsn: str, script: str, *schemas: str) -> None:
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute("SET timezone = 'UTC'")
        await admin.execute(script)
        if schemas:
            exists = await admin.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = 'gate'")
            if not exists:
                await admin.execute(f"CREATE ROLE gate LOGIN PASSWORD '{GATE_PASSWORD}'")
            await admin.execute(ROLE.format(*schemas))
    finally:
        await admin.close()


def _write(directory: Path, key: Ed25519PrivateKey, crm: Server, sales: Server) -> Path:
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = {"keys": [{**jwk, "kid": "k1", "alg": "EdDSA", "use": "sig"}]}
    (directory / "jwks.json").write_text(json.dumps(keys))
    (directory / "crm.yaml").write_text(POLICY_CRM + _open("crm", _TPCH_CRM))
    (directory / "sales.yaml").write_text(POLICY_SALES + _open("sales", _TPCH_SALES))
    (directory / "password").write_text(GATE_PASSWORD)

    def source(name: str, server: Server) -> dict[str, object]:
        return {
            "name": name, "kind": "postgres", "hosts": [f"{server.host}:{server.port}"],
            "database": name, "user": "gate", "password": {"file": "password"},
            "tls": {"mode": "disable"},
        }  # fmt: skip

    content = {
        "listen": {"port": 0, "drain_seconds_max": 2},
        "identity": {
            "issuers": [{"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "jwks.json"}}]
        },
        "policies": ["crm.yaml", "sales.yaml"],
        "sources": [source("crm", crm), source("sales", sales)],
        "audit": {"directory": "audit", "mode": "fast"},
    }
    path = directory / "sallyport.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
