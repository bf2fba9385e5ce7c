"""The comparison itself: what it must notice, and what it must not mind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fidelity.reading import Outcome
from tests.fidelity.verdict import Judgement, compare

ANSWER = Outcome((("id", "23", -1),), ((b"1",), (b"2",)), "SELECT 2")
REFUSAL = Outcome(sqlstate="0A000", failure="not supported")


@pytest.mark.parametrize(
    "gate",
    [
        replace(ANSWER, columns=(("ID", "23", -1),)),
        replace(ANSWER, columns=(("id", "20", -1),)),
        replace(ANSWER, columns=(("id", "23", 4),)),
        replace(ANSWER, rows=((b"1",),)),
        replace(ANSWER, rows=((b"1",), (b"1",), (b"2",))),
        replace(ANSWER, tag="SELECT 3"),
        replace(ANSWER, rows=((b"1",), (None,))),
        Outcome(sqlstate="42883", failure="undefined function"),
        Outcome(sqlstate="lost", failure="server closed the connection"),
    ],
)
def test_a_difference_is_noticed(gate: Outcome) -> None:
    assert compare(ANSWER, gate, is_ordered=False).judgement is Judgement.DIFFERENT


def test_order_counts_where_it_was_asked_for() -> None:
    turned = replace(ANSWER, rows=ANSWER.rows[::-1])

    assert compare(ANSWER, turned, is_ordered=False).judgement is Judgement.EQUAL
    assert compare(ANSWER, turned, is_ordered=True).judgement is Judgement.DIFFERENT


def test_an_answer_to_what_is_an_error_directly_is_different() -> None:
    error = Outcome(sqlstate="22012", failure="division by zero")

    assert compare(error, ANSWER, is_ordered=False).judgement is Judgement.DIFFERENT


def test_errors_are_equal_by_sqlstate_whatever_their_texts() -> None:
    told, hidden = Outcome(sqlstate="22P02", failure="a"), Outcome(sqlstate="22P02", failure="b")

    assert compare(told, hidden, is_ordered=False).judgement is Judgement.EQUAL
    assert compare(REFUSAL, REFUSAL, is_ordered=False).judgement is Judgement.EQUAL


def test_a_refusal_is_neither_equal_nor_different() -> None:
    assert compare(ANSWER, REFUSAL, is_ordered=False).judgement is Judgement.REFUSED


def test_a_system_column_counts_as_refused_and_another_column_as_different() -> None:
    system = Outcome(sqlstate="42703", failure='column "ctid" does not exist')
    own = Outcome(sqlstate="42703", failure='column "ctidy" does not exist')

    assert compare(ANSWER, system, is_ordered=False).judgement is Judgement.REFUSED
    assert compare(ANSWER, own, is_ordered=False).judgement is Judgement.DIFFERENT
