"""Goal: the catalog server is as new as every source allows, and never newer by accident."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import yaml

from proxy.runtime.config import Configuration, load
from proxy.runtime.config_model import Shadow
from proxy.shadow_major import chosen, merge_major, shadow_major
from tests.servers import postgres


@pytest.mark.parametrize(
    ("majors", "expected"),
    [
        ((18,), 18),
        ((17,), 18),
        ((18, 17), 18),
        ((16,), 16),
        ((18, 16), 16),
        ((14,), 16),
        ((18, None), 16),
        ((None,), 16),
        ((), 16),
    ],
)
def test_as_new_as_the_oldest_source_allows(majors: tuple[int | None, ...], expected: int) -> None:
    assert chosen(Shadow(), majors) == expected


@pytest.mark.parametrize("major", ["16", "18"])
def test_what_is_configured_wins(major: Literal["16", "18"]) -> None:
    assert chosen(Shadow(major=major), (14, None)) == int(major)


def configuration(directory: Path, ports: list[int], password: str | None) -> Configuration:
    (directory / "policy.yaml").write_text("version: 1\n")
    (directory / "password").write_text(postgres.PASSWORD)
    (directory / "jwks.json").write_text('{"keys": []}')
    issuer = {"issuer": "https://i.test", "audience": "a", "jwks": {"file": "jwks.json"}}
    sources = [
        {
            "name": f"s{number}",
            "kind": "postgres",
            "hosts": [f"127.0.0.1:{port}"],
            "database": "postgres",
            "user": postgres.USER,
            "password": {"file": password},
            "tls": {"mode": "disable"},
        }
        for number, port in enumerate(ports)
    ]
    content = {
        "identity": {"issuers": [issuer]},
        "policies": ["policy.yaml"],
        "sources": sources,
        "audit": {"directory": "audit"},
    }
    (directory / "sallyport.yaml").write_text(yaml.safe_dump(content))
    return load(directory / "sallyport.yaml")


async def test_sources_are_asked(
    tmp_path: Path, postgres_of: Callable[[int], postgres.Server]
) -> None:
    old, new = postgres_of(16).port, postgres_of(18).port
    assert await shadow_major(configuration(tmp_path, [new], "password")) == 18
    assert await shadow_major(configuration(tmp_path, [new, old], "password")) == 16


async def test_a_source_that_cannot_be_asked_may_be_an_old_one(
    tmp_path: Path, postgres_of: Callable[[int], postgres.Server]
) -> None:
    new, nobody = postgres_of(18).port, postgres.free_port()
    assert await shadow_major(configuration(tmp_path, [new, nobody], "password")) == 16
    assert await shadow_major(configuration(tmp_path, [new], "jwks.json")) == 16  # refused
    assert await shadow_major(configuration(tmp_path, [new], "absent")) == 16


async def test_the_merge_engine_knows_the_rules_of_new_sources(
    tmp_path: Path, postgres_of: Callable[[int], postgres.Server]
) -> None:
    old, new = postgres_of(16).port, postgres_of(18).port
    pinned = replace(configuration(tmp_path, [new], "password"), shadow=Shadow(major="16"))
    assert (await shadow_major(pinned), await merge_major(pinned)) == (16, 18)
    assert await merge_major(replace(pinned, shadow=Shadow(major="18"))) == 18
    assert await merge_major(configuration(tmp_path, [new, old], "password")) == 16
