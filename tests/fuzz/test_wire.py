"""A short seeded run over the wire, and proof that what it compares can differ."""

from __future__ import annotations

import random

import pytest

from proxy.wire.backend import CommandComplete, ErrorResponse, RowDescription
from proxy.wire.batch import CopyBatch, RowBatch
from tests.fuzz import gates, wire
from tests.fuzz.conversation import WAYS, Seen, difference, rounds
from tests.fuzz.parameters import OIDS, Parameter, Parametrised
from tests.servers.postgres import Server

SEED = 20_262
STATEMENTS = 40  # starting two gates takes longer than asking them
STATEMENTS_OVER_SEVERAL = 20
ACCEPTED_SHARE_MIN = 0.6


def test_conversations_with_both_gates_are_alike(postgres_server: Server) -> None:
    tally = wire.run(postgres_server, SEED, minutes=1.0, statements=STATEMENTS)

    assert tally.differences == []
    assert tally.accepted_share >= ACCEPTED_SHARE_MIN
    assert tally.parameters > 0
    assert tally.compared > 0
    assert set(tally.ways) >= {"named", "copy", "cursor"}


def test_tables_in_several_sources_make_no_difference(postgres_server: Server) -> None:
    tally = wire.run(
        postgres_server, SEED, minutes=1.0, statements=STATEMENTS_OVER_SEVERAL, source_count=3
    )

    assert tally.differences == []
    assert tally.accepted_share >= ACCEPTED_SHARE_MIN
    assert tally.over_several > 0
    assert tally.compared > 0


def test_a_row_too_many_is_noticed(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = gates.POLICY.replace("where: region = ANY(claim('regions'))", "")
    monkeypatch.setattr(gates, "POLICY", everything)
    monkeypatch.setattr(
        Parametrised, "shapes", lambda self: ("SELECT p.name FROM people p WHERE p.id > 0",)
    )
    monkeypatch.setattr("tests.fuzz.shapes.SHAPES_SHARE", 1.0)

    assert wire.run(postgres_server, SEED, minutes=1.0, statements=2).differences


ERROR = ErrorResponse({"S": "ERROR", "C": "22012", "M": "division by zero"})


@pytest.mark.parametrize(
    ("left", "right", "is_different"),
    [
        ([RowBatch.of([(b"1",), (b"2",)])], [RowBatch.of([(b"2",), (b"1",)])], False),
        ([RowBatch.of([(b"1",)])], [RowBatch.of([(b"1",), (b"1",)])], True),
        ([RowBatch.of([(None,)])], [RowBatch.of([(b"",)])], True),
        ([CopyBatch.of([b"1\n", b"2\n"])], [CopyBatch.of([b"2\n", b"1\n"])], False),
        ([CopyBatch.of([b"1\n"])], [CopyBatch.of([b"2\n"])], True),
        ([CommandComplete("SELECT 1")], [CommandComplete("SELECT 2")], True),
        ([RowDescription(())], [], True),
        ([RowBatch.of([(b"1",)]), ERROR], [ERROR], False),
        ([ERROR], [], True),
    ],
    ids=str,
)
def test_what_counts_as_a_difference(
    left: list[object], right: list[object], is_different: bool
) -> None:
    seen = [Seen.of(answer, is_ordered=False) for answer in (left, right)]  # type: ignore[arg-type]

    assert bool(difference(*seen)) == is_different


def test_order_counts_where_the_statement_fixes_it() -> None:
    answers = ([RowBatch.of([(b"1",), (b"2",)])], [RowBatch.of([(b"2",), (b"1",)])])
    seen = [Seen.of(answer, is_ordered=True) for answer in answers]

    assert difference(*seen)


@pytest.mark.parametrize("type_", OIDS)
def test_every_value_has_both_formats(type_: str) -> None:
    generator = Parametrised(random.Random(3))
    while len(generator.parameters) < 20:
        generator.literal(type_)

    for parameter in generator.parameters:
        for execution in (0, 1):
            for code in (0, 1):
                encoded = parameter.encoded(execution, code)
                assert (encoded is None) == (parameter.values[execution] is None)


@pytest.mark.parametrize("way", sorted(set(WAYS)))
def test_every_way_is_a_conversation(way: str) -> None:
    parameter = Parameter(23, ("1", None))
    found = rounds(way, "SELECT $1", [parameter], random.Random(4))

    assert found
    assert all(messages for messages in found)
