"""A whole gate for live tests: a source, a shadow, a policy, tokens, and a port to connect to.

The source is an embedded Postgres with a small shop. `alice` (analyst) sees the orders of region
emea with masked notes; `bob` (auditor) sees all of them clear. Nobody sees `secrets`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.claims import ClaimType
from policies.decide import PolicySet
from policies.errors import Place, Problem
from policies.expression import TypedLiteral
from policies.identity import ClaimMapping, ClaimSource
from policies.mask import ConstantMask
from policies.model import RelationKey
from policies.predicate import Scope, parse_condition
from policies.rule import ColumnPolicy, Condition, Grant, TablePolicy
from proxy.catalog.shadow import shadow_cluster
from proxy.runtime.config import load
from proxy.runtime.embedded import Cluster
from proxy.runtime.state.cluster import running
from proxy.runtime.state.database import prepare
from proxy.worker import Post, Worker, opened

ISSUER = "https://issuer.test"
AUDIENCE = "sallyport"
DATABASE = "shop"
GATE_PASSWORD = "gate password"

SOURCE_MAJOR = 16
"""As the shadow: error texts differ a little between majors."""

POLICY = """
version: 1
source: main
roles: {analyst: reads a region, auditor: reads everything}
claims:
  regions: {type: "text[]", pointer: /regions}
masks:
  withheld: {constant: {type: text, value: "[withheld]"}}
tables:
  shop.orders:
    columns:
      id: {}
      region: {}
      amount: {}
      note: {mask: withheld}
      placed: {}
      tags: {}
      mood: {}
      hidden: {absent: true}
    rules:
      - grant: by-region
        roles: [analyst]
        columns: [id, region, amount, note, placed, tags, mood]
        where: region = ANY(claim('regions'))
      - grant: all
        roles: [auditor]
        columns: [id, region, amount, note, placed, tags, mood]
        unmask: [note]
  shop.items:
    columns: {id: {}, order_id: {}, sku: {}}
    rules:
      - grant: items
        roles: [analyst, auditor]
"""
"""The same policy as a file, for tests of the whole server."""

SCHEMA = """
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE shop.orders (
  id bigint PRIMARY KEY, region text NOT NULL, amount numeric(12,2), note text, placed timestamptz,
  tags text[], mood shop.mood, hidden text);
INSERT INTO shop.orders SELECT i, (ARRAY['emea','amer','apac'])[i % 3 + 1], i * 1.5, 'note ' || i,
  '2026-01-01'::timestamptz + i * interval '1 hour', ARRAY['a', 'b' || i],
  (ARRAY['sad','ok','happy'])[i % 3 + 1]::shop.mood, 'secret ' || i FROM generate_series(1, 3000) i;
CREATE TABLE shop.items (id bigint PRIMARY KEY, order_id bigint REFERENCES shop.orders, sku text);
INSERT INTO shop.items SELECT i, i % 3000 + 1, 'sku' || i FROM generate_series(1, 6000) i;
CREATE TABLE shop.secrets (id int PRIMARY KEY, note text);
INSERT INTO shop.secrets VALUES (1, 'hidden');
CREATE ROLE gate LOGIN PASSWORD 'gate password';
GRANT USAGE ON SCHEMA shop TO gate;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO gate;
CREATE ROLE reader LOGIN;
GRANT USAGE ON SCHEMA shop TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO reader;
"""


@dataclass
class Gate:
    """A serving gate. `tokens` are made by `token`; `source` is a superuser's connection string."""

    port: int
    started: Worker | None
    source: Cluster
    directory: Path
    policy: list[PolicySet]
    refuse_policy: Callable[[], None]
    _key: Ed25519PrivateKey = field(repr=False)

    @property
    def worker(self) -> Worker:
        """The worker, where it runs in this process."""
        assert self.started is not None
        return self.started

    def token(
        self,
        name: str = "alice",
        *,
        roles: tuple[str, ...] = ("analyst",),
        regions: tuple[str, ...] = ("emea",),
    ) -> str:
        """A good token for an hour."""
        return self.changed_token({"sub": name, "roles": list(roles), "regions": list(regions)})

    def changed_token(self, changes: dict[str, object]) -> str:
        """A signed token for alice whose payload has other or more members."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": now,
            "exp": now + 3600,
            "roles": ["analyst"],
            "regions": ["emea"],
            **changes,
        }
        return jwt.encode(payload, self._key, algorithm="EdDSA", headers={"kid": "k1"})

    def dsn(self, name: str = "alice", *, token: str | None = None, **options: str) -> str:
        """A libpq connection string."""
        password = self.token(name) if token is None else token
        given = {
            "host": "127.0.0.1",
            "port": str(self.port),
            "user": name,
            "dbname": DATABASE,
            "password": password,
            "sslmode": "disable",
            "gssencmode": "disable",
            **options,
        }
        return " ".join(f"{key}='{value}'" for key, value in given.items())


def policy_set(
    version: str = "v1", *, note_clear: bool = False, without_column: str = ""
) -> PolicySet:
    """The policy of the module's docstring, built by hand."""
    place = Place("test", 1)
    claims = {"regions": ClaimType.parse("text[]")}
    orders = RelationKey("main", "shop", "orders")
    listed = ("id", "region", "amount", "note", "placed", "tags", "mood")
    columns = tuple(name for name in listed if name != without_column)
    mask = ConstantMask("withheld", TypedLiteral("text", "[withheld]"))
    scope = Scope("main", claim_types=claims)
    region = "region = ANY(claim('regions'))"
    where = Condition(parse_condition(region, scope), region)
    items = RelationKey("main", "shop", "items")
    tables = {
        orders: TablePolicy(
            orders,
            place,
            {
                name: ColumnPolicy(name, place, mask if name == "note" and not note_clear else None)
                for name in columns
            },
            grants=(
                Grant(
                    "by-region", place, frozenset({"analyst"}), where, columns=frozenset(columns)
                ),
                Grant(
                    "all",
                    place,
                    frozenset({"auditor"}),
                    columns=frozenset(columns),
                    unmask=frozenset({"note"}),
                ),
            ),
        ),
        items: TablePolicy(
            items,
            place,
            {name: ColumnPolicy(name, place) for name in ("id", "order_id", "sku")},
            grants=(
                Grant(
                    "items",
                    place,
                    frozenset({"analyst", "auditor"}),
                    columns=frozenset({"id", "order_id", "sku"}),
                ),
            ),
        ),
    }
    mapping = ClaimMapping({"regions": ClaimSource(claims["regions"], "/regions")})
    return PolicySet(
        version=version, mapping=mapping, roles={"analyst": "", "auditor": ""}, tables=tables
    )


