"""Two gates with one policy, before the two databases of a `world` that differ in what is hidden.

Where the tables are to be spread over several sources, each source is the same database, and shows
some of its tables only: the gate cannot tell, and takes statements apart. They run in this process, each with its shadow and its audit log, so a conversation with either goes
through everything that a client's would: wire, shadow, guard, cache, pool, relay.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import psycopg
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.load import load as load_policy
from proxy.catalog.shadow import major_for, shadow_cluster
from proxy.federation.engine import merge_cluster
from proxy.runtime.config import load as load_configuration
from proxy.worker import Post, opened
from tests.fuzz.fixture import CLAIMS, SUBJECT, World
from tests.servers.postgres import Server

ROLE, PASSWORD = "fuzz_gate", "fuzz password"
ISSUER, AUDIENCE = "https://issuer.test", "sallyport"
STATEMENT_MS_MAX = 3_000
TOKEN_SECONDS = 6 * 3600
PLACES: dict[int, dict[str, str]] = {
    1: {"orders": "main", "items": "main", "people": "main"},
    2: {"orders": "main", "items": "other", "people": "other"},
    3: {"orders": "main", "items": "other", "people": "third"},
}
"""The source of each table, by the number of sources."""

MERGE_SPILL_BYTES_MAX = 1 << 30
_PLANNER = ("enable_hashjoin", "enable_mergejoin", "enable_nestloop", "enable_seqscan", "enable_sort",
            "enable_material", "enable_hashagg", "enable_memoize")  # fmt: skip
_ALWAYS_PARALLEL = ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size")

# The rows and values that `fixture` shows, as an operator would write it.
POLICY = """
version: 1
roles: {reader: what the fixture shows}
claims:
  sub: {type: text, pointer: /sub}
  home: {type: text, pointer: /home}
  tenants: {type: "text[]", pointer: /tenants}
  regions: {type: "text[]", pointer: /regions}
lookups:
  shop.members: [u, tenant]
  shop.orders: [id, tenant]
masks:
  start: {partial: {first: 2, hidden_min: 1, fill: "***"}}
tables:
  shop.orders:
    columns:
      id: visible
      tenant: visible
      customer_id: visible
      amount: visible
      qty: visible
      note: visible
      secret: {mask: start}
      placed: visible
      day: visible
      tags: visible
      doc: visible
      flag: visible
      mood: visible
      ratio: visible
      uid: visible
    rules:
      - grant: member
        roles: [reader]
        where: tenant IN (SELECT tenant FROM shop.members WHERE u = claim('sub'))
      - grant: home
        roles: [reader]
        where: tenant = claim('home')
        unmask: [secret]
  shop.items:
    columns: {id: visible, order_id: visible, sku: visible, price: visible, code: visible, qty: visible}
    rules:
      - grant: tenants
        roles: [reader]
        where: order_id IN (SELECT id FROM shop.orders WHERE tenant = ANY(claim('tenants')))
  shop.people:
    columns: {id: visible, manager_id: visible, name: visible, salary: {mask: null}, region: visible, born: visible}
    rules:
      - grant: region
        roles: [reader]
        where: region = ANY(claim('regions'))
