"""Three databases for the oracles, and the policy decisions that relate them.

`left` and `right` agree on every value that the principal may see. Hidden rows and masked values
differ: they are drawn with another seed, and many are poison, so that an expression evaluated on
them raises where it would not on a visible row. `reference` holds only what may be seen, masks
already applied.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from policies.claims import ClaimType, ClaimValue
from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn
from proxy.catalog import introspect
from proxy.catalog.virtual import ClassCatalog, SourceCatalog, class_catalog
from tests.servers.postgres import Server

ROWS = 400
TENANTS = ("t1", "t2", "t3", "t4", "t5", "t6")
SUBJECT = "alice"
CLAIMS: dict[str, ClaimValue] = {
    "sub": SUBJECT, "home": "t1", "tenants": ("t1", "t3"), "regions": ("emea",),
}  # fmt: skip
CLAIM_TYPES = {
    "sub": ClaimType.parse("text"),
    "home": ClaimType.parse("text"),
    "tenants": ClaimType.parse("text[]"),
    "regions": ClaimType.parse("text[]"),
}
VISIBLE_TENANTS = ("t1", "t2", "t3")  # by members of SUBJECT
VISIBLE_ITEM_TENANTS = ("t1", "t3")

SCHEMA = """
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE shop.orders (
  id bigint PRIMARY KEY, tenant text NOT NULL, customer_id int, amount numeric(12,2), qty int,
  note text, secret text, placed timestamptz, day date, tags text[], doc jsonb, flag boolean,
  mood shop.mood, ratio float8, uid uuid);
CREATE INDEX ON shop.orders (tenant);
CREATE INDEX ON shop.orders (customer_id);
CREATE INDEX ON shop.orders (placed);
CREATE TABLE shop.items (
  id bigint PRIMARY KEY, order_id bigint, sku text, price numeric(10,2), code text, qty smallint);
CREATE INDEX ON shop.items (order_id);
CREATE TABLE shop.people (
  id int PRIMARY KEY, manager_id int, name varchar(40), salary int, region text, born date);
CREATE TABLE shop.members (u text, tenant text, PRIMARY KEY (u, tenant));
"""

_MASK = (
    'CASE WHEN "tenant" = claim(\'home\') THEN "secret"'
    " ELSE pg_catalog.left(\"secret\", 2) || '***'::text END"
)
_FILTERS = {
    "orders": "\"tenant\" IN (SELECT m.tenant FROM shop.members m WHERE m.u = claim('sub'))",
    "items": (
        'EXISTS (SELECT 1 FROM shop.orders o WHERE o.id = "order_id"'
        " AND o.tenant = ANY (claim('tenants')))"
    ),
    "people": "\"region\" = ANY (claim('regions'))",
}
# The same rows as by the filter of `orders`, but correlated and not hashable: dearer than whatever
# the user writes, so that the planner runs all of that first. Every other world has it.
_DEAR_FILTER = (
    "EXISTS (SELECT 1 FROM shop.members m WHERE m.u = claim('sub')"
    " AND m.tenant >= orders.tenant AND m.tenant <= orders.tenant)"
)
_MASKS = {
    ("orders", "secret"): ("text", _MASK),
    ("people", "salary"): ("integer", "NULL::integer"),
}
_CLAIMS_USED = {"orders": {"sub", "home"}, "items": {"tenants"}, "people": {"regions"}}


@dataclass(frozen=True)
class World:
    """The three connections' strings and what the guard needs to know."""

    left: str
    right: str
    reference: str
    catalog: ClassCatalog
    source: SourceCatalog
    is_dear: bool = False

    def decide(self, key: RelationKey) -> RelationDecision:
        columns = tuple(
            ColumnDecision(column.name, None, None, None)
            if (masked := _MASKS.get((key.name, column.name))) is None
            else ColumnDecision(column.name, masked[1], masked[0], "fuzz")
            for column in self.source.relations[key].columns
        )
        used = frozenset(_CLAIMS_USED[key.name])
        is_dear = self.is_dear and key.name == "orders"
        row_filter = _DEAR_FILTER if is_dear else _FILTERS[key.name]
        return RelationDecision(key, columns, row_filter, used, ("fuzz",), claim_types=CLAIM_TYPES)


@contextmanager
def world(server: Server, seed: int) -> Iterator[World]:
    """Build the three databases for one seed; they are dropped at the end."""
    tag = f"fuzz_{seed}"
    with (
        server.database(f"{tag}_left") as left,
        server.database(f"{tag}_right") as right,
        server.database(f"{tag}_reference") as reference,
    ):
        _fill(left, seed, hidden_seed=seed * 2 + 1)
        _fill(right, seed, hidden_seed=seed * 2 + 2)
        _fill_reference(left, reference)
        source = asyncio.run(_introspect(left))
        visible = {
            key: [
                VisibleColumn(column.name, _MASKS.get((key.name, column.name), (None,))[0])
                for column in relation.columns
            ]
            for key, relation in source.relations.items()
            if key.name in _FILTERS
        }
        catalog = class_catalog([source], visible)
        yield World(left, right, reference, catalog, source, is_dear=seed % 2 == 1)


async def _introspect(dsn: str) -> SourceCatalog:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        return await introspect.introspect(connection, "main")
    finally:
        await connection.close()


