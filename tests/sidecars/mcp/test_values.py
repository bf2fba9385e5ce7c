"""Values as JSON: exact, short, and never a crash."""

from __future__ import annotations

import datetime
import ipaddress
import json
import uuid
from decimal import Decimal

import asyncpg
import pytest

from sidecars.mcp.values import NESTING_DEPTH_MAX, Renderer, compact

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (2**53 + 1, "9007199254740993"),
        (-(2**63), "-9223372036854775808"),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("1.50"), "1.50"),
        (NOW, "2026-01-02 03:04:05+00:00"),
        (NOW.date(), "2026-01-02"),
        (datetime.timedelta(days=1, seconds=5), "1 day, 0:00:05"),
        (b"\x00\xff", "\\x00ff"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        ([1, [None, "x"]], [1, [None, "x"]]),
        (asyncpg.Range(1, 5, lower_inc=True), "[1,5)"),
        (asyncpg.Range(empty=True), "empty"),
        (asyncpg.Range(None, 5), "(,5)"),
        ({"a": Decimal(1)}, {"a": "1"}),
    ],
)
def test_each_type(value: object, told: object) -> None:
    found = Renderer(100).value(value)

    assert found == told
    json.dumps(found, allow_nan=False)


def test_long_values_are_cut_and_counted() -> None:
    renderer = Renderer(5)
    assert renderer.row(["abcdefgh", "abc", b"x" * 40]) == [
        "abcde… (+3 characters)",
        "abc",
        "\\x" + "78" * 32 + "… (+8 bytes)",
    ]
    assert renderer.shortened == 2


def test_depth_is_bounded() -> None:
    value: object = 1
    for _ in range(NESTING_DEPTH_MAX * 4):
        value = [value]

    assert "[" in compact(Renderer(1000).value(value))
