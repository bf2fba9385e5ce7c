"""Batches: frames side by side, encoded once and decoded only by who must look inside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.backend import CopyData, DataRow
from proxy.wire.batch import CopyBatch, Row, RowBatch
from proxy.wire.errors import MalformedMessage
from tests.proxy.wire import strategies


@given(st.lists(strategies.values, max_size=6))
def test_rows_round_trip(rows: list[Row]) -> None:
    batch = RowBatch.of(rows)

    assert batch.count == len(rows)
    assert list(batch.rows()) == rows
    assert batch.encode() == b"".join(DataRow(row).encode() for row in rows)


@given(st.lists(strategies.data, max_size=6))
def test_portions_round_trip(portions: list[bytes]) -> None:
    batch = CopyBatch.of(portions)

    assert batch.count == len(portions)
    assert list(batch.portions()) == portions
    assert batch.encode() == b"".join(CopyData(portion).encode() for portion in portions)


def test_a_row_whose_lengths_do_not_add_up_is_refused_when_looked_at() -> None:
    batch = RowBatch(1, b"D\0\0\0\x0a\0\x01\xff\xff\xff\xfe")

    with pytest.raises(MalformedMessage):
        list(batch.rows())


def test_content_is_not_in_the_repr() -> None:
    assert repr(RowBatch.of([(b"secret",)])) == "RowBatch(count=1)"
    assert repr(CopyBatch.of([b"secret"])) == "CopyBatch(count=1)"
