"""Everything that a measure needs, running: PostgreSQL 18 with the data, a gate, and PgBouncer.

The gate is the real one: worker processes behind a port, a YAML policy, the audit log on disk, a
source reached by TCP as the peers reach it. This file must not know what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from bench import company
from proxy import server
from tests.servers import pgbouncer, postgres
from tests.servers.install import ServerUnavailable

POSTGRES_MAJOR = 18
POSTGRES_SETTINGS = {
    "shared_buffers": "512MB",
    "max_connections": "200",
    # Compiling costs more than it gives at these sizes, and its threshold is a cliff.
    "jit": "off",
    "autovacuum": "off",
}
ISSUER = "https://bench.test"
AUDIENCE = "sallyport"
TOKEN_SECONDS = 24 * 3600
CLIENTS_MAX = 12_000


@dataclass(frozen=True)
class Stage:
    """Where to connect. `bouncer` is None when PgBouncer cannot be had; `bouncer_missing` says
    why. `strict` is the same stage with the gate whose audit log is strict."""

    upstream: postgres.Server
    gate_port: int
    bouncer: pgbouncer.Peer | None
    bouncer_missing: str
    audit_directory: Path
    start_seconds: float
    gate_processes: tuple[int, ...]
    _key: Ed25519PrivateKey = field(repr=False)
    strict: Stage | None = None

    def token(self, role: str) -> str:
        """A token for a member of `role`."""
        now = int(time.time())
        payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": company.LOGIN, "iat": now}
        payload |= {"exp": now + TOKEN_SECONDS, **company.claims(role)}
        return jwt.encode(payload, self._key, algorithm="EdDSA", headers={"kid": "bench"})

    def gate(self, role: str = "analyst") -> str:
        """A libpq connection string to the gate."""
        return _dsn(self.gate_port, company.LOGIN, self.token(role))

    def direct(self, role: str = "analyst") -> str:
        """A libpq connection string past the gate, as a role with native row-level security."""
        name = company.PEER_ROLE if role == "analyst" else company.PEER_AUDITOR_ROLE
        return _dsn(self.upstream.port, name, company.ROLE_PASSWORD)

    def pooled(self) -> str:
        """A libpq connection string to PgBouncer. Raises ServerUnavailable."""
        if self.bouncer is None:
            raise ServerUnavailable(self.bouncer_missing)
        return _dsn(self.bouncer.port, self.bouncer.user, self.bouncer.password)


def _dsn(port: int, user: str, password: str) -> str:
    return (
        f"host=127.0.0.1 port={port} dbname={company.DATABASE} user={user} password='{password}' "
        "sslmode=disable gssencmode=disable"
    )


@dataclass(frozen=True, slots=True)
class Options:
    """`workers`: processes of each gate, and of PgBouncer. `has_strict`: there is a second gate.
    `environment` is added to that of the gates' processes. `has_tls`: clients may encrypt."""

    workers: int = 1
    has_strict: bool = False
    needs_bouncer: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    has_tls: bool = False


@contextmanager
def opened(options: Options) -> Iterator[Stage]:
    """A stage for the length of the block. Raises ServerUnavailable, StartRefused."""
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="sallyport-bench-"))
        )
        upstream = stack.enter_context(postgres.running(POSTGRES_MAJOR, POSTGRES_SETTINGS))
        load(upstream)
        key = Ed25519PrivateKey.generate()
        bouncer, missing = None, "not needed"
        if options.needs_bouncer:
            try:
                if options.has_tls:
                    _certificate(directory)
                peer = pgbouncer.running(
                    upstream,
                    processes=options.workers,
                    clients_max=CLIENTS_MAX,
                    auth="trust",
                    certificate=directory / "server.pem" if options.has_tls else None,
                )
                bouncer = stack.enter_context(peer)
            except ServerUnavailable as unavailable:
                missing = str(unavailable)

        def stage(mode: str, strict: Stage | None = None) -> Stage:
            place = directory / mode
            place.mkdir()
            configuration = _write_configuration(place, upstream, key, options, mode)
            started_at = time.perf_counter()
            port, processes = stack.enter_context(_gate(configuration, options.environment))
            seconds = time.perf_counter() - started_at
            audit = place / "audit"
            return Stage(upstream, port, bouncer, missing, audit, seconds, processes, key, strict)

        yield stage("fast", stage("strict") if options.has_strict else None)


def load(upstream: postgres.Server) -> None:
    """Make the database, its roles and the peer's policies (about ten seconds)."""
    with upstream.connect() as connection:
        connection.execute(f"CREATE DATABASE {company.DATABASE}")
    with upstream.connect(company.DATABASE) as connection:
        for sql in (company.TABLES, company.ROLES, company.row_level_security()):
            connection.execute(sql.encode())
        connection.execute("VACUUM (ANALYZE, FREEZE)")
        connection.execute("CHECKPOINT")


@contextmanager
def _gate(
    configuration: Path, environment: dict[str, str]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The gate's port, and its workers' process ids. Its parent only starts and stops it: no loop
    runs in between."""
    before = dict(os.environ)
    with asyncio.Runner() as runner:
        gate = server.opened(configuration)
        os.environ.update(environment)
        try:
            running = runner.run(gate.__aenter__())
        finally:
            os.environ.clear()
            os.environ.update(before)
        try:
            yield running.port, tuple(worker.process_id for worker in running.workers)
        finally:
            runner.run(_left(gate))


async def _left(gate: object) -> None:
    await gate.__aexit__(None, None, None)  # type: ignore[attr-defined]


def _write_configuration(
    directory: Path,
    upstream: postgres.Server,
    key: Ed25519PrivateKey,
    options: Options,
    audit_mode: str,
) -> Path:
    (directory / "policy.yaml").write_text(company.POLICY)
    (directory / "password").write_text(company.ROLE_PASSWORD)
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public |= {"kid": "bench", "alg": "EdDSA", "use": "sig"}
    (directory / "jwks.json").write_text(json.dumps({"keys": [public]}))
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "jwks.json"}}
    content = {
        "listen": {
            "port": 0,
            "workers": options.workers,
            "drain_seconds_max": 2,
            **(_certificate(directory) if options.has_tls else {}),
        },
        "limits": {"sessions_max": CLIENTS_MAX, "strangers_per_address_max": CLIENTS_MAX},
        "identity": {"issuers": [issuer]},
        "policies": ["policy.yaml"],
        "sources": [
            {
                "name": company.SOURCE,
                "kind": "postgres",
                "hosts": [f"{upstream.host}:{upstream.port}"],
                "database": company.DATABASE,
                "user": company.GATE_ROLE,
                "password": {"file": "password"},
                "tls": {"mode": "disable"},
            }
        ],
        "audit": {"directory": "audit", "mode": audit_mode},
        "log": {"level": "warning", "format": "console"},
    }
    path = directory / "sallyport.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _certificate(directory: Path) -> dict[str, object]:
    """The listener's settings for a certificate made for this run."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )
    (directory / "server.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {"tls": {"certificate": "server.pem", "key": "server.key"}}
