"""Issuers and sources asked for real: keys, clocks, room."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jwt
import pytest
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proxy.commands.doctor_neighbours import neighbours
from proxy.commands.finding import Finding
from proxy.runtime.config import load
from tests.proxy.commands.conftest import Workplace


def keys() -> str:
    public = Ed25519PrivateKey.generate().public_key()
    one = jwt.algorithms.OKPAlgorithm.to_jwk(public, as_dict=True)
    return json.dumps({"keys": [{**one, "kid": "k", "alg": "EdDSA", "use": "sig"}]})


async def found(workplace: Workplace, *, ahead_s: float = 0.0) -> dict[str, Finding]:
    configuration = load(workplace.configuration)
    findings = await neighbours(configuration, lambda: time.time() + ahead_s)
    return {one.subject: one for one in findings}


async def test_all_is_well(workplace: Workplace) -> None:
    (workplace.directory / "jwks.json").write_text(keys())
    levels = {subject: one.level for subject, one in (await found(workplace)).items()}

    assert levels == {
        "issuer https://issuer.test": "ok",
        "clock of source shop": "ok",
        "source shop": "ok",
    }


@pytest.mark.parametrize(("ahead_s", "level"), [(20.0, "warning"), (3600.0, "problem")])
async def test_our_clock_is_wrong(workplace: Workplace, ahead_s: float, level: str) -> None:
    clock = (await found(workplace, ahead_s=ahead_s))["clock of source shop"]

    assert clock.level == level
    assert "NTP" in clock.advice


async def test_without_keys_nobody_can_log_in(workplace: Workplace) -> None:
    issuer = "issuer https://issuer.test"
    for text in ('{"keys": []}', "nonsense"):
        (workplace.directory / "jwks.json").write_text(text)
        told = (await found(workplace))[issuer]
        assert (told.level, "nobody can log in" in told.advice) == ("problem", True)


async def test_a_source_that_cannot_be_reached(workplace: Workplace) -> None:
    workplace.configure(hosts=["127.0.0.1:1"])
    source = (await found(workplace))["source shop"]

    assert source.level == "problem"
    assert "check" in source.advice


async def test_more_connections_than_the_source_has(workplace: Workplace) -> None:
    workplace.configure(pool={"connections_max": 1000})
    assert (await found(workplace))["source shop"].level == "warning"


async def test_the_issuers_clock(workplace: Workplace, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=keys(), content_type="application/json")

    application = web.Application()
    application.router.add_get("/jwks", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        content = yaml.safe_load(workplace.configuration.read_text())
        content["identity"]["issuers"][0]["jwks"] = {"url": f"http://127.0.0.1:{port}/jwks"}
        workplace.configuration.write_text(yaml.safe_dump(content))
        right = await found(workplace)
        wrong = await found(workplace, ahead_s=-60)
    finally:
        await runner.cleanup()

    assert right["clock of https://issuer.test"].level == "ok"
    assert wrong["clock of https://issuer.test"].level == "problem"
