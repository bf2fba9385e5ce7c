"""A gate over a folder of files and a Postgres, and one Postgres that holds what a person may see.

The folder (source `web`) has events as two Parquet files, visits as CSV, notes as lines of JSON and
sheets of targets; customers are in Postgres (source `crm`). What `alice` is answered through the
gate must equal what the reference answers anybody: it holds the rows that she may see, masked.
"""

from __future__ import annotations

import datetime
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path

import asyncpg
import jwt
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.load import load as load_policy
from proxy.catalog.shadow import shadow_cluster
from proxy.federation.engine import merge_cluster
from proxy.runtime.config import load
from proxy.worker import Post, Worker, opened
from tests.servers.postgres import Server

ISSUER, AUDIENCE = "https://issuer.test", "sallyport"
GATE_PASSWORD = "gate password"

CRM = """
CREATE SCHEMA crm;
CREATE TABLE crm.customers (id int PRIMARY KEY, name text NOT NULL, country text, credit numeric(12,2));
INSERT INTO crm.customers SELECT i, 'Customer ' || i,
  CASE WHEN i % 11 = 0 THEN NULL ELSE (ARRAY['de','fr','it','us'])[i % 4 + 1] END, i * 7.25
  FROM generate_series(1, 200) i;
"""
DATABASE = "files_crm"  # beside the one of `stage`, on the same server
ROLE = "GRANT USAGE ON SCHEMA crm TO gate; GRANT SELECT ON ALL TABLES IN SCHEMA crm TO gate;"

WEB = """
CREATE SCHEMA web;
CREATE TABLE web.events (id bigint, customer int, country text, amount numeric(10,2), score float8,
  is_new boolean, day date, at timestamp, seen timestamptz, mail text, raw bytea, small smallint);
CREATE TABLE web.visits (id bigint, customer bigint, page text, seconds numeric, day date);
"""
# What alice may not see of it, and how she sees the rest.
REDUCED = """
DELETE FROM web.events WHERE country IS NULL OR country NOT IN ('de', 'fr');
UPDATE web.events SET mail = '[hidden]';
DELETE FROM web.visits WHERE (length(page) > 2) IS NOT TRUE;
"""

POLICY = """
version: 1
roles: {analyst: reads some countries, auditor: reads everything}
claims:
  countries: {type: "text[]", pointer: /countries}
masks:
  hidden: {constant: {type: text, value: "[hidden]"}}
tables:
  crm.crm.customers:
    columns: {id: {}, name: {}, country: {}, credit: {}}
    rules: [{grant: all, roles: [analyst, auditor]}]
  web.web.events:
    columns: {id: {}, customer: {}, country: {}, amount: {}, score: {}, is_new: {}, day: {}, at: {},
      seen: {}, mail: {mask: hidden}, raw: {}, small: {}}
    rules:
      - {grant: theirs, roles: [analyst], where: "country = ANY(claim('countries'))"}
      - {grant: every, roles: [auditor], unmask: [mail]}
  web.web.visits:
    columns: {id: {}, customer: {}, page: {}, seconds: {}, day: {}}
    rules:
      - {grant: long, roles: [analyst], where: "length(page) > 2"}
      - {grant: every, roles: [auditor]}
"""

Row = tuple[object, ...]
EVENT_COLUMNS = (
    ("id", pa.int64()), ("customer", pa.int32()), ("country", pa.string()),
    ("amount", pa.decimal128(10, 2)), ("score", pa.float64()), ("is_new", pa.bool_()),
    ("day", pa.date32()), ("at", pa.timestamp("us")), ("seen", pa.timestamp("us", tz="UTC")),
    ("mail", pa.string()), ("raw", pa.binary()), ("small", pa.int16()),
)  # fmt: skip


def events(first: int, count: int) -> list[Row]:
    """Rows of events with NULLs, NaN, infinities of numbers, quotes and line ends."""
    start = datetime.datetime(2026, 1, 1, 12, 30)
    scores = (float("nan"), float("inf"), -0.0, 1e-7, None)
    return [
        (
            i,
            i % 250 if i % 13 else None,
            ("de", "fr", "it", "us", None)[i % 5],
            Decimal(i % 997) / 100 if i % 17 else None,
            scores[i % 50] if i % 50 < 5 else i / 3,
            None if i % 7 == 0 else i % 2 == 0,
            (start + datetime.timedelta(days=i % 400)).date(),
            start + datetime.timedelta(minutes=i, microseconds=i),
            (start + datetime.timedelta(hours=i)).replace(tzinfo=datetime.UTC),
            f"u{i}@x.test" if i % 9 else 'it\'s "quoted",\nand\tlong \\',
            bytes([i % 256, 0, 255]) if i % 6 else b"",
            i % 300 - 150,
        )
        for i in range(first, first + count)
    ]