def _fill(dsn: str, seed: int, hidden_seed: int) -> None:
    shown, hidden = random.Random(seed), random.Random(hidden_seed)
    with psycopg.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        for tenant in VISIBLE_TENANTS:
            cursor.execute("INSERT INTO shop.members VALUES (%s, %s)", (SUBJECT, tenant))
        cursor.execute("INSERT INTO shop.members VALUES ('bob', 't4'), ('bob', 't5')")
        tenants = [shown.choice(TENANTS) for _ in range(ROWS)]
        with cursor.copy("COPY shop.orders FROM STDIN") as copy:
            for number, tenant in enumerate(tenants, 1):
                copy.write_row(_order(number, tenant, shown, hidden, f"x{hidden_seed % 2}"))
        with cursor.copy("COPY shop.items FROM STDIN") as copy:
            for number in range(1, ROWS * 2 + 1):
                order = shown.randint(1, ROWS)
                copy.write_row(_item(number, order, tenants[order - 1], shown, hidden))
        with cursor.copy("COPY shop.people FROM STDIN") as copy:
            for number in range(1, 61):
                copy.write_row(_person(number, shown, hidden))
        cursor.execute("ANALYZE")  # the planner tries operators on statistics


def _order(
    number: int, tenant: str, shown: random.Random, hidden: random.Random, common: str
) -> tuple[object, ...]:
    is_visible = tenant in VISIBLE_TENANTS
    values = _order_values(shown)
    poison = _order_values(hidden, poison=common)
    row = values if is_visible else poison
    secret = f"k{shown.randint(0, 9)}"
    if is_visible and tenant == CLAIMS["home"]:
        secret += f"-{shown.randint(100, 999)}"
    else:
        secret += f"-{hidden.randint(100, 999)}"
    return (number, tenant, *row[:4], secret, *row[4:])


def _order_values(source: random.Random, *, poison: str = "") -> tuple[object, ...]:
    """`poison`: what many hidden rows of this database share, so that its statistics name it."""
    zero = bool(poison) and source.random() < 0.7
    note = f"S-{source.randint(0, 99)}" if zero else str(source.randint(0, 40))
    document = f'{{"a": {source.randint(0, 9)}, "b": "{source.randint(0, 9)}"}}'
    return (
        source.choice([None, *range(1, 30)]),
        0 if zero else source.randint(1, 500),
        0 if zero else source.randint(1, 9),
        note,
        f"2024-0{source.randint(1, 9)}-1{source.randint(0, 9)} 10:00:00+00",
        f"2024-0{source.randint(1, 9)}-0{source.randint(1, 9)}",
        None if zero else [str(source.randint(0, 5)) for _ in range(source.randint(1, 3))],
        f'{{"a": "{poison}", "b": null}}' if zero else document,
        source.choice([True, False, None]),
        source.choice(["sad", "ok", "happy"]),
        0.0 if zero else source.randint(1, 100) / 4,
        f"00000000-0000-0000-0000-{source.randint(0, 999):012d}",
    )


def _item(
    number: int, order: int, tenant: str, shown: random.Random, hidden: random.Random
) -> tuple[object, ...]:
    is_visible = tenant in VISIBLE_ITEM_TENANTS
    one = (
        f"s{shown.randint(0, 9)}",
        shown.randint(1, 90),
        str(shown.randint(0, 50)),
        shown.randint(1, 9),
    )
    poison = (f"z{hidden.randint(0, 9)}", 0, f"x{hidden.randint(0, 50)}", 0)
    return (number, order, *(one if is_visible else poison))


def _person(number: int, shown: random.Random, hidden: random.Random) -> tuple[object, ...]:
    region = shown.choice(["emea", "apac", "amer"])
    manager = shown.choice([None, *range(1, number)])
    name = f"p{shown.randint(0, 30)}" if region == "emea" else f"q{hidden.randint(0, 30)}"
    manager = manager if region == "emea" else hidden.choice([None, *range(1, number)])
    born = f"19{60 + shown.randint(0, 39)}-01-02"
    hidden_born = f"19{60 + hidden.randint(0, 39)}-03-04"
    return (
        number,
        manager,
        name,
        hidden.randint(0, 9),
        region,
        born if region == "emea" else hidden_born,
    )


def _fill_reference(left: str, reference: str) -> None:
    tenants = "', '".join(VISIBLE_TENANTS)
    item_tenants = "', '".join(VISIBLE_ITEM_TENANTS)
    secret = "CASE WHEN tenant = 't1' THEN secret ELSE left(secret, 2) || '***' END"
    queries = {
        "orders": (
            "SELECT id, tenant, customer_id, amount, qty, note, "
            f"{secret}, placed, day, tags, doc, flag, mood, ratio, uid"
            f" FROM shop.orders WHERE tenant IN ('{tenants}')"
        ),
        "items": (
            "SELECT * FROM shop.items WHERE order_id IN"
            f" (SELECT id FROM shop.orders WHERE tenant IN ('{item_tenants}'))"
        ),
        "people": (
            "SELECT id, manager_id, name, NULL::int, region, born FROM shop.people"
            " WHERE region = 'emea'"
        ),
    }
    with (
        psycopg.connect(left, autocommit=True) as origin,
        psycopg.connect(reference, autocommit=True) as target,
        origin.cursor() as reader,
        target.cursor() as writer,
    ):
        writer.execute(SCHEMA)
        for table, query in queries.items():
            with (
                reader.copy(f"COPY ({query}) TO STDOUT") as source,
                writer.copy(f"COPY shop.{table} FROM STDIN") as sink,
            ):
                for block in source:
                    sink.write(block)
