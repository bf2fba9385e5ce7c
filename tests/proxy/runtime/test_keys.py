"""Key sets over a real HTTP server on loopback: freshness, rate limits, and what is not fetched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from policies.errors import TokenReason, TokenRefused
from policies.keyset import JWKS_BYTES_MAX, KeySet
from proxy.runtime import keys as keys_module
from proxy.runtime.config import Jwks
from proxy.runtime.demonstration import DEMO_KEY_PREFIX
from proxy.runtime.keys import KeySetError, KeysUnavailable, SigningKeys, check_url


def published(kid: str) -> dict[str, Any]:
    """A fresh public EC key as a JWK."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return {**ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": "ES256"}


class KeyServer:
    """Serves `body` with `status` and counts the requests."""

    def __init__(self) -> None:
        self.body: bytes = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay_seconds = 0.0
        self.requests = 0
        self.url = ""

    def publish(self, *kids: str) -> None:
        self.body = json.dumps({"keys": [published(kid) for kid in kids]}).encode()

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        await asyncio.sleep(self.delay_seconds)
        return web.Response(body=self.body, status=self.status, headers=self.headers)


@asynccontextmanager
async def serving() -> AsyncIterator[KeyServer]:
    server = KeyServer()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/jwks"
    try:
        yield server
    finally:
        await runner.cleanup()


