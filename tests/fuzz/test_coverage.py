"""Every node type that the gate accepts is one that the fuzzer draws: no empty row in the table."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from proxy.sql import tree
from proxy.sql.parse import parse
from tests.fuzz.fixture import world
from tests.fuzz.oracle import ACCEPTED_NODES, Oracle, TreeTally
from tests.fuzz.shapes import JSON_SHAPES, JSON_SHAPES_17, SHAPES, Shapes
from tests.servers.postgres import Server

STATEMENTS = 400
SEED = 20_261  # an odd one: the dear filter
NOT_DRAWN = {"ParamRef": "the oracle over SQL sends no parameters; the one over the wire does"}


def drawn() -> Counter[str]:
    source = Shapes(random.Random(1))
    found: Counter[str] = Counter()
    statements = [source.statement().sql for _ in range(STATEMENTS)]
    statements += [source.shape(template) for template in SHAPES + JSON_SHAPES + JSON_SHAPES_17]
    for sql in statements:
        (statement,) = parse(sql)
        found.update({message.DESCRIPTOR.name for message in tree.walk(statement.node)})
    return found


def test_every_accepted_node_type_is_drawn() -> None:
    assert ACCEPTED_NODES - set(drawn()) - set(NOT_DRAWN) == set()


@pytest.mark.parametrize("template", SHAPES + JSON_SHAPES + JSON_SHAPES_17)
def test_every_shape_parses(template: str) -> None:
    source = Shapes(random.Random(2))

    assert len(parse(source.shape(template))) == 1


@pytest.mark.parametrize("major", [16, 18])
def test_every_shape_answers_alike_and_as_the_reference(
    postgres_of: Callable[[int], Server], major: int
) -> None:
    source = Shapes(random.Random(SEED))
    source.has_json_functions = major >= 17
    with world(postgres_of(major), SEED) as made:
        oracle = Oracle(made, TreeTally())
        try:
            for template in source.shapes():
                oracle.check(source.shape(template), source.random)
        finally:
            oracle.close()

    assert oracle.tally.differences == []
    assert oracle.tally.accepted > len(SHAPES) // 2
