"""Every attack, as it stands and inside other statements, on the oldest and newest kind of planner.

Goal: nothing hidden shows, whatever the plan. Method: see `oracle.py`; the data is in `corpus/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from proxy.faults import Fault
from proxy.inner import inner_statement
from proxy.sql import tree
from proxy.sql.parse import parse
from tests.attack.oracle import PLANS, Oracle, Outcome, oracle
from tests.attack.rows import HOLDERS, Row, is_query, rows, wrapped
from tests.attack.world import world
from tests.servers.postgres import Server

MAJORS = (14, 16, 18)  # the oldest; the most common; virtual columns and another planner
# Inside other statements, on views and on an old planner two are enough: all of them are tried for
# the statement as it stands.
WRAPPED_PLANS = ("default", "loops")
REFUSALS = {
    "42501", "0A000", "42P01", "42703", "42704", "42883", "42601", "42P02", "42702", "54000",
    "54001", "22023", "42P10", "22025", "42803",
}  # fmt: skip


@pytest.fixture(scope="module")
def oracle_of(postgres_of: Callable[[int], Server]) -> Iterator[Callable[[int], Oracle]]:
    """A function from a major version to the worlds on it, made on first use."""
    found: dict[int, Oracle] = {}
    with ExitStack() as stack:

        def oracle_on(major: int) -> Oracle:
            if major not in found:
                current = stack.enter_context(world(postgres_of(major)))
                found[major] = stack.enter_context(oracle(current))
            return found[major]

        yield oracle_on


every_row = pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
every_row_on_each_major = pytest.mark.parametrize(
    ("major", "row"),
    [
        pytest.param(major, row, id=f"postgres{major}-{row.name}")
        for major in MAJORS
        for row in rows()
        if row.since <= major
    ],
)


@every_row_on_each_major
def test_attack(major: int, row: Row, oracle_of: Callable[[int], Oracle]) -> None:
    attacked = oracle_of(major)
    outcome = attacked.attack(
        row.sql,
        parameters=row.parameters,
        parameter_oids=row.oids,
        plans=tuple(PLANS) if attacked.world.major > MAJORS[0] else WRAPPED_PLANS,
    )

    assert outcome.leaks == []
    _expected(row, outcome)
    _demand_twin(attacked, row, row.sql, outcome)


@every_row_on_each_major
def test_attack_within(major: int, row: Row, oracle_of: Callable[[int], Oracle]) -> None:
    attacked = oracle_of(major)
    for form, text in wrapped(row):
        outcome = attacked.attack(
            text, parameters=row.parameters, parameter_oids=row.oids, plans=WRAPPED_PLANS
        )

        assert outcome.leaks == [], form
        if outcome.fault is not None:
            assert outcome.fault.sqlstate in REFUSALS, (form, str(outcome.fault))
        _demand_twin(attacked, row, text, outcome)


@pytest.mark.parametrize("row", [one for one in rows() if is_query(one)], ids=lambda row: row.name)
def test_attack_prepared(row: Row) -> None:
    """What PREPARE and DECLARE hold is the very statement, so that it is decided as one."""
    try:
        (alone,) = parse(row.sql)
    except (Fault, ValueError):
        return  # no statement, or several: nothing to hold
    for holder in HOLDERS:
        (held,) = parse(holder.format(row.sql))
        try:
            found = inner_statement(held)
        except Fault as fault:
            found, told = alone, fault.sqlstate
        else:
            told = ""

        assert told in {"", *REFUSALS}
        assert tree.same_tree(found.node, alone.node)
        assert found.kind is alone.kind


@pytest.fixture(scope="module")
def attacked_views(postgres_of: Callable[[int], Server]) -> Iterator[Oracle]:
    with world(postgres_of(18), are_views=True) as current, oracle(current) as opened:
        yield opened


@every_row
def test_attack_on_a_view(row: Row, attacked_views: Oracle) -> None:
    """The same statement where every relation is a view: no key, no statistics of its own, and
    columns that are expressions for all that the gate knows."""
    outcome = attacked_views.attack(
        row.sql, parameters=row.parameters, parameter_oids=row.oids, plans=WRAPPED_PLANS
    )

    assert outcome.leaks == []
    if outcome.fault is not None and not row.is_refused:
        assert outcome.fault.sqlstate in REFUSALS, str(outcome.fault)


def _demand_twin(attacked: Oracle, row: Row, text: str, outcome: Outcome) -> None:
    """Of a hidden thing and an absent one the same is told, word for word."""
    if row.twin is not None:
        hidden, absent = row.twin
        other = attacked.attack(text.replace(hidden, absent), plans=("default",))

        assert _told(outcome).replace(hidden, absent) == _told(other)


def _expected(row: Row, outcome: Outcome) -> None:
    if row.is_refused:
        assert outcome.fault is not None, outcome.sql
        assert outcome.fault.sqlstate.startswith(row.sqlstate), str(outcome.fault)
        return
    if outcome.fault is not None:
        assert row.expect == "any", str(outcome.fault)
        assert outcome.fault.sqlstate in REFUSALS, str(outcome.fault)
        return
    if row.expect == "any":
        return
    answers = [answer for pair in outcome.answers.values() for answer in pair]
    assert {answer.sqlstate for answer in answers} == {row.sqlstate}, answers[0].message
    if row.rows is not None:
        assert {len(answer.rows) for answer in answers} == {row.rows}
    if row.columns is not None:
        assert {len(line) for answer in answers for line in answer.rows} == {row.columns}
    if row.first is not None:
        told = [None if cell is None else cell.decode() for cell in outcome.rows[0]]
        assert told == list(row.first)


def _told(outcome: Outcome) -> str:
    if outcome.fault is None:
        answer = outcome.answers["default"][0]
        return f"{answer.sqlstate} {answer.message}"
    fault = outcome.fault
    return f"{fault.sqlstate} {fault.message} {fault.detail} {fault.hint} {fault.position}"
