"""The HTTP transport against the real company: sign-on, two people at once, and what is refused."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import jwt
import pytest
import yaml

from proxy.demo.state import State
from sidecars.mcp.app import Instructions
from tests.servers.demonstration import ROOT
from tests.sidecars.mcp.agent import over_http, read, read_error
from tests.sidecars.mcp.conftest import ENDLESS, Company, until_endless

PUBLIC = "http://localhost:9/mcp"
"""What clients and metadata call it; a proxy would stand there."""
METADATA = "http://localhost:9/.well-known/oauth-protected-resource/mcp"
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}
START_SECONDS_MAX = 30
END_SECONDS_MAX = 15


@dataclass
class Server:
    """A serving process. `url` is where it really listens."""

    url: str
    process: subprocess.Popen[str]

    def at(self, path: str) -> str:
        return self.url.removesuffix("/mcp") + path


def configuration_of(sample: Company, **changes: object) -> dict[str, Any]:
    content = yaml.safe_load(sample.state.configuration.read_text())
    content["mcp"] = {"url": PUBLIC, "port": 0, "gate": sample.gate_url, **changes}
    assert isinstance(content, dict)
    return content


def started(directory: Path, content: dict[str, Any]) -> subprocess.Popen[str]:
    file = directory / "sallyport.yaml"
    file.write_text(yaml.safe_dump(content))
    told = Instructions(configuration=str(file), is_demonstration=True)
    return subprocess.Popen(
        [sys.executable, "-m", "sidecars.mcp", told.as_json()],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS_MAX)
    finally:
        process.kill()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture(scope="module")
def server(sample: Company, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    process = started(tmp_path_factory.mktemp("mcp"), configuration_of(sample))
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "serving on" in line, line + process.stderr.read()
        port = line.strip().rpartition(":")[2]
        yield Server(f"http://127.0.0.1:{port}/mcp", process)
    finally:
        ended(process)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_two_people_at_once(sample: Company, server: Server, mode: str) -> None:
    async def rows(name: str) -> Any:
        async with over_http(server.url, sample.token(name), mode=mode) as client:
            sql = "select count(*) from sales.customers"
            return read(await client.call_tool("query", {"sql": sql}))["rows"]

    assert await asyncio.gather(*(rows(name) for name in ("alice", "bob", "carol"))) == [
        [[4835]],
        [[3474]],
        [[12000]],
    ]


async def test_metadata_tell_where_to_sign_in(server: Server) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.get(server.at("/.well-known/oauth-protected-resource/mcp"))
        health = await http.get(server.at("/health"))

    told = answer.json()
    assert told["resource"] == PUBLIC
    assert told["authorization_servers"] == ["https://demo.sallyport.invalid"]
    assert told["bearer_methods_supported"] == ["header"]
    assert health.status_code == 200


def forged(sample: Company, **changes: object) -> str:
    """Alice's claims under another key, or none."""
    payload = jwt.decode(sample.token("alice"), options={"verify_signature": False})
    return jwt.encode({**payload, **changes}, "k" * 32, algorithm="HS256")


async def test_without_a_good_token_nothing_is_answered(sample: Company, server: Server) -> None:
    good = sample.token("alice")
    head, payload, signature = good.split(".")
    bad = {
        "none": None,
        "basic": "Basic YWxpY2U6YWxpY2U=",
        "empty": "Bearer",
        "garbage": "Bearer x.y.z",
        "forged": f"Bearer {forged(sample)}",
        "changed": f"Bearer {head}.{payload[:-2]}.{signature}",
        "expired": f"Bearer {sample.token('alice', 60, age_s=3600)}",
    }
    async with httpx2.AsyncClient(trust_env=False) as http:
        for name, value in bad.items():
            headers = dict(ACCEPT) if value is None else {**ACCEPT, "Authorization": value}
            answer = await http.post(server.url, json=HELLO, headers=headers)
            assert answer.status_code == 401, name
            told = answer.headers["www-authenticate"]
            assert told.startswith("Bearer "), name
            assert f'resource_metadata="{METADATA}"' in told, name
        in_query = await http.post(f"{server.url}?access_token={good}", json=HELLO, headers=ACCEPT)
        assert in_query.status_code == 401


