"""A parameter that nobody can give a value is refused, and its place is told."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.sql.parameter import refuse_parameters
from proxy.sql.parse import parse


@pytest.mark.parametrize(
    ("sql", "number", "position"),
    [
        ("SELECT $1", 1, 8),
        ("SELECT 'é', $2 + $1", 2, 13),
        ("COPY (SELECT id FROM t WHERE id = $3) TO STDOUT", 3, 35),
        ("DECLARE c CURSOR FOR SELECT * FROM t WHERE a LIKE $1", 1, 51),
        ("EXECUTE q($1)", 1, 11),
    ],
)
def test_the_first_parameter_of_the_text_is_told(sql: str, number: int, position: int) -> None:
    (statement,) = parse(sql)
    with pytest.raises(Fault, match=rf"^there is no parameter \${number}$") as caught:
        refuse_parameters(statement)

    assert (caught.value.sqlstate, caught.value.position) == ("42P02", position)


def test_a_position_counts_from_the_statements_own_text() -> None:
    statement = parse("SELECT 'ü';  SELECT $1")[1]
    with pytest.raises(Fault) as caught:
        refuse_parameters(statement)

    assert caught.value.position == 8


@pytest.mark.parametrize("sql", ["SELECT '$1'", "SELECT $$ $1 $$", 'SELECT 1 AS "$1"', ""])
def test_a_dollar_alone_is_no_parameter(sql: str) -> None:
    refuse_parameters(parse(sql)[0])
