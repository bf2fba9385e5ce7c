"""Which arguments of EXECUTE are bound as they stand, and what is asked about the others."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from proxy.execute import execute_arguments
from proxy.faults import Fault
from proxy.sources.base import Arguments
from proxy.sql.parse import Statement, parse
from proxy.wire.batch import Row
from proxy.workspace import Prepared

INT4, TEXT, FLOAT8, DATE = 23, 25, 701, 1082


@dataclass
class Asked:
    """Implements execute.Inquiry: types and rows as given, and what was asked for."""

    types: tuple[int, ...] = ()
    casts: list[Row] = field(default_factory=list)
    values: Row = ()
    queries: list[Statement] = field(default_factory=list)
    formats: tuple[int, ...] = ()

    async def describe(self, query: Statement) -> tuple[int, ...]:
        self.queries.append(query)
        return self.types

    async def ask(self, query: Statement, formats: tuple[int, ...]) -> list[Row]:
        self.queries.append(query)
        self.formats = formats
        return self.casts if "format_type" in query.text else [self.values]


async def arguments(text: str, oids: tuple[int, ...], asked: Asked | None = None) -> Arguments:
    statement = parse(text)[-1]
    prepared = Prepared("p", statement, parameter_oids=oids)
    return await execute_arguments(asked or Asked(), statement, prepared)


@pytest.mark.parametrize(
    ("text", "oid", "value"),
    [
        ("7", INT4, b"7"),
        ("-7", INT4, b"-7"),
        ("'x'", DATE, b"x"),
        ("NULL", DATE, None),
        ("1.5", FLOAT8, b"1.5"),
        ("true", 16, b"true"),
    ],
)
async def test_literals_are_bound_as_they_stand(text: str, oid: int, value: bytes | None) -> None:
    asked = Asked()
    assert await arguments(f"EXECUTE p({text})", (oid,), asked) == Arguments((value,))
    assert asked.queries == []


async def test_what_is_no_literal_of_the_type_is_computed() -> None:
    asked = Asked(
        (705, INT4, 1700, FLOAT8),
        [(b"integer", b"integer", b"t"), (b"numeric", b"integer", b"t"), (b"d", b"d", b"t")],
        (b"3", b"2", b"\0" * 8),
    )
    text = "EXECUTE p('a', 1 + 2, 1.7, pi())"
    found = await arguments(text, (TEXT, INT4, INT4, FLOAT8), asked)

    assert found == Arguments((b"a", b"3", b"2", b"\0" * 8), (0, 0, 0, 1))
    described, types, computed = asked.queries
    assert described.text == "VALUES ('a', 1 + 2, 1.7, pi())"
    assert "(1, 23::oid, 23::oid), (2, 1700::oid, 23::oid)" in types.text
    assert computed.text == "VALUES (CAST((1 + 2) AS integer), CAST((1.7) AS integer), " \
        "CAST((pi()) AS d))"  # fmt: skip
    assert asked.formats == (0, 0, 1)


async def test_positions_point_into_the_clients_text() -> None:
    asked = Asked((INT4,), [(b"integer", b"integer", b"t")], (b"3",))
    text = "SELECT 'é'; /* ( */ EXECUTE p /* ( */ (1 + nothing)"
    await arguments(text, (INT4,), asked)
    query = asked.queries[0]

    assert query.text == "VALUES (1 + nothing)"
    place = query.text.index("nothing") + query.offset
    assert text[place:].startswith("nothing")


@pytest.mark.parametrize(
    ("argument", "sqlstate", "position"),
    [("(SELECT 1)", "0A000", 11), ("1 + $2", "42P02", 15), ("f(EXISTS (SELECT 1))", "0A000", 13)],
)
async def test_what_cannot_be_an_argument(argument: str, sqlstate: str, position: int) -> None:
    asked = Asked()
    with pytest.raises(Fault) as caught:
        await arguments(f"EXECUTE p({argument})", (INT4,), asked)

    assert (caught.value.sqlstate, caught.value.position) == (sqlstate, position)
    assert asked.queries == []


async def test_a_type_that_cannot_be_assigned() -> None:
    asked = Asked((TEXT,), [(b"text", b"integer", b"f")])
    with pytest.raises(Fault) as caught:
        await arguments("EXECUTE p('a' || 'b')", (INT4,), asked)

    assert (caught.value.sqlstate, caught.value.position) == ("42804", 11)
    assert caught.value.message == (
        "parameter $1 of type text cannot be coerced to the expected type integer"
    )
    assert len(asked.queries) == 2, "nothing was computed"


async def test_the_number_must_fit() -> None:
    with pytest.raises(Fault) as caught:
        await arguments("EXECUTE p(1, 2)", (INT4,))

    assert caught.value.sqlstate == "42601"
    assert caught.value.detail == "Expected 1 parameters but got 2."


async def test_errors_of_the_probe_speak_of_execute() -> None:
    class Refusing(Asked):
        async def describe(self, query: Statement) -> tuple[int, ...]:
            raise Fault("aggregate functions are not allowed in VALUES", sqlstate="42803")

    with pytest.raises(Fault, match="not allowed in EXECUTE parameters"):
        await arguments("EXECUTE p(count(*))", (INT4,), Refusing())
