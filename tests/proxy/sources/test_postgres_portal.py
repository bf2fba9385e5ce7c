"""Limits cut at whole rows, over however many batches the rows come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.sources.postgres_portal import Portal, whole_frames
from proxy.sources.postgres_statement import Statement
from proxy.wire.batch import Row, RowBatch

ROW: Row = (b"x" * 9,)
FRAME_BYTES = len(RowBatch.of([ROW]).data)


def portal(row_limit: int | None = None, byte_limit: int | None = None) -> Portal:
    return Portal("", Statement(("", ()), ""), row_limit=row_limit, byte_limit=byte_limit)


def test_without_limits_a_batch_is_the_same_object() -> None:
    batch = RowBatch.of([ROW] * 3)
    mine = portal()
    assert mine.admit(batch) is batch
    assert (mine.rows, mine.bytes, mine.is_truncated) == (3, 3 * FRAME_BYTES, False)


def test_a_limit_that_is_just_reached_cuts_nothing() -> None:
    mine = portal(row_limit=3, byte_limit=3 * FRAME_BYTES)
    assert mine.admit(RowBatch.of([ROW] * 3)).count == 3
    assert not mine.is_truncated


def test_one_row_too_many() -> None:
    mine = portal(row_limit=3)
    assert mine.admit(RowBatch.of([ROW] * 4)).count == 3
    assert mine.is_truncated
    assert mine.is_complete


def test_a_byte_limit_cuts_before_the_row_that_crosses_it() -> None:
    mine = portal(byte_limit=2 * FRAME_BYTES + 1)
    assert mine.admit(RowBatch.of([ROW] * 3)).count == 2
    assert mine.is_truncated


@given(
    st.lists(st.lists(st.binary(max_size=20), max_size=5), max_size=6),
    st.one_of(st.none(), st.integers(0, 12)),
    st.one_of(st.none(), st.integers(0, 300)),
)
def test_what_is_let_through_is_the_longest_beginning_within_the_limits(
    batches: list[list[bytes]], row_limit: int | None, byte_limit: int | None
) -> None:
    mine = portal(row_limit, byte_limit)
    rows: list[Row] = [(value,) for batch in batches for value in batch]
    taken: list[Row] = []
    for batch in batches:
        if mine.is_truncated:
            break
        taken += list(mine.admit(RowBatch.of([(value,) for value in batch])).rows())
    expected: list[Row] = []
    size = 0
    for row in rows:
        size += len(RowBatch.of([row]).data)
        if (row_limit is not None and len(expected) >= row_limit) or (
            byte_limit is not None and size > byte_limit
        ):
            break
        expected.append(row)
    assert taken == expected
    assert mine.is_truncated is (len(expected) < len(rows))


def test_whole_frames_of_nothing() -> None:
    assert whole_frames(b"", 0, 0) == (0, 0)
