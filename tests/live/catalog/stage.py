"""A gate over the fixture company, and a real Postgres that holds what an all-seeing person sees.

`analyst` sees every column, `clerk` two columns of one table, `stranger` nothing.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.load import load as load_policy
from proxy.catalog.shadow import MAJOR_OLD, shadow_cluster
from proxy.runtime.config import load as load_configuration
from proxy.runtime.embedded import Cluster
from proxy.worker import Post, Worker, opened
from tests.live.wire import RawClient
from tests.proxy.catalog.conftest import DATABASE, FIXTURE

ISSUER = "https://issuer.test"
AUDIENCE = "sallyport"
GATE_PASSWORD = "gate password"
VISIBLE = Path(__file__).with_name("visible.sql").read_text()

ROLES = {"analyst": "Sees everything", "clerk": "Sees names", "stranger": "Sees nothing"}
CLERK_SEES = {"public.customers": ["id", "name"]}

_COLUMNS = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE n.nspname !~ '^(pg_|information_schema)' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, a.attnum
"""


@dataclass
class Stage:
    """A serving gate, its source, and the policy that it reads; `shadow` is its cluster."""

    port: int
    worker: Worker
    source: Cluster
    shadow: Cluster
    directory: Path
    policy: dict[str, object]
    _key: Ed25519PrivateKey = field(repr=False)

    def token(self, role: str) -> str:
        """A good token for an hour, for a principal named as its role."""
        now = int(time.time())
        payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": role, "roles": [role]}
        times = {"iat": now, "exp": now + 3600}
        return jwt.encode({**payload, **times}, self._key, "EdDSA", headers={"kid": "k1"})

    async def client(self, role: str) -> RawClient:
        """A raw connection of that principal."""
        startup = {"user": role, "database": DATABASE, "client_encoding": "UTF8"}
        return await RawClient.open(("127.0.0.1", self.port), startup, self.token(role))

    def dsn(self, role: str) -> str:
        """A libpq connection string."""
        return (
            f"host=127.0.0.1 port={self.port} user={role} dbname={DATABASE}"
            f" password={self.token(role)} sslmode=disable gssencmode=disable"
        )

    async def change(self, sql: str) -> None:
        """Run SQL as the owner of the source, and let the gate read the schema again."""
        await _execute(self.source, sql)
        await self.worker.upkeep.reload_catalogs()

    async def adopt(self, policy: dict[str, object]) -> None:
        """Put a policy into force. It must load."""
        self.policy = policy
        (self.directory / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
        assert await self.worker.upkeep.reload_policy()


def policy_for(
    visible: Mapping[str, Mapping[str, Iterable[str]]], tables: Iterable[str] = ()
) -> dict[str, object]:
    """A policy that shows each role these columns of these tables."""
    columns: dict[str, dict[str, dict[str, object]]] = {name: {} for name in tables}
    rules: dict[str, list[object]] = {name: [] for name in tables}
    for role, seen in visible.items():
        for table, names in seen.items():
            columns.setdefault(table, {}).update({name: {} for name in names})
            rule = {"grant": f"for {role}", "roles": [role], "columns": list(names)}
            rules.setdefault(table, []).append(rule)
    return {
        "version": 1,
        "source": "main",
        "roles": {role: ROLES.get(role, role) for role in {*visible, *ROLES}},
        "tables": {
            name: {"columns": listed, "rules": rules[name]}
            for name, listed in columns.items()
            if rules[name]
        },
    }


async def all_columns(source: Cluster) -> dict[str, list[str]]:
    """Every column of every relation of the source, by `schema.relation` as a policy quotes it."""
    connection = await source.connect(DATABASE)
    try:
        found: dict[str, list[str]] = {}
        for relation, column in await connection.fetch(_COLUMNS):
            found.setdefault(relation, []).append(column)
        return found
    finally:
        await connection.close()


@asynccontextmanager
async def serving(schema: str, major: int = MAJOR_OLD) -> AsyncIterator[Stage]:
    """A gate in this process over a source with `schema`; analyst sees all, clerk a little. Source
    and catalog server are of one major version."""
    with tempfile.TemporaryDirectory(prefix="sallyport-catalog-") as name:
        directory = Path(name)
        (directory / "post").mkdir(mode=0o700)
        key = Ed25519PrivateKey.generate()
        async with (
            Cluster(directory / "source", major=major, durable=False) as source,
            shadow_cluster(directory / "shadow", major) as shadow,
        ):
            await _fill(source, schema)
            everything = await all_columns(source)
            few = {table: names for table, names in CLERK_SEES.items() if table in everything}
            policy = policy_for({"analyst": everything, "clerk": few})
            (directory / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
            configuration = load_configuration(_configuration(directory, source, key))
            post = Post(0, shadow, directory / "post")
            async with opened(configuration, post, load_policy) as worker:
                yield Stage(worker.port, worker, source, shadow, directory, policy, key)


@asynccontextmanager
async def reference(major: int = MAJOR_OLD) -> AsyncIterator[Cluster]:
    """A stock Postgres with the visible schema; `analyst` is an ordinary role of it."""
    with tempfile.TemporaryDirectory(prefix="sallyport-catalog-") as name:
        trust = (f"local {DATABASE} analyst trust",)
        async with Cluster(
            Path(name) / "reference", major=major, durable=False, authentication=trust
        ) as real:
            await _execute(real, f"CREATE DATABASE {DATABASE}", "postgres")
            await _execute(real, "CREATE ROLE analyst LOGIN")
            await _execute(real, VISIBLE)
            for schema in ("public", "hr", "sales"):
                await _execute(
                    real,
                    f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC;"
                    f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO PUBLIC",
                )
            yield real


async def _execute(cluster: Cluster, sql: str, database: str = DATABASE) -> None:
    connection = await cluster.connect(database)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _fill(source: Cluster, schema: str) -> None:
    await _execute(source, f"CREATE DATABASE {DATABASE}", "postgres")
    await _execute(source, schema)
    await _execute(
        source,
        f"""
        CREATE ROLE gate LOGIN PASSWORD '{GATE_PASSWORD}';
        DO $$ DECLARE name text; BEGIN
          FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information)' LOOP
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO gate', name);
            EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO gate', name);
            EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO gate',
                           name);
          END LOOP; END $$
        """,
    )


def _configuration(directory: Path, source: Cluster, key: Ed25519PrivateKey) -> Path:
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    known = {**public, "kid": "k1", "alg": "EdDSA", "use": "sig"}
    (directory / "jwks.json").write_text(json.dumps({"keys": [known]}))
    (directory / "password").write_text(GATE_PASSWORD)
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "jwks.json"}}
    described = {
        "name": "main",
        "kind": "postgres",
        "hosts": [str(source.socket_directory)],
        "database": DATABASE,
        "user": "gate",
        "password": {"file": "password"},
        "tls": {"mode": "disable"},
    }
    content = {
        "listen": {"port": 0, "drain_seconds_max": 2},
        "identity": {"issuers": [issuer]},
        "policies": ["policy.yaml"],
        "sources": [described],
        "audit": {"directory": "audit", "mode": "fast"},
    }
    path = directory / "sallyport.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