@dataclass
class Files:
    """What a gate is started from: its source runs, its configuration is written."""

    directory: Path
    configuration: Path
    source: Cluster
    key: Ed25519PrivateKey = field(repr=False)

    def gate(self, port: int) -> Gate:
        """A gate that another process serves."""
        return Gate(port, None, self.source, self.directory, [], lambda: None, self.key)


@asynccontextmanager
async def prepared(**settings: object) -> AsyncIterator[Files]:
    """A source, keys, a policy file and a configuration; `settings` are merged into the latter."""
    with tempfile.TemporaryDirectory(prefix="sallyport-live-") as name:
        directory = Path(name)
        (directory / "post").mkdir(mode=0o700)
        key = Ed25519PrivateKey.generate()
        _write_key_set(directory / "jwks.json", key)
        (directory / "policy.yaml").write_text(POLICY)
        (directory / "password").write_text(GATE_PASSWORD)
        # `reader` is for tests that compare the gate with the source itself.
        async with Cluster(
            directory / "source",
            major=SOURCE_MAJOR,
            durable=False,
            authentication=("local all reader trust",),
        ) as source:
            await _fill(source)
            yield Files(directory, _write_configuration(directory, source, settings), source, key)


@asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[Gate]:
    """A gate in this process, and its source; `settings` are merged into the configuration."""
    async with (
        prepared(**settings) as files,
        shadow_cluster(files.directory / "shadow") as shadow,
    ):
        policy = [policy_set()]
        gates: list[Gate] = []

        def load_policy(_: Sequence[Path]) -> tuple[PolicySet, tuple[Problem, ...]]:
            for gate in gates:
                gate.refuse_policy()
            return policy[0], ()

        configuration = load(files.configuration)
        post = Post(0, shadow, files.directory / "post")
        async with AsyncExitStack() as stack:
            if configuration.state is not None:
                place = await stack.enter_async_context(running(configuration.state))
                await prepare(place)
                post = replace(post, state=place)
            worker = await stack.enter_async_context(opened(configuration, post, load_policy))
            gate = files.gate(worker.port)
            gate.started, gate.policy = worker, policy
            gates.append(gate)
            yield gate


def _write_configuration(directory: Path, source: Cluster, settings: dict[str, object]) -> Path:
    path = directory / "sallyport.yaml"
    content = {
        "listen": {"port": 0, "drain_seconds_max": 2},
        "identity": {
            "issuers": [
                {
                    "issuer": ISSUER,
                    "audience": AUDIENCE,
                    "jwks": {"file": "jwks.json"},
                    "skew_seconds": 0,
                }
            ]
        },
        "policies": ["policy.yaml"],
        "sources": [
            {
                "name": "main",
                "kind": "postgres",
                "hosts": [str(source.socket_directory)],
                "database": DATABASE,
                "user": "gate",
                "password": {"file": "password"},
                "tls": {"mode": "disable"},
            }
        ],
        "audit": {"directory": "audit", "mode": "fast"},
        **settings,
    }
    path.write_text(yaml.safe_dump(content))
    return path


def _write_key_set(path: Path, key: Ed25519PrivateKey) -> None:
    import json

    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    path.write_text(json.dumps({"keys": [{**jwk, "kid": "k1", "alg": "EdDSA", "use": "sig"}]}))


async def _fill(source: Cluster) -> None:
    admin = await source.connect()
    try:
        await admin.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await admin.close()
    admin = await source.connect(DATABASE)
    try:
        await admin.execute(SCHEMA)
    finally:
        await admin.close()