class Clock:
    """A clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _keys(server: KeyServer, clock: Clock) -> SigningKeys:
    location = Jwks(
        url=server.url, cache_seconds=300, stale_seconds_max=3600, unknown_key_seconds_min=30
    )
    return SigningKeys(location, clock=clock)


async def test_a_key_is_fetched_once_and_cached() -> None:
    async with serving() as server:
        server.publish("a", "b")
        clock = Clock()
        keys = _keys(server, clock)
        assert (await keys.key_for("a", "ES256")).kid == "a"
        clock.now += 299
        assert (await keys.key_for("b", "ES256")).kid == "b"
        assert server.requests == 1
        clock.now += 1
        await keys.key_for("a", "ES256")
        assert server.requests == 2


async def test_many_at_once_cause_one_fetch() -> None:
    async with serving() as server:
        server.publish("a")
        server.delay_seconds = 0.05
        keys = _keys(server, Clock())
        await asyncio.gather(*(keys.key_for("a", "ES256") for _ in range(50)))
        assert server.requests == 1


async def test_a_rotation_is_found_and_a_flood_of_unknown_ids_is_not_followed() -> None:
    async with serving() as server:
        server.publish("old")
        clock = Clock()
        keys = _keys(server, clock)
        await keys.key_for("old", "ES256")
        clock.now += 31
        server.publish("old", "new")
        assert (await keys.key_for("new", "ES256")).kid == "new"
        assert server.requests == 2
        for number in range(100):
            with pytest.raises(TokenRefused) as caught:
                await keys.key_for(f"guess-{number}", "ES256")
            assert caught.value.reason is TokenReason.UNKNOWN_KEY
        assert server.requests == 2
        clock.now += 30
        await asyncio.gather(
            *(keys.key_for(f"guess-{n}", "ES256") for n in range(20)), return_exceptions=True
        )
        assert server.requests == 3


async def test_failures_are_rate_limited_as_well() -> None:
    async with serving() as server:
        server.status = 500
        clock = Clock()
        keys = _keys(server, clock)
        for _ in range(20):
            with pytest.raises(KeysUnavailable):
                await keys.current()
        assert server.requests == 1
        clock.now += 30
        server.status = 200
        server.publish("a")
        await keys.key_for("a", "ES256")
        assert server.requests == 2


async def test_old_keys_serve_while_the_server_is_down_and_not_for_ever() -> None:
    async with serving() as server:
        server.publish("a")
        clock = Clock()
        keys = _keys(server, clock)
        await keys.key_for("a", "ES256")
        server.status = 503
        clock.now += 3600
        assert (await keys.key_for("a", "ES256")).kid == "a"
        clock.now += 1
        with pytest.raises(KeysUnavailable) as caught:
            await keys.key_for("a", "ES256")
        assert caught.value.sqlstate == "57P03"
        server.status = 200
        clock.now += 30
        await keys.key_for("a", "ES256")


async def test_a_withdrawn_key_is_gone_after_the_cache() -> None:
    async with serving() as server:
        server.publish("a", "b")
        clock = Clock()
        keys = _keys(server, clock)
        await keys.key_for("a", "ES256")
        server.publish("b")
        clock.now += 300
        with pytest.raises(TokenRefused):
            await keys.key_for("a", "ES256")


async def test_a_key_serves_its_own_algorithm_only() -> None:
    async with serving() as server:
        server.publish("a")
        keys = _keys(server, Clock())
        for algorithm in ("RS256", "EdDSA", "HS256", "none", "ES384"):
            with pytest.raises(TokenRefused):
                await keys.key_for("a", algorithm)
        assert (await keys.key_for(None, "ES256")).kid == "a"


def _private() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return json.dumps({"keys": [{**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": "a"}]}).encode()


def _symmetric() -> bytes:
    return json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b"[" * 100_000,
        b" " * (JWKS_BYTES_MAX + 1),
        _private(),
        _symmetric(),
        json.dumps({"keys": [published(DEMO_KEY_PREFIX + "1")]}).encode(),
    ],
    ids=range(12),
)
async def test_unusable_sets_are_refused_and_do_not_replace_a_good_one(body: bytes) -> None:
    async with serving() as server:
        server.publish("a")
        clock = Clock()
        keys = _keys(server, clock)
        await keys.refresh()
        server.body = body
        with pytest.raises(KeySetError) as caught:
            await keys.refresh()
        assert "c2VjcmV0" not in str(caught.value)
        assert (await keys.key_for("a", "ES256")).kid == "a"


async def test_a_compressed_flood_is_cut_off() -> None:
    import gzip

    async with serving() as server:
        server.body = gzip.compress(b" " * (50 * 1024 * 1024))
        server.headers = {"Content-Encoding": "gzip"}
        with pytest.raises(KeySetError):
            await _keys(server, Clock()).refresh()


async def test_redirects_are_not_followed() -> None:
    async with serving() as server:
        server.publish("a")
        server.status = 302
        server.headers = {"Location": server.url + "/elsewhere"}
        with pytest.raises(KeySetError, match="302"):
            await _keys(server, Clock()).refresh()
        assert server.requests == 1


async def test_a_slow_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "FETCH_SECONDS_MAX", 0.05)
    async with serving() as server:
        server.publish("a")
        server.delay_seconds = 1
        with pytest.raises(KeySetError, match="no answer"):
            await _keys(server, Clock()).refresh()


async def test_nobody_listens() -> None:
    async with serving() as server:
        url = server.url
    with pytest.raises(KeySetError, match="cannot be fetched"):
        await SigningKeys(Jwks(url=url)).refresh()


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://login.example.com/keys", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://login.example.com/keys", False),
        ("http://127.0.0.1.example.com/keys", False),
        ("http://127.0.0.1@example.com/keys", False),
        ("https://user:password@example.com/", False),
        ("ftp://127.0.0.1/keys", False),
        ("file:///etc/passwd", False),
        ("https:///keys", False),
        ("", False),
    ],
)
def test_urls(url: str, is_allowed: bool) -> None:
    if is_allowed:
        check_url(url)
        return
    with pytest.raises(ValueError):
        check_url(url)
    with pytest.raises(ValueError):
        SigningKeys(Jwks(url=url))


async def test_a_file_is_read_again_when_its_keys_changed(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [published("a")]}))
    clock = Clock()
    keys = SigningKeys(Jwks(file=path), clock=clock)
    assert isinstance(await keys.current(), KeySet)
    path.write_text(json.dumps({"keys": [published("b")]}))
    clock.now += 31
    assert (await keys.key_for("b", "ES256")).kid == "b"
    path.unlink()
    with pytest.raises(KeySetError, match="No such file"):
        await keys.refresh()


async def test_the_demonstration_may_use_its_own_keys(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [published(DEMO_KEY_PREFIX + "1")]}))
    with pytest.raises(KeysUnavailable):
        await SigningKeys(Jwks(file=path)).current()
    assert (await SigningKeys(Jwks(file=path), is_demonstration=True).current()).keys


def test_keys_come_from_pyjwt() -> None:
    # The parser behind KeySet is the library's, not ours.
    assert jwt.PyJWK(published("a")).key_id == "a"