MARK = "zq"  # begins every name and text below, and nothing else

HIDDEN = """
COMMENT ON SCHEMA hr IS 'zqschemacomment';
CREATE SCHEMA zqschema;
CREATE TYPE public.zqmood AS ENUM ('zqsad', 'zqok');
CREATE TYPE zqschema.zqpair AS (zqleft int, zqright text);
CREATE DOMAIN public.zqmail AS text CONSTRAINT zqdomaincheck CHECK (VALUE ~ 'zqpattern');
CREATE TABLE zqschema.zqtable (zqid serial PRIMARY KEY, zqmood public.zqmood DEFAULT 'zqok',
    zqpair zqschema.zqpair, zqmail public.zqmail DEFAULT 'zqdefault',
    zqcustomer int CONSTRAINT zqforeign REFERENCES public.customers (id),
    zqtotal numeric GENERATED ALWAYS AS (1.25) STORED, CONSTRAINT zqcheck CHECK (zqid <> 4711));
COMMENT ON TABLE zqschema.zqtable IS 'zqtablecomment';
COMMENT ON COLUMN zqschema.zqtable.zqmail IS 'zqcolumncomment';
CREATE VIEW public.zqview AS SELECT zqid, zqmail, 'zqbody' AS zqtext FROM zqschema.zqtable;
CREATE MATERIALIZED VIEW public.zqmaterial AS SELECT 'zqbody2' AS zqtext;
CREATE SEQUENCE public.zqsequence;
CREATE FUNCTION public.zqfunction(zqargument int) RETURNS int LANGUAGE sql AS 'SELECT 4711 AS zq';
ALTER TABLE public.customers ADD COLUMN zqcolumn text DEFAULT 'zqdefault2',
    ADD CONSTRAINT zqunique UNIQUE (zqcolumn), ADD CONSTRAINT zqcheck2 CHECK (name <> 'zqvalue'),
    ALTER COLUMN name SET DEFAULT 'zqdefault3';
COMMENT ON COLUMN public.customers.zqcolumn IS 'zqcolumncomment2';
COMMENT ON CONSTRAINT zqcheck2 ON public.customers IS 'zqconstraintcomment';
CREATE INDEX zqindex ON public.customers (name, zqcolumn);
COMMENT ON INDEX public.zqindex IS 'zqindexcomment';
CREATE FUNCTION public.zqtriggered() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER zqtrigger BEFORE UPDATE ON public.customers FOR EACH ROW
    EXECUTE FUNCTION public.zqtriggered();
CREATE POLICY zqpolicy ON public.customers USING (name <> 'zqpolicytext');
CREATE STATISTICS public.zqstatistics ON id, name FROM public.customers;
CREATE PUBLICATION zqpublication FOR TABLE public.customers;
CREATE ROLE zqrole; GRANT SELECT ON public.customers TO zqrole; COMMENT ON ROLE zqrole IS 'zqr';
ALTER TABLE public.customers DROP COLUMN tags;
"""
"""Something of every kind, beside and on what the clerk sees; each bears the mark."""

CLERKS_PART = """
CREATE TABLE public.customers (id integer NOT NULL, name varchar(80) NOT NULL, PRIMARY KEY (id));
COMMENT ON TABLE public.customers IS 'All customers';
"""
"""A source that holds nothing but what the clerk sees of the company."""

COMPANY = FIXTURE + "ALTER TABLE public.customers ADD COLUMN home addr;"