VISITS: tuple[Row, ...] = tuple(
    (
        i,
        i % 210,
        ("home", "a", 'say "hi", you', "", None, "été")[i % 6],
        Decimal(i) / 8 if i % 10 else None,
        datetime.date(2026, 1, 1) + datetime.timedelta(days=i % 60) if i % 4 else None,
    )
    for i in range(800)
)


def write_events(path: Path, rows: list[Row]) -> None:
    """One Parquet file of events."""
    columns = {
        name: pa.array([row[place] for row in rows], kind)
        for place, (name, kind) in enumerate(EVENT_COLUMNS)
    }
    pq.write_table(pa.table(columns), path, row_group_size=500)


def write_csv(path: Path, names: str, rows: tuple[Row, ...]) -> None:
    """A CSV file; None is nothing between commas, an empty text is quoted."""

    def cell(value: object) -> str:
        if value is None:
            return ""
        text = str(value)
        return '"' + text.replace('"', '""') + '"' if isinstance(value, str) else text

    lines = [names, *(",".join(map(cell, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


@dataclass
class FilesStage:
    """`folder` holds the files; `reference` is the database of what alice sees."""

    worker: Worker
    reference: str
    folder: Path
    directory: Path
    _key: Ed25519PrivateKey = field(repr=False)

    def dsn(self, name: str = "alice", *, role: str = "analyst", **options: str) -> str:
        """A libpq connection string of the gate."""
        now = int(time.time())
        payload = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": name, "iat": now, "exp": now + 3600,
            "roles": [role], "countries": ["de", "fr"],
        }  # fmt: skip
        token = jwt.encode(payload, self._key, algorithm="EdDSA", headers={"kid": "k1"})
        given = {
            "host": "127.0.0.1", "port": str(self.worker.port), "user": name, "dbname": DATABASE,
            "password": token, "sslmode": "disable", "gssencmode": "disable", **options,
        }  # fmt: skip
        return " ".join(f"{key}='{value}'" for key, value in given.items())


@asynccontextmanager
async def files_staged(server: Server) -> AsyncIterator[FilesStage]:
    """The gate in this process, over a folder and a database of a running server."""
    with (
        tempfile.TemporaryDirectory(prefix="sallyport-files-stage-") as name,
        server.database(DATABASE) as crm,
        server.database("files_reference") as reference,
    ):
        directory = Path(name)
        folder = directory / "files"
        (directory / "post").mkdir(mode=0o700)
        (folder / "events").mkdir(parents=True)
        write_events(folder / "events/1.parquet", events(0, 1_500))
        write_events(folder / "events/2.parquet", events(1_500, 500))
        write_csv(folder / "visits.csv", "id,customer,page,seconds,day", VISITS)
        await _fill(crm, CRM, ROLE)
        await _fill_reference(reference)
        key = Ed25519PrivateKey.generate()
        configuration = _write(directory, key, server)
        async with (
            shadow_cluster(directory / "shadow") as shadow,
            merge_cluster(directory / "merge", 1 << 30) as merge,
            opened(
                load(configuration),
                Post(0, shadow, directory / "post", merge=merge),
                partial(load_policy),
            ) as worker,
        ):
            yield FilesStage(worker, reference, folder, directory, key)


async def _fill(dsn: str, script: str, role: str) -> None:
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(script)
        if not await admin.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = 'gate'"):
            await admin.execute(f"CREATE ROLE gate LOGIN PASSWORD '{GATE_PASSWORD}'")
        await admin.execute(role)
    finally:
        await admin.close()


async def _fill_reference(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(CRM + WEB)
        rows = events(0, 2_000)
        await admin.copy_records_to_table("events", schema_name="web", records=rows)
        await admin.copy_records_to_table("visits", schema_name="web", records=VISITS)
        await admin.execute(REDUCED)
    finally:
        await admin.close()


def _write(directory: Path, key: Ed25519PrivateKey, server: Server) -> Path:
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = {"keys": [{**jwk, "kid": "k1", "alg": "EdDSA", "use": "sig"}]}
    (directory / "jwks.json").write_text(json.dumps(keys))
    (directory / "policy.yaml").write_text(POLICY)
    (directory / "password").write_text(GATE_PASSWORD)
    content = {
        "listen": {"port": 0, "drain_seconds_max": 2},
        "identity": {
            "issuers": [{"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "jwks.json"}}]
        },
        "policies": ["policy.yaml"],
        "sources": [
            {
                "name": "crm", "kind": "postgres", "hosts": [f"{server.host}:{server.port}"],
                "database": DATABASE, "user": "gate", "password": {"file": "password"},
                "tls": {"mode": "disable"},
            },
            {
                "name": "web", "kind": "files", "folder": "files",
                "readers": {"count_max": 2, "waiting_ms_max": 60_000, "threads": 1},
            },
        ],
        "audit": {"directory": "audit", "mode": "fast"},
    }  # fmt: skip
    path = directory / "sallyport.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
