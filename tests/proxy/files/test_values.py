"""Values of parameters, each of one type."""

from __future__ import annotations

import datetime
from decimal import Decimal
from uuid import UUID

import pytest

from proxy.files.values import value_of


def test_each_kind_is_one_type() -> None:
    assert value_of("boolean", "t") is True
    assert value_of("integer", "-5") == -5
    assert value_of("numeric", "1.50") == Decimal("1.50")
    assert value_of("double", "0.5") == 0.5
    assert value_of("date", "2026-01-02") == datetime.date(2026, 1, 2)
    assert value_of("timestamp", "2026-01-02 03:04:05.6") == datetime.datetime(
        2026, 1, 2, 3, 4, 5, 600_000
    )
    assert value_of("uuid", "0" * 32) == UUID(int=0)
    assert value_of("text[]", ["a", None]) == ["a", None]
    assert value_of("text", None) is None


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        value_of("money", "1")