async def test_a_token_for_another_audience_is_refused(sample: Company, server: Server) -> None:
    payload = jwt.decode(sample.token("alice"), options={"verify_signature": False})
    payload["aud"] = "another-service"
    key = (sample.state.directory / "issuer.pem").read_text()
    other = jwt.encode(payload, key, algorithm="EdDSA", headers={"kid": sample.issuer.key_id})
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {**ACCEPT, "Authorization": f"Bearer {other}"}
        answer = await http.post(server.url, json=HELLO, headers=headers)

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header", [("Host", "evil.example"), ("Origin", "https://evil.example")], ids=lambda one: one[0]
)
async def test_another_name_or_page_is_refused(
    sample: Company, server: Server, header: tuple[str, str]
) -> None:
    headers = {**ACCEPT, "Authorization": f"Bearer {sample.token('alice')}", header[0]: header[1]}
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(server.url, json=HELLO, headers=headers)

    assert answer.status_code in (403, 421)


async def test_a_session_belongs_to_who_began_it(sample: Company, server: Server) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    async with httpx2.AsyncClient(trust_env=False) as http:
        mine = {**ACCEPT, "Authorization": f"Bearer {sample.token('alice')}"}
        begun = await http.post(server.url, json=hello, headers=mine)
        session = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
        stolen = {**ACCEPT, **session, "Authorization": f"Bearer {sample.token('carol')}"}
        answer = await http.post(server.url, json=HELLO, headers=stolen)

    assert begun.status_code == 200
    assert answer.status_code in (403, 404)


async def test_a_call_that_is_given_up_cancels_the_statement(
    sample: Company, server: Server
) -> None:
    source = await sample.source()
    try:
        async with over_http(server.url, sample.token("alice")) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "query", {"sql": ENDLESS})
                await until_endless(source, is_running=True)
                group.cancel_scope.cancel()
            await until_endless(source, is_running=False)
    finally:
        await source.close()


async def test_errors_over_http_are_for_the_model_too(sample: Company, server: Server) -> None:
    async with over_http(server.url, sample.token("bob")) as client:
        error = read_error(await client.call_tool("query", {"sql": "select * from hr.employees"}))

    assert error["sqlstate"] == "42P01"
    assert "hr.employees" not in error["tables_that_exist"]


async def test_without_keys_the_answer_is_later_not_sign_in(
    sample: Company, tmp_path: Path
) -> None:
    content = configuration_of(sample)
    keys = tmp_path / "jwks.json"
    keys.write_text("{}")
    content["identity"]["issuers"][0]["jwks"] = {"file": str(keys)}
    process = started(tmp_path, content)
    try:
        assert process.stderr is not None
        port = process.stderr.readline().strip().rpartition(":")[2]
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = await http.post(
                f"http://127.0.0.1:{port}/mcp",
                json=HELLO,
                headers={**ACCEPT, "Authorization": f"Bearer {sample.token('alice')}"},
            )
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    finally:
        ended(process)


def test_the_demonstration_stays_one(sample: Company, tmp_path: Path) -> None:
    """Its configuration does not serve unless the demonstration is meant."""
    file = tmp_path / "sallyport.yaml"
    file.write_text(yaml.safe_dump(configuration_of(sample)))
    told = json.dumps({"configuration": str(file)})
    ran = subprocess.run(
        [sys.executable, "-m", "sidecars.mcp", told],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX,
        check=False,
    )

    assert ran.returncode == 2
    assert "demonstration's issuer" in ran.stderr
    assert State(sample.state.directory) == sample.state
