"""The errors that types share."""

from __future__ import annotations

import pytest

from proxy.wire import type_values
from proxy.wire.errors import InvalidValue


def test_errors_name_the_type_and_their_sqlstate() -> None:
    assert type_values.invalid("date").sqlstate == "22P02"
    assert type_values.invalid_binary("date").sqlstate == "22P03"
    assert type_values.out_of_range("integer").sqlstate == "22003"
    assert "integer" in type_values.out_of_range("integer").message


def test_a_length_is_exact() -> None:
    assert type_values.fixed(b"abcd", 4, "integer") == b"abcd"
    for data in (b"abc", b"abcde", b""):
        with pytest.raises(InvalidValue):
            type_values.fixed(data, 4, "integer")
