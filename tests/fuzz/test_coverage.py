"""Every node type that the gate accepts is one that the fuzzer draws: no empty row in the table."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from proxy.sql import classify as classification
from proxy.sql import tree
from proxy.sql.parse import parse
from tests.fuzz.fixture import world
from tests.fuzz.oracle import Oracle, Tally
from tests.fuzz.shapes import JSON_SHAPES, SHAPES, Shapes
from tests.servers.postgres import Server

STATEMENTS = 400
SEED = 20_261  # an odd one: the dear filter
# Accepted, but refused further on or only by later servers than 16: never in an accepted statement.
NOT_DRAWN = {
    "JsonFuncExpr": "PostgreSQL 17",
    "JsonBehavior": "PostgreSQL 17",
    "JsonArgument": "PostgreSQL 17",
    "JsonParseExpr": "PostgreSQL 17",
    "JsonScalarExpr": "PostgreSQL 17",
    "JsonSerializeExpr": "PostgreSQL 17",
    "ParamRef": "the oracle sends no parameters; tests/attack does",
}
REFUSED = {"RangeTableSample", "XmlExpr", "XmlSerialize", "RangeTableFunc"}


def drawn() -> Counter[str]:
    source = Shapes(random.Random(1))
    found: Counter[str] = Counter()
    statements = [source.statement().sql for _ in range(STATEMENTS)]
    statements += [source.shape(template) for template in SHAPES + JSON_SHAPES]
    for sql in statements:
        (statement,) = parse(sql)
        found.update({message.DESCRIPTOR.name for message in tree.walk(statement.node)})
    return found


def test_every_accepted_node_type_is_drawn() -> None:
    accepted = (classification._PLAIN | set(classification._RULES)) - REFUSED

    assert accepted - set(drawn()) - set(NOT_DRAWN) == set()


@pytest.mark.parametrize("template", SHAPES + JSON_SHAPES)
def test_every_shape_parses(template: str) -> None:
    source = Shapes(random.Random(2))

    assert len(parse(source.shape(template))) == 1


def test_every_shape_answers_alike_and_as_the_reference(postgres_server: Server) -> None:
    source = Shapes(random.Random(SEED))
    with world(postgres_server, SEED) as made:
        oracle = Oracle(made, Tally())
        try:
            for template in SHAPES + JSON_SHAPES:
                oracle.check(source.shape(template), source.random)
        finally:
            oracle.close()

    assert oracle.tally.differences == []
    assert oracle.tally.accepted > len(SHAPES) // 2
