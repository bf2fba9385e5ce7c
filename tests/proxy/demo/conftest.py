"""The sample company, loaded once per run into an embedded cluster of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from policies.secret import Secret
from proxy.demo import company
from proxy.runtime.embedded import Cluster


@dataclass(frozen=True)
class LoadedCompany:
    """A running cluster that holds the company, and what its loading reported."""

    cluster: Cluster
    gate_password: Secret[str]
    steps: tuple[str, ...]

    async def as_owner(self) -> asyncpg.Connection:
        return await self.cluster.connect(company.DATABASE)

    async def as_gate(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=str(self.cluster.socket_directory),
            port=self.cluster.port,
            user=company.GATE_ROLE,
            password=self.gate_password.reveal(),
            database=company.DATABASE,
            ssl=False,
        )


@pytest.fixture(scope="session")
async def loaded_company(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LoadedCompany]:
    directory: Path = tmp_path_factory.mktemp("company")
    password = Secret(secrets.token_urlsafe(24))
    steps: list[str] = []
    async with Cluster(directory / "cluster", durable=False) as cluster:
        await company.load(cluster.connect, gate_password=password, progress=steps.append)
        yield LoadedCompany(cluster, password, tuple(steps))
