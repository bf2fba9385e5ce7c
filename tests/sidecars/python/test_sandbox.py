"""The sandbox by itself: what a program finds in it, and the corpus of escapes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sidecars.python.pool import Pool
from tests.sidecars.python.conftest import SHORT, run
from tests.sidecars.python.escapes import ESCAPES, Escape

TIGHT = replace(SHORT, wall_seconds=1.5, cpu_seconds=1.2, host_calls=50, files_bytes=20_000_000)


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(ESCAPES) >= 60
    assert len({one.name for one in ESCAPES}) == len(ESCAPES)


@pytest.mark.parametrize("escape", ESCAPES, ids=[one.name for one in ESCAPES])
async def test_no_program_gets_out(pool: Pool, escape: Escape) -> None:
    seen = await run(pool, escape.code, TIGHT if "LimitReached" in escape.ends else SHORT_WALL)
    allowed = escape.ends.split("|")
    found = seen.result.error or "ok " + json.dumps(_plain(seen.result.value))
    assert found in allowed, seen
    assert escape.stdout in seen.stdout
    # Whatever it was: the next program, in the same process or another, does not notice.
    after = await run(pool, "import os; [1 + 1, os.listdir('.')]")
    assert _plain(after.result.value) == [2, []]


SHORT_WALL = replace(SHORT, wall_seconds=10.0)


def _plain(value: str) -> object:
    content = json.loads(value)
    return content["value"] if content else None
