"""The marks of the demonstration are seen in every spelling, and nothing else is taken for them."""

from __future__ import annotations

import pytest

from proxy.runtime.demonstration import DEMO_ISSUER, is_demo_issuer, is_demo_key_id


@pytest.mark.parametrize(
    "spelling",
    [DEMO_ISSUER, DEMO_ISSUER + "/", DEMO_ISSUER.upper(), f" {DEMO_ISSUER}// ".rstrip(" ")],
)
def test_its_issuer_is_seen(spelling: str) -> None:
    assert is_demo_issuer(spelling)


@pytest.mark.parametrize(
    "other", ["https://login.example.com", DEMO_ISSUER + "/realm", DEMO_ISSUER + ".example.com", ""]
)
def test_no_other_issuer_is(other: str) -> None:
    assert not is_demo_issuer(other)


def test_its_keys_are_seen() -> None:
    assert is_demo_key_id("sallyport-demo-0123456789ab")
    assert not is_demo_key_id("2026-key-1")
    assert not is_demo_key_id(None)