"""


@dataclass(frozen=True)
class Gates:
    """Ports of the gates before the left and the right database, and who may log in there."""

    left: int
    right: int
    left_database: str
    right_database: str
    token: str = field(repr=False)
    user: str = SUBJECT
    source_count: int = 1

    def is_over_several(self, sql: str) -> bool:
        """Whether the statement names tables of more than one source."""
        places = PLACES[self.source_count]
        return len({places[name] for name in places if re.search(rf"\b{name}\b", sql)}) > 1


@contextmanager
def _role(server: Server, world: World, planner: random.Random) -> Iterator[None]:
    """The login role of both gates. Its planner is bent the same way on both sides: a leak shows in
    some plan only."""
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        for name in _PLANNER:
            if planner.random() < 0.2:
                connection.execute(f"ALTER ROLE {ROLE} SET {name} = off")
        if planner.random() < 0.3:
            for name in _ALWAYS_PARALLEL:
                connection.execute(f"ALTER ROLE {ROLE} SET {name} = 0")
    for dsn in (world.left, world.right):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"GRANT USAGE ON SCHEMA shop TO {ROLE}")
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA shop TO {ROLE}")
    try:
        yield
    finally:
        for dsn in (world.left, world.right):
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"DROP OWNED BY {ROLE}")
        with server.connect() as connection:
            connection.execute(f"DROP ROLE {ROLE}")


@asynccontextmanager
async def twin_gates(
    server: Server, world: World, seed: int, source_count: int = 1
) -> AsyncIterator[Gates]:
    """Start both, with a planner drawn from `seed`; they drain at the end."""
    key = Ed25519PrivateKey.generate()
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sallyport-twin-")))
        stack.enter_context(_role(server, world, random.Random(seed)))
        ports, names = [], []
        major = major_for([server.major])
        for name, dsn in (("left", world.left), ("right", world.right)):
            folder = directory / name
            (folder / "post").mkdir(parents=True, mode=0o700)
            names.append(urlsplit(dsn).path[1:])
            path = _write(folder, server, names[-1], key, source_count)
            shadow = await stack.enter_async_context(shadow_cluster(folder / "shadow", major))
            merge = None
            if source_count > 1:
                cluster = merge_cluster(folder / "merge", MERGE_SPILL_BYTES_MAX, major=major)
                merge = await stack.enter_async_context(cluster)
            post = Post(0, shadow, folder / "post", merge=merge)
            worker = await stack.enter_async_context(
                opened(load_configuration(path), post, load_policy)
            )
            ports.append(worker.port)
        yield Gates(*ports, *names, _token(key), source_count=source_count)


def _policy(source_count: int) -> str:
    """POLICY with each table in its source, and lookups in every source."""
    policy = yaml.safe_load(POLICY)
    places = PLACES[source_count]
    policy["tables"] = {
        f"{places[name.removeprefix('shop.')]}.{name}": table
        for name, table in policy["tables"].items()
    }
    policy["lookups"] = {
        f"{source}.{name}": list(columns)
        for source in dict.fromkeys(places.values())
        for name, columns in policy["lookups"].items()
    }
    return yaml.safe_dump(policy, sort_keys=False)


def _write(
    folder: Path, server: Server, database: str, key: Ed25519PrivateKey, source_count: int
) -> Path:
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = {"keys": [{**jwk, "kid": "k1", "alg": "EdDSA", "use": "sig"}]}
    (folder / "jwks.json").write_text(json.dumps(keys))
    (folder / "policy.yaml").write_text(_policy(source_count))
    (folder / "password").write_text(PASSWORD)
    content = {
        "listen": {"port": 0, "drain_seconds_max": 1},
        "identity": {
            "issuers": [{"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "jwks.json"}}]
        },
        "policies": ["policy.yaml"],
        "sources": [
            {
                "name": name,
                "kind": "postgres",
                "hosts": [f"{server.host}:{server.port}"],
                "database": database,
                "user": ROLE,
                "password": {"file": "password"},
                "tls": {"certificate_authority": str(server.root_certificate)},
                "statement_ms_max": STATEMENT_MS_MAX,
            }
            for name in dict.fromkeys(PLACES[source_count].values())
        ],
        "audit": {"directory": "audit", "mode": "fast"},
        "limits": {
            "statement_ms_max": STATEMENT_MS_MAX
        },  # what several sources send is merged here
    }
    path = folder / "sallyport.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _token(key: Ed25519PrivateKey) -> str:
    now = int(time.time())
    claims = {
        name: list(value) if isinstance(value, tuple) else value for name, value in CLAIMS.items()
    }
    payload = {
        "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + TOKEN_SECONDS,
        "roles": ["reader"], **claims,
    }  # fmt: skip
    return jwt.encode(payload, key, algorithm="EdDSA", headers={"kid": "k1"})
