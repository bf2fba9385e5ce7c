"""Two databases that differ only in what the attacker may not see, and the policy between them.

Every hidden text begins with `CANARY`, so that a leaked byte is recognised wherever it turns up.
Hidden numbers are poison: zeros to divide by, values beyond the range of a cast. `left` has the
hidden order 2; `right` has not, and its other hidden rows hold other values. The statistics of
both are gathered, since the planner evaluates operators on them.

The relations cover what sources have: lookup and constant filters, masks, a partitioned table, an
inheritance parent, a view, a materialized view, generated columns, collations, enum and domain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg
import psycopg

from policies.claims import ClaimType, ClaimValue
from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn
from proxy.catalog import introspect
from proxy.catalog.virtual import ClassCatalog, SourceCatalog, class_catalog
from tests.servers.postgres import Server

CANARY = "zQhid"
ORDERS = 1_200  # enough pages for the planner to consider workers
SOURCE = "main"

CLAIMS: dict[str, ClaimValue] = {"sub": "alice", "home": "t1", "tenants": ("t1",)}
CLAIM_TYPES = {
    "sub": ClaimType.parse("text"),
    "home": ClaimType.parse("text"),
    "tenants": ClaimType.parse("text[]"),
}

# Visible orders have id % 3 = 0: tenant t1. Order 1 and 2 are hidden, order 3 is visible.
SCHEMA = """
CREATE SCHEMA org;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN short AS text CHECK (length(value) < 9);
CREATE COLLATION german (provider = icu, locale = 'de');
CREATE COLLATION english (provider = icu, locale = 'en');
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE org.members (u text, tenant text, PRIMARY KEY (u, tenant));
INSERT INTO org.members VALUES ('alice', 't1'), ('bob', 't2'), ('bob', 't3');
CREATE TABLE orders (
  id bigint PRIMARY KEY, tenant text NOT NULL, amount numeric, secret text, note text, qty int,
  big bigint, tags text[], doc jsonb, de text COLLATE german, en text COLLATE english,
  nd text COLLATE folded, day date, mood mood, short short, ratio float8, raw bytea, pay text);
CREATE INDEX ON orders (tenant);
CREATE INDEX ON orders (note);
CREATE INDEX ON orders (amount);
CREATE TABLE accounts (
  id int PRIMARY KEY, tenant text, order_id bigint, code text, balance int, name text);
