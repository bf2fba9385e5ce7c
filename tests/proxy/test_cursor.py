"""What DECLARE and FETCH may say."""

from __future__ import annotations

import pytest

from proxy import cursor
from proxy.faults import Fault
from proxy.sql.parse import parse
from proxy.workspace import Portal, Prepared


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("FETCH c", 1),
        ("FETCH NEXT FROM c", 1),
        ("FETCH FORWARD 5 FROM c", 5),
        ("FETCH 7 c", 7),
        ("FETCH ALL c", 0),
        ("FETCH FORWARD ALL IN c", 0),
        ("MOVE 3 c", 3),
        ("FETCH 2147483647 c", 2**31 - 1),
    ],
)
def test_forward(text: str, rows: int) -> None:
    assert cursor.row_max(parse(text)[0].node) == rows


@pytest.mark.parametrize(
    "text",
    ["FETCH PRIOR c", "FETCH BACKWARD 2 c", "FETCH FIRST c", "FETCH LAST c", "FETCH ABSOLUTE 1 c",
     "FETCH RELATIVE 1 c", "FETCH 0 c", "FETCH -1 c", "MOVE BACKWARD ALL c"],
)  # fmt: skip
def test_backward(text: str) -> None:
    with pytest.raises(Fault) as caught:
        cursor.row_max(parse(text)[0].node)

    assert caught.value.sqlstate == "0A000"


@pytest.mark.parametrize("options", ["", "NO SCROLL", "SCROLL", "INSENSITIVE", "ASENSITIVE"])
@pytest.mark.parametrize("hold", ["", "WITH HOLD", "WITHOUT HOLD"])
def test_options_that_are_taken(options: str, hold: str) -> None:
    cursor.check_options(parse(f"DECLARE c {options} CURSOR {hold} FOR SELECT 1")[0])


def test_options_that_are_not() -> None:
    with pytest.raises(Fault) as caught:
        cursor.check_options(parse("DECLARE c BINARY CURSOR FOR SELECT 1")[0])

    assert caught.value.sqlstate == "0A000"


def test_formats_are_those_of_the_first_fetch() -> None:
    (statement,) = parse("FETCH c")
    prepared = Prepared("", statement)
    target, fetch = Portal("c", prepared), Portal("", prepared, formats=(1,))
    cursor.check_formats(target, fetch)
    assert target.formats == (1,)
    target.is_started = True
    cursor.check_formats(target, Portal("", prepared, formats=(1, 1)))
    with pytest.raises(Fault):
        cursor.check_formats(target, Portal("", prepared))
