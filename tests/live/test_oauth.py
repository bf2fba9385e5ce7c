"""Sign-on by libpq 18 itself, with a real Keycloak behind the gate: device flow, keys, refusals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from proxy.wire import backend, frontend
from proxy.wire.protocol import ClientProtocol
from tests.live import device_flow
from tests.live.gate import DATABASE, Gate, serving
from tests.live.wire import RawClient, told
from tests.servers import oauth_psql
from tests.servers.keycloak import REALM, Keycloak

# A fresh machine prepares Keycloak beside the tests that come before.
pytestmark = pytest.mark.timeout(900)

QUESTION = "SELECT current_user, count(*), min(region), max(region) FROM shop.orders"
ALICE = ["alice", 1000, "emea", "emea"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gate(keycloak: Keycloak) -> AsyncIterator[Gate]:
    issuer = {
        "issuer": keycloak.issuer,
        "audience": "sallyport",
        "jwks": {"url": keycloak.jwks_url, "unknown_key_seconds_min": 1},
        "skew_seconds": 0,
    }
    oauth = {"issuer": keycloak.issuer, "scope": "openid"}
    async with serving(identity={"issuers": [issuer], "oauth": oauth}) as found:
        yield found


async def connect(gate: Gate, keycloak: Keycloak, **instructions: str) -> dict[str, Any]:
    """What a program in another process gets that connects by OAUTHBEARER."""
    options = {"oauth_issuer": keycloak.issuer, "oauth_client_id": "sallyport-psql"}
    dsn = gate.dsn("oauth", token="", require_auth="oauth", **options)
    given = {"dsn": dsn.replace("password=''", ""), "statement": QUESTION, **instructions}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.live.oauth_client",
        json.dumps(given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PGOAUTHDEBUG": "UNSAFE"},
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    found: dict[str, Any] = json.loads(out)
    return found


async def test_the_device_flow_from_no_token_to_rows(gate: Gate, keycloak: Keycloak) -> None:
    found = await connect(gate, keycloak, person="alice", password="alice-secret")

    assert found.get("rows") == [ALICE], found
    # The gate told where to go: libpq had the issuer's name only.
    discovery = f"{keycloak.issuer}/.well-known/openid-configuration"
    assert {"discovery": discovery, "scope": "openid"} in found["asked"]


async def test_a_token_that_the_application_has(gate: Gate, keycloak: Keycloak) -> None:
    token = await asyncio.to_thread(keycloak.password_token, "alice")
    assert (await connect(gate, keycloak, token=token)).get("rows") == [ALICE]
    # The same token is good as a password under any other name.
    async with await psycopg.AsyncConnection.connect(gate.dsn("alice", token=token)) as connection:
        cursor = await connection.execute("SELECT current_user")
        assert await cursor.fetchone() == ("alice",)


async def test_refused_tokens(gate: Gate, keycloak: Keycloak) -> None:
    good = await asyncio.to_thread(keycloak.password_token, "alice")
    head, payload, signature = good.split(".")
    forged = f"{head}.{payload}.{'A' * len(signature)}"
    elsewhere = await asyncio.to_thread(keycloak.password_token, "alice", "elsewhere")
    for token in (forged, elsewhere, gate.token(), "nonsense"):
        found = await connect(gate, keycloak, token=token)
        assert "authentication failed" in found["error"]


async def test_an_expired_token(gate: Gate, keycloak: Keycloak) -> None:
    def lifespan(seconds: int) -> None:
        keycloak.call(
            "PUT",
            f"/admin/realms/{REALM}",
            body={"accessTokenLifespan": seconds},
            token=keycloak.administrator_token(),
        )

    await asyncio.to_thread(lifespan, 1)
    try:
        token = await asyncio.to_thread(keycloak.password_token, "alice")
    finally:
        await asyncio.to_thread(lifespan, 300)
    await asyncio.sleep(1.5)
    assert "authentication failed" in (await connect(gate, keycloak, token=token))["error"]


async def test_keys_that_rotate(gate: Gate, keycloak: Keycloak) -> None:
    before = await asyncio.to_thread(keycloak.password_token, "alice")
    assert (await connect(gate, keycloak, token=before)).get("rows") == [ALICE]
    await asyncio.to_thread(keycloak.rotate_keys)
    await asyncio.sleep(1.1)  # `unknown_key_seconds_min`
    after = await asyncio.to_thread(keycloak.password_token, "alice")
    assert before.split(".")[0] != after.split(".")[0]
    for token in (after, before):
        assert (await connect(gate, keycloak, token=token)).get("rows") == [ALICE]


async def test_what_a_client_without_a_token_is_told(gate: Gate, keycloak: Keycloak) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    client = RawClient(reader, writer, ClientProtocol(), [])
    client.write(frontend.StartupMessage((3, 0), {"user": "oauth", "database": DATABASE}))
    assert await client.read_some() == [backend.AuthenticationSASL(("OAUTHBEARER",))]
    client.write(frontend.SASLInitialResponse("OAUTHBEARER", b"n,,\x01auth=\x01\x01"))
    (status,) = await client.read_some()
    assert isinstance(status, backend.AuthenticationSASLContinue)
    assert json.loads(status.data) == {
        "status": "invalid_token",
        "openid-configuration": f"{keycloak.issuer}/.well-known/openid-configuration",
        "scope": "openid",
    }
    client.write(frontend.SASLResponse(b"\x01"))
    assert "28P01 authentication failed" in told(await client.read_some())[-1]
    client.close()


async def test_psql_signs_a_person_on_by_itself(gate: Gate, keycloak: Keycloak) -> None:
    """The line of the README, by libpq's own device flow: no hook, no token of anybody's."""
    psql = await asyncio.to_thread(oauth_psql.command)
    where = (
        f"host=127.0.0.1 port={gate.port} dbname={DATABASE} user=oauth sslmode=disable"
        f" oauth_issuer={keycloak.issuer} oauth_client_id=sallyport-psql"
    )
    process = await asyncio.create_subprocess_exec(
        *psql,
        *("-XAtc", QUESTION, where),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Keycloak has no certificate here; libpq insists on https unless told otherwise.
        env={"PGOAUTHDEBUG": "UNSAFE", "LC_ALL": "C"},
    )
    assert process.stderr is not None
    told = ""
    while not (found := re.search(r"Visit (\S+) and enter the code: (\S+)", told)):
        line = await process.stderr.readline()
        assert line, told
        told += line.decode()
    page = f"{found[1]}?user_code={found[2]}"
    await asyncio.to_thread(device_flow.agree, page, user="alice", password="alice-secret")
    out, err = await process.communicate()
    assert out.decode() == "alice|1000|emea|emea\n", err.decode()[-2000:]