CREATE TABLE lookup (s text, label text);
CREATE TABLE hidden (id int PRIMARY KEY, secret text);
CREATE TABLE events (id bigint, tenant text, at date, body text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parent (id int, tenant text, body text);
CREATE TABLE child (extra text) INHERITS (parent);
CREATE TABLE calc (id int PRIMARY KEY, tenant text, amt int,
  twice int GENERATED ALWAYS AS (amt * 2) STORED);
CREATE TYPE pair AS (word text, number int);
CREATE TABLE rare (id int PRIMARY KEY, tenant text, pair pair, doc jsonb, de text COLLATE german,
  en text COLLATE english, nd text COLLATE folded, docs json[]);
CREATE VIEW vp AS SELECT id, tenant, note, secret FROM orders;
CREATE VIEW numbers AS SELECT id, tenant, note::int AS n FROM orders;
CREATE MATERIALIZED VIEW snapshot AS SELECT 1 AS id, 't1'::text AS tenant, 'x'::text AS body;
"""
# Only PostgreSQL 18 computes generated columns when they are read.
VIRTUAL = """
CREATE TABLE inverse (id int PRIMARY KEY, tenant text, amt int,
  inv int GENERATED ALWAYS AS (100 / amt) VIRTUAL);
"""

ORDER_ROWS = f"""
INSERT INTO orders
SELECT i, 't1', i * 1.5, 'S-' || i, (i %% 50)::text, 1 + i %% 9, i, ARRAY['a', 'b'],
  '{{"a": 1}}', 'd' || i %% 5, 'e' || i %% 5, 'n' || i %% 5, '2024-01-01', 'ok', 'fine', 1.5, '\\x6162', 'open'
FROM generate_series(3, {ORDERS}, 3) i;
INSERT INTO orders
SELECT i, 't' || 1 + i %% 3, CASE WHEN i %% 2 = 0 THEN 0 ELSE 1e400 + %(salt)s END,
  '{CANARY}-s' || i %% 7 + %(salt)s, '{CANARY}-n' || i %% 4 + %(salt)s, 0,
  5000000000 + i + %(salt)s, ARRAY['{CANARY}', 'x', 'y'], '{{"a": "{CANARY}"}}',
  '{CANARY}d' || %(salt)s, '{CANARY}e' || %(salt)s, '{CANARY}n', '5874897-12-31', 'sad',
  'h' || %(salt)s, 0, ('raw-' || %(salt)s || '-end')::bytea, '{CANARY}p' || %(salt)s || i
FROM generate_series(1, {ORDERS}) i WHERE i %% 3 <> 0 AND i <> 2 * (%(salt)s %% 2);
"""
OTHER_ROWS = f"""
INSERT INTO accounts SELECT i, CASE WHEN i %% 2 = 0 THEN 't1' ELSE 't9' END, i * 3,
  CASE WHEN i %% 2 = 0 THEN i::text ELSE '{CANARY}-c' || %(salt)s + i END,
  CASE WHEN i %% 2 = 0 THEN i ELSE 0 END,
  CASE WHEN i %% 2 = 0 THEN 'n' || i ELSE '{CANARY}-a' || %(salt)s END
FROM generate_series(1, 300) i;
INSERT INTO lookup SELECT 'S-' || i, 'label ' || i FROM generate_series(1, 20) i;
INSERT INTO hidden SELECT i, '{CANARY}-h' || %(salt)s FROM generate_series(1, 5 + %(salt)s) i;
INSERT INTO events SELECT i, CASE WHEN i %% 2 = 0 THEN 't1' ELSE 't9' END,
  '2024-06-01'::date + i, CASE WHEN i %% 2 = 0 THEN i::text ELSE '{CANARY}-e' || %(salt)s END
FROM generate_series(1, 300) i;
INSERT INTO parent VALUES (1, 't1', '1'), (2, 't9', '{CANARY}-p' || %(salt)s);
INSERT INTO child VALUES (3, 't1', '3', 'x'), (4, 't9', '{CANARY}-q' || %(salt)s, '{CANARY}');
INSERT INTO calc SELECT i, CASE WHEN i %% 2 = 0 THEN 't1' ELSE 't9' END,
  CASE WHEN i %% 2 = 0 THEN i ELSE %(salt)s + i END FROM generate_series(1, 40) i;
INSERT INTO rare SELECT i, 't1', ROW('w' || i %% 3, 1)::pair, '{{"a": 1}}'::jsonb, NULL, NULL, NULL,
  ARRAY['1'::json] FROM generate_series(1, 30) i;
INSERT INTO rare SELECT i, 't9', ROW('{CANARY}' || %(salt)s, 1)::pair, ('{{"a": "{CANARY}' || %(salt)s || '"}}')::jsonb,
  CASE WHEN %(salt)s %% 2 = 0 THEN '{CANARY}' END, CASE WHEN %(salt)s %% 2 = 0 THEN '{CANARY}' END,
  CASE WHEN %(salt)s %% 2 = 0 THEN '{CANARY}' END
FROM generate_series(31, 90) i;
"""
VIRTUAL_ROWS = """
INSERT INTO inverse SELECT i, CASE WHEN i %% 2 = 0 THEN 't1' ELSE 't9' END,
  CASE WHEN i %% 2 = 0 THEN i ELSE 0 END FROM generate_series(1, 40 + %(salt)s %% 2) i;
"""

BY_MEMBER = "\"tenant\" IN (SELECT m.tenant FROM org.members m WHERE m.u = claim('sub'))"
BY_TENANT = "\"tenant\" = ANY (claim('tenants'))"
# Correlated and not hashable, hence dear: the planner puts every condition of the user's first.
DEAR = (
    "EXISTS (SELECT 1 FROM org.members m WHERE m.u = claim('sub')"
    " AND m.tenant >= {0}.tenant AND m.tenant <= {0}.tenant)"
)
FILTERS: dict[str, tuple[str, frozenset[str]]] = {
    "orders": (DEAR.format("orders"), frozenset({"sub"})),
    "accounts": (BY_TENANT, frozenset({"tenants"})),
    "lookup": ("true", frozenset()),
    "events": (BY_MEMBER, frozenset({"sub"})),
    "parent": (BY_TENANT, frozenset({"tenants"})),
    "calc": (BY_TENANT, frozenset({"tenants"})),
    "rare": (BY_TENANT, frozenset({"tenants"})),
    "inverse": (DEAR.format("inverse"), frozenset({"sub"})),
    "vp": (BY_MEMBER, frozenset({"sub"})),
    "numbers": (DEAR.format("numbers"), frozenset({"sub"})),
    "snapshot": ("true", frozenset()),
}
MASKS: dict[tuple[str, str], tuple[str, str]] = {
    ("orders", "secret"): ("text", "'***'::text"),
    ("vp", "secret"): ("text", "'***'::text"),
}
INVISIBLE_COLUMNS = {("orders", "pay")}


@dataclass(frozen=True)
class World:
    """Connection strings of the two databases, and what the gate knows of them."""

    left: str
    right: str
    major: int
    source: SourceCatalog
    catalog: ClassCatalog

    def decide(self, key: RelationKey) -> RelationDecision:
        row_filter, claims = FILTERS[key.name]
        columns = tuple(
            ColumnDecision(column.name, *_shown(key.name, column.name))
            for column in self.source.relations[key].columns
            if (key.name, column.name) not in INVISIBLE_COLUMNS
        )
        types = {name: CLAIM_TYPES[name] for name in claims}
        return RelationDecision(key, columns, row_filter, claims, ("attack",), claim_types=types)


def _shown(table: str, column: str) -> tuple[str | None, str | None, str | None]:
    masked = MASKS.get((table, column))
    return (None, None, None) if masked is None else (masked[1], masked[0], "stars")


@contextmanager
def world(server: Server, *, are_views: bool = False) -> Iterator[World]:
    """Make the two databases, read the left one's catalog; both are dropped at the end.

    `are_views`: what policy names are views, each of the table that has its name otherwise.
    """
    name = "attack_views" if are_views else "attack"
    with server.database(f"{name}_left") as left, server.database(f"{name}_right") as right:
        for salt, dsn in ((10, left), (21, right)):
            _fill(dsn, salt, server.major)
            if are_views:
                _put_views_before(dsn)
        source = asyncio.run(_introspect(left))
        visible = {
            key: [
                VisibleColumn(column.name, _shown(key.name, column.name)[1])
                for column in relation.columns
                if (key.name, column.name) not in INVISIBLE_COLUMNS
            ]
            for key, relation in source.relations.items()
            if key.name in FILTERS
        }
        yield World(left, right, server.major, source, class_catalog([source], visible))


def _fill(dsn: str, salt: int, major: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SCHEMA)
        for statements in (ORDER_ROWS, OTHER_ROWS):
            _run_each(connection, statements, salt)
        if major >= 18:
            connection.execute(VIRTUAL)
            _run_each(connection, VIRTUAL_ROWS, salt)
        connection.execute("ANALYZE")


def _put_views_before(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA behind")
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') ORDER BY 1"
        ).fetchall()
        for (name,) in tables:
            connection.execute(f"ALTER TABLE {name} SET SCHEMA behind".encode())
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM behind.{name}".encode())


def _run_each(
    connection: psycopg.Connection[tuple[object, ...]], statements: str, salt: int
) -> None:
    for statement in filter(None, map(str.strip, statements.split(";\n"))):
        connection.execute(statement.encode(), {"salt": salt})


async def _introspect(dsn: str) -> SourceCatalog:
    connection = await asyncpg.connect(dsn)
    try:
        return await introspect.introspect(connection, SOURCE)
    finally:
        await connection.close()
