"""A short seeded run of the fuzzer, and proof that its oracle can fail.

The long run is `make fuzz`. Any difference is a stop-the-line bug.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from proxy.sql import pipeline
from proxy.sql.fence import Fences, place_fences
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound
from tests.fuzz.fixture import World, world
from tests.fuzz.generator import Generator
from tests.fuzz.oracle import Oracle, TreeTally
from tests.servers.postgres import Server

SEED = 20_260
STATEMENTS = 150
ACCEPTED_SHARE_MIN = 0.6

# The filter of `items` is a correlated EXISTS, dearer than a cast: the planner runs the cast first.
LEAKS = [
    "SELECT id FROM items WHERE code::int >= 0",
    "SELECT count(*) FROM items WHERE code::int IN (1, 2)",
    "SELECT q.n FROM (SELECT code::numeric AS n FROM items) q WHERE q.n > 1",
]


@pytest.fixture(scope="module")
def worlds(postgres_server: Server) -> Iterator[World]:
    with world(postgres_server, SEED) as made:
        yield made


def run(made: World, statements: int) -> TreeTally:
    source = random.Random(SEED)
    generator = Generator(source)
    oracle = Oracle(made, TreeTally())
    try:
        while oracle.tally.generated < statements:
            one = generator.statement()
            oracle.check(one.sql, source, is_ordered=one.is_ordered)
    finally:
        oracle.close()
    return oracle.tally


def test_generated_statements_answer_alike_and_as_the_reference(worlds: World) -> None:
    tally = run(worlds, STATEMENTS)

    assert tally.differences == []
    assert tally.accepted_share >= ACCEPTED_SHARE_MIN
    assert tally.compared > STATEMENTS // 2


def check_one(made: World, sql: str) -> TreeTally:
    oracle = Oracle(made, TreeTally())
    try:
        oracle.check(sql, random.Random(SEED))
    finally:
        oracle.close()
    return oracle.tally


@pytest.mark.parametrize("sql", LEAKS)
def test_a_leak_is_noticed_without_the_fence(
    worlds: World, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_one(worlds, sql).differences == []

    def no_fence(bound: Bound, safety: Safety) -> Fences:
        return Fences()

    assert pipeline.place_fences is place_fences
    monkeypatch.setattr(pipeline, "place_fences", no_fence)
    assert check_one(worlds, sql).differences != []


def test_a_row_too_many_is_noticed(worlds: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fuzz import fixture

    monkeypatch.setitem(fixture._FILTERS, "people", "true")
    monkeypatch.setitem(fixture._CLAIMS_USED, "people", set())

    assert check_one(worlds, "SELECT count(*) FROM people").differences != []
