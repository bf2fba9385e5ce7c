"""The operators' listener: what it answers, and that a successor may share its port."""

from __future__ import annotations

import aiohttp
import pytest

from proxy.runtime.endpoint import Answer, Endpoint


async def test_paths_and_nothing_else() -> None:
    async def busy() -> Answer:
        return Answer("{}", 503, "application/json")

    endpoint = Endpoint({"/ready": busy})
    port = await endpoint.open("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            answer = await client.get("/ready")
            assert (answer.status, await answer.text()) == (503, "{}")
            assert answer.headers["Content-Type"] == "application/json"
            assert (await client.get("/")).status == 404
            assert (await client.post("/ready")).status == 405
        successor = Endpoint({"/ready": busy})
        assert await successor.open("127.0.0.1", port) == port
        await successor.close()
    finally:
        await endpoint.close()
        await endpoint.close()


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(OSError):
        await Endpoint({}).open("192.0.2.1", 0)
