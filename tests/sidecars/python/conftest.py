"""The delivered environment, workers over it, and the service before a real gate."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from proxy.runtime.config import Configuration, Python, PythonLimits, load
from sidecars.python import artifact
from sidecars.python.artifact import Environment
from sidecars.python.limits import RunLimits
from sidecars.python.pool import Pool, Program, Refused, Result, Worker
from sidecars.python.process import opened
from tests.live.gate import DATABASE, Gate

SHORT = RunLimits(
    wall_seconds=20.0, cpu_seconds=15.0, memory_bytes=512 * 1024 * 1024, output_bytes=100_000
)
"""For programs that should end by themselves, on a busy machine too."""


@pytest.fixture(scope="session")
def environment() -> Environment:
    return artifact.prepare(tell=lambda _: None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pool(environment: Environment) -> AsyncIterator[Pool]:
    made = Pool(environment, workers_max=2, warm=1)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@dataclass
class Seen:
    """What a program did."""

    result: Result
    stdout: str
    stderr: str
    files: dict[str, int]


async def no_calls(name: str, arguments: Mapping[str, Any], exchange: Path) -> str:
    raise Refused(f"no {name} here")


async def run(pool: Pool, code: str, limits: RunLimits = SHORT, **more: Any) -> Seen:
    """Run a program in a fresh instance."""
    texts: dict[int, list[str]] = {1: [], 2: []}
    worker = await pool.take()
    is_usable = False
    try:
        program = Program(code, more.pop("arguments", "{}"), limits, **more)
        result = await worker.run(
            program, lambda channel, text: texts[channel].append(text), no_calls
        )
        is_usable = result.is_usable
        files = {path.name: path.lstat().st_size for path in worker.work.iterdir()}
    finally:
        await pool.give_back(worker, is_usable=is_usable)
    return Seen(result, "".join(texts[1]), "".join(texts[2]), files)


@pytest_asyncio.fixture(loop_scope="session")
async def worker(pool: Pool) -> AsyncIterator[Worker]:
    """A worker of one's own; it is killed in the end."""
    taken = await pool.take()
    try:
        yield taken
    finally:
        await pool.give_back(taken, is_usable=False)


@dataclass
class Service:
    """The running service, its gate, and requests as somebody."""

    port: int
    gate: Gate
    audit: Path
    _http: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, body: object = None, *, name: str = "alice", **more: Any
    ) -> tuple[int, Any]:
        """Status and JSON of an answer; `token` None asks as nobody."""
        token = more.pop("token", self.gate.token(name))
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{self.port}{path}"
        if body is not None:
            more["data"] = io.BytesIO(json.dumps(body).encode())
        async with self._http.request(method, url, headers=headers, **more) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.read())

    async def run(self, code: str, *, name: str = "alice", **more: object) -> Any:
        """The answer to a program."""
        status, answer = await self.ask("POST", "/runs", {"code": code, **more}, name=name)
        assert status == 200, answer
        return answer


def settings_for(gate: Gate, **changes: Any) -> Python:
    return replace(
        Python(
            gate=f"postgresql://127.0.0.1:{gate.port}/{DATABASE}",
            port=0,
            workers_max=4,
            workers_warm_max=1,
            runs_per_principal_max=2,
            sessions_per_principal_max=1,
            limits=PythonLimits(query_rows_max=5_000, files_max=50, files_bytes_max=2_000_000),
        ),
        **changes,
    )


def configuration_for(gate: Gate, audit: Path) -> Configuration:
    found = load(gate.directory / "sallyport.yaml")
    return replace(found, audit=replace(found.audit, directory=audit))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(
    shop: Gate, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    audit = tmp_path_factory.mktemp("audit")
    configuration = configuration_for(shop, audit)
    async with (
        opened(configuration, settings_for(shop), environment) as port,
        aiohttp.ClientSession() as http,
    ):
        yield Service(port, shop, audit, http)
