"""A workplace for commands: a real source, a policy, a configuration, and a way to run them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from proxy.cli import main
from tests.servers import postgres

DATABASE = "workplace"
GATE_PASSWORD = "what the gate says"

SCHEMA = f"""
CREATE SCHEMA shop;
CREATE TABLE shop.orders (
  id bigint PRIMARY KEY, region text NOT NULL, amount numeric(12,2), email text, note text);
INSERT INTO shop.orders VALUES (1, 'emea', 10, 'a@b.example', 'x'), (2, 'amer', 20, NULL, 'y');
CREATE TABLE shop.people (id int PRIMARY KEY, "firstName" text, birth_date date, salary numeric);
CREATE TABLE shop.credentials (password text, token text);
CREATE TABLE shop.sales (day date, total int) PARTITION BY RANGE (day);
CREATE TABLE shop.sales_2026 PARTITION OF shop.sales FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY;
DO $$ BEGIN CREATE ROLE shop_gate LOGIN PASSWORD '{GATE_PASSWORD}';
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE POLICY everything ON shop.orders FOR SELECT TO shop_gate USING (region <> 'hidden'
  OR id = 0);
CREATE POLICY small ON shop.orders AS RESTRICTIVE FOR ALL TO PUBLIC USING (amount < 1000);
GRANT USAGE ON SCHEMA shop TO shop_gate;
GRANT SELECT ON shop.orders, shop.sales TO shop_gate;
GRANT SELECT (id, salary) ON shop.people TO PUBLIC;
"""

POLICY = """\
version: 1
source: shop
roles: {analyst: Reads figures, nobody: Reads nothing}
claims:
  region: {type: text, pointer: /region}
tables:
  shop.orders:
    columns:
      id: visible
      region: visible
      amount: visible
      email: {mask: email}
      note: absent
    rules:
      - grant: own region
        roles: [analyst]
        where: region = claim('region')
cases:
  - case: an analyst sees the own region
    table: shop.orders
    as: {roles: [analyst], claims: {region: emea}}
    expect: {filter: region = claim('region'), absent: [note]}
"""


@dataclass
class Workplace:
    """A folder with `sallyport.yaml` and `policy.yaml`, and the server behind them."""

    directory: Path
    server: postgres.Server

    @property
    def configuration(self) -> Path:
        return self.directory / "sallyport.yaml"

    @property
    def policy(self) -> Path:
        return self.directory / "policy.yaml"

    @property
    def dsn(self) -> str:
        return self.server.dsn_of(DATABASE)

    def configure(self, *, state: dict[str, object] | None = None, **source: object) -> None:
        """Write the configuration; `source` replaces settings of the only source."""
        content: dict[str, Any] = {
            "listen": {"port": 0, "workers": 1, "drain_seconds_max": 1},
            "identity": {
                "issuers": [
                    {
                        "issuer": "https://issuer.test",
                        "audience": "sallyport",
                        "jwks": {"file": "jwks.json"},
                    }
                ]
            },
            "policies": ["policy.yaml"],
            "sources": [
                {
                    "name": "shop",
                    "kind": "postgres",
                    "hosts": [f"{self.server.host}:{self.server.port}"],
                    "database": DATABASE,
                    "user": "shop_gate",
                    "password": {"file": "password"},
                    "tls": {"certificate_authority": str(self.server.root_certificate)},
                    **source,
                }
            ],
            "audit": {"directory": "audit", "mode": "fast"},
            "state": state,
        }
        self.configuration.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="session")
def shop(postgres_server: postgres.Server) -> Iterator[postgres.Server]:
    with postgres_server.database(DATABASE) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        yield postgres_server


@pytest.fixture
def workplace(shop: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """The folder is the current one, as it is for whoever types commands."""
    place = Workplace(tmp_path, shop)
    place.configure()
    place.policy.write_text(POLICY)
    (tmp_path / "password").write_text(GATE_PASSWORD)
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    (tmp_path / "audit").mkdir()
    monkeypatch.chdir(tmp_path)
    return place


@pytest.fixture
def kept(workplace: Workplace, tmp_path: Path) -> Iterator[Workplace]:
    """The workplace with a state database of its own."""
    server = workplace.server
    (tmp_path / "state-password").write_text(server.password)
    name = f"state_{secrets.token_hex(4)}"
    with server.database(name):
        dsn = (
            f"postgresql://{server.user}@{server.host}:{server.port}/{name}"
            f"?sslmode=verify-full&sslrootcert={server.root_certificate}"
        )
        workplace.configure(state={"dsn": dsn, "password": {"file": "state-password"}})
        yield workplace


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """A token's payload as a file."""
    file = tmp_path / "alice.json"
    file.write_text(json.dumps({"sub": "alice", "roles": ["analyst"], "region": "emea", "exp": 1}))
    return file


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output as JSON, an object per line."""
        return [json.loads(line) for line in self.lines]


Run = Callable[..., Ending]


@pytest.fixture
def sallyport(capsys: pytest.CaptureFixture[str]) -> Run:
    """`sallyport("check", "--json")` as if typed; wrong usage ends with its code as well."""

    def run(*arguments: str | Path) -> Ending:
        capsys.readouterr()
        typed: Sequence[str] = [str(argument) for argument in arguments]
        try:
            code = main(typed)
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return Ending(code, told.out, told.err)

    return run
