"""A source and a gate before it that withholds nothing, both ready to be asked.

The policy is a real YAML file written from the source's own schema: every column of every relation,
one rule per relation that grants it to everyone.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import psycopg
import structlog
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.load import load as load_policy
from proxy.catalog.shadow import major_for, shadow_cluster
from proxy.runtime.config import load as load_configuration
from proxy.worker import Post, opened
from tests.servers.postgres import Server

SCHEMA = Path(__file__).with_name("schema.sql")
DATABASE = "corpus"
ROLE = "gate"
ROLE_PASSWORD = "gate password"
SEARCH_PATH = "public, trade, app"
ISSUER = "https://issuer.test"
AUDIENCE = "sallyport"

_COLUMNS = """
SELECT n.nspname || '.' || c.relname, a.attname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'trade', 'app') AND c.relkind IN ('r', 'p', 'v', 'm')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, a.attnum
"""


@dataclass(frozen=True, slots=True)
class Access:
    """How one end is reached: the arguments of libpq and of asyncpg alike."""

    port: int
    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    database: str = DATABASE


@dataclass(frozen=True, slots=True)
class Pair:
    """The source, reached as the gate's own role, and the gate."""

    direct: Access
    gate: Access


@contextmanager
def _quiet() -> Iterator[None]:
    """Thousands of decisions are logged otherwise; only errors are worth reading here."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)


@asynccontextmanager
async def serving(
    server: Server,
    schema: str | None = None,
    *,
    extensions: Sequence[Mapping[str, object]] = (),
    listen: Mapping[str, object] | None = None,
    claims: Mapping[str, object] | None = None,
) -> AsyncIterator[Pair]:
    """A filled database of `server` with a gate before it, in this process.

    `schema` is SQL that fills it, the corpus' own by default; `extensions` as the gate's
    configuration takes them; `listen` is merged into that part of it, `claims` into the reader's
    token.
    """
    with (
        _quiet(),
        tempfile.TemporaryDirectory(prefix="sallyport-fidelity-") as name,
        server.database(DATABASE) as dsn,
    ):
        directory = Path(name)
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute((schema or SCHEMA.read_text(encoding="utf-8")).encode())
            policy = _policy(owner)
        try:
            (directory / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
            token = _identity(directory, claims or {})
            (directory / "post").mkdir(mode=0o700)
            configuration = load_configuration(
                _configuration(directory, server, listen or {}, extensions)
            )
            major = major_for([server.major])
            async with shadow_cluster(directory / "shadow", major) as shadow:
                post = Post(0, shadow, directory / "post")
                async with opened(configuration, post, load_policy) as worker:
                    direct = Access(server.port, ROLE, ROLE_PASSWORD)
                    yield Pair(direct, Access(worker.port, "reader", token))
        finally:
            with server.connect() as owner:
                owner.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
                owner.execute(f"DROP ROLE IF EXISTS {ROLE}")


def _policy(owner: psycopg.Connection[tuple[object, ...]]) -> dict[str, object]:
    columns: dict[str, dict[str, dict[str, object]]] = defaultdict(dict)
    for relation, column in owner.execute(_COLUMNS).fetchall():
        columns[str(relation)][str(column)] = {}

    def table(names: dict[str, dict[str, object]]) -> dict[str, object]:
        return {"columns": names, "rules": [{"grant": "everything", "roles": "everyone"}]}

    return {
        "version": 1,
        "source": "main",
        "roles": {"reader": "Reads everything"},
        "tables": {name: table(found) for name, found in columns.items()},
    }


def _identity(directory: Path, claims: Mapping[str, object]) -> str:
    """Write the issuer's key set; returns a token of the one reader."""
    key = Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    known = {**public, "kid": "k1", "alg": "EdDSA", "use": "sig"}
    (directory / "jwks.json").write_text(json.dumps({"keys": [known]}))
    now = int(time.time())
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "reader", "roles": ["reader"]}
    times = {"iat": now, "exp": now + 3600}
    return jwt.encode({**payload, **times, **claims}, key, algorithm="EdDSA", headers={"kid": "k1"})


def _configuration(
    directory: Path,
    server: Server,
    listen: Mapping[str, object],
    extensions: Sequence[Mapping[str, object]],
) -> Path:
    (directory / "password").write_text(ROLE_PASSWORD)
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "jwks.json"}}
    source = {
        "name": "main",
        "kind": "postgres",
        "hosts": [f"{server.host}:{server.port}"],
        "database": DATABASE,
        "user": ROLE,
        "password": {"file": "password"},
        "tls": {"mode": "disable"},
    }
    content = {
        "listen": {"port": 0, "drain_seconds_max": 2, **listen},
        "identity": {"issuers": [issuer]},
        "policies": ["policy.yaml"],
        "sources": [source],
        "audit": {"directory": "audit", "mode": "fast"},
        "extensions": [dict(one) for one in extensions],
    }
    path = directory / "sallyport.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
