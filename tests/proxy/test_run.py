"""Executions: frames, patterns, figures."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.run import Run, check_patterns, split_frames
from proxy.sources.base import Arguments
from proxy.wire.batch import RowBatch
from tests.proxy.doubles import Recorder, make_session


def test_frames_are_split_where_they_end() -> None:
    batch = RowBatch.of([(b"one",), (None,), (b"",)])
    frames = split_frames(batch.data)

    assert b"".join(frames) == batch.data
    assert [RowBatch(1, frame).rows().__next__() for frame in frames] == [
        (b"one",), (None,), (b"",),
    ]  # fmt: skip
    assert split_frames(b"") == []


@pytest.mark.parametrize("value", [b"%a%", b"a\\\\", b"\\%", None, b"", b"\\\\\\\\"])
def test_well_formed_patterns_pass(value: bytes | None) -> None:
    check_patterns(Arguments((value,)), frozenset({1}))


@pytest.mark.parametrize("value", [b"\\", b"a\\\\\\"])
def test_a_pattern_that_would_raise_on_some_rows_is_refused(value: bytes) -> None:
    with pytest.raises(Fault) as caught:
        check_patterns(Arguments((b"ok", value)), frozenset({2}))
    assert caught.value.sqlstate == "22025"

    check_patterns(Arguments((b"ok", value)), frozenset({1}))  # not a pattern there


def test_a_pattern_without_a_value_is_no_crash() -> None:
    with pytest.raises(Fault) as caught:
        check_patterns(Arguments(()), frozenset({1}))
    assert caught.value.sqlstate == "42P02"


async def test_an_outcome_is_recorded_once() -> None:
    recorder = Recorder()
    run = Run(1, recorder, make_session(), None)  # type: ignore[arg-type]
    run.rows = 7
    await run.finish(Fault("x", sqlstate="22012"))
    await run.finish()

    assert recorder.log == ["ended 7 22012"]
