"""A gate over TLS with access tokens, and its state database: what tests of logging in start from."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from proxy.runtime.state import register
from proxy.runtime.state.login import Kind
from proxy.runtime.state.place import StatePlace
from tests.live.gate import Gate, serving
from tests.servers import postgres
from tests.servers.certificate import write as write_certificate


async def record(_: str, __: register.Listed) -> None:
    """The audit log's side is tested with the commands."""


@dataclass
class Door:
    """A gate over TLS, and its state database."""

    gate: Gate
    place: StatePlace
    server: postgres.Server
    certificate: Path

    def dsn(self, user: str, password: str, **options: str) -> str:
        tls = {"sslmode": "verify-ca", "sslrootcert": str(self.certificate)}
        return self.gate.dsn(user, token=password, **{**tls, **options})

    async def create(self, name: str, kind: Kind = Kind.TOKEN, **options: object) -> str:
        """A new login of alice's; returns its secret."""
        networks = options.get("networks")
        wanted = register.NewLogin(
            kind,
            name,
            {"sub": "alice", "roles": ["analyst"], "regions": ["emea"]},
            timedelta(seconds=float(str(options.get("seconds", 3600)))),
            "a test",
            "operator",
            options.get("sources"),  # type: ignore[arg-type]
            None if networks is None else tuple(map(ipaddress.ip_network, networks)),  # type: ignore[call-overload]
        )
        connection = await self.place.connect()
        try:
            _, text = await register.create(connection, wanted, record)
        finally:
            await connection.close()
        return text.reveal()

    async def revoke(self, name: str, kind: Kind = Kind.TOKEN) -> None:
        connection = await self.place.connect()
        try:
            await register.revoke(connection, kind, name, by="operator", record=record)
        finally:
            await connection.close()

    async def rotate(self, name: str, *, overlap: float = 3600) -> str:
        connection = await self.place.connect()
        try:
            _, text = await register.rotate(
                connection,
                Kind.SERVICE,
                name,
                overlap=timedelta(seconds=overlap),
                lifetime=timedelta(days=1),
                record=record,
            )
        finally:
            await connection.close()
        return text.reveal()


@asynccontextmanager
async def opened(
    directory: Path, server: postgres.Server, name: str, **state: object
) -> AsyncIterator[Door]:
    """A gate with a certificate whose state lies in a database of `server`.

    `state` are further settings of that section.
    """
    certificate, key = write_certificate(directory)
    password = directory / "password"
    password.write_text(server.password)
    dsn = (
        f"postgresql://{server.user}@{server.host}:{server.port}/{name}"
        f"?sslmode=verify-full&sslrootcert={server.root_certificate}"
    )
    settings = {"dsn": dsn, "password": {"file": str(password)}, **state}
    tls = {"certificate": str(certificate), "key": str(key)}
    listen = {"port": 0, "tls": tls, "drain_seconds_max": 1}
    async with serving(listen=listen, state=settings) as gate:
        yield Door(gate, StatePlace(dsn, str(password)), server, certificate)
