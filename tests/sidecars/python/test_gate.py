"""`query`: rows of the gate with the person's own rights, types exact."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest

from sidecars.python.gate import parameter
from sidecars.python.pool import Refused
from tests.sidecars.python.conftest import Service

ROWS = "def rows(f): return f if isinstance(f, list) else f.to_dict('records')\n"
"""The rows as dictionaries, in an environment with pandas and in one without."""


async def value(service: Service, code: str, name: str = "alice") -> Any:
    answer = await service.run(ROWS + code, name=name)
    assert answer["ok"], answer
    return answer["result"]["value"]


async def test_rows_are_those_that_the_person_may_see(service: Service) -> None:
    code = (
        "f = rows(query('select region, note from shop.orders'))\n"
        "[len(f), sorted({r['region'] for r in f}), f[0]['note']]"
    )
    assert await value(service, code) == [1000, ["emea"], "[withheld]"]


async def test_types_are_exact(service: Service) -> None:
    code = (
        "r = rows(query('select id, amount, placed, tags, mood::text as mood, region = $1 as here,"
        " placed::date as day, null::text as gap from shop.orders where id = $2', ['emea', 3]))[0]\n"
        "[r['id'] + 2**40, repr(r['amount']), r['placed'].isoformat(), r['tags'], bool(r['here']),"
        " str(r['day'])[:10], r['gap'] is None or r['gap'] != r['gap']]"
    )
    assert await value(service, code) == [
        3 + 2**40,
        "Decimal('4.50')",
        "2026-01-01T03:00:00+00:00",
        '["a", "b3"]',
        True,
        "2026-01-01",
        True,
    ]


@pytest.mark.parametrize(
    "given",
    ["True", "7", "2.5", "'ä'", "datetime.date(2026, 1, 2)", "decimal.Decimal('1.10')", "None"],
)
async def test_parameters_arrive_as_they_are(service: Service, given: str) -> None:
    types = {"T": "bool", "7": "int", "2": "float8", "'": "text", "N": "text"}
    kind = types.get(given[0]) or ("date" if "date(" in given else "numeric")
    code = (
        f"import datetime, decimal\nx = {given}\n"
        f"y = rows(query('select $1::{kind} as x', [x]))[0]['x']\n"
        "bool(y == x or (x is None and y != y) or str(y)[:10] == str(x))"
    )
    assert await value(service, code) is True


async def test_a_result_is_a_frame_that_can_be_worked_with_at_once(service: Service) -> None:
    code = (
        "f = query('select id, region, amount, placed, null::int as gap from shop.orders')\n"
        "f['n'] = 1\ng = f.merge(f[['id', 'n']], on='id').groupby('region').n_x.sum()\n"
        "[int(g.sum()), str(f.id.dtype), str(f.placed.dtype), str(f.gap.dtype), str(f.region.dtype)]"
    )
    assert await value(service, code) == [1000, "int64", "datetime64[us, UTC]", "Int64", "str"]


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("query('select * from shop.secrets')", "42P01"),
        ("query('selec 1')", "42601"),
        ("query('select 1; select 2')", "42601"),
        ("query('drop table shop.orders')", "CallRefused: "),
        ("query('select $1::int', ['x'])", "22000"),
        ("query('select 1', [1, 2])", "parameters"),
        ("query('select * from shop.items')", "5000 rows"),
        ("query('select 1', [{'a': 1}])", "cannot be a parameter"),
        ("query('x' * 200000)", "characters"),
    ],
)
async def test_a_refusal_says_why(service: Service, code: str, part: str) -> None:
    error = (await service.run(code))["error"]
    assert error["type"] in ("CallRefused", "TypeError")
    assert part in error["traceback"]


async def test_host_calls_are_counted(service: Service) -> None:
    answer = await service.run("query('select 1'); query('select 2')", limits={"host_calls": 1})
    assert "host_calls" in answer["error"]["traceback"]


@pytest.mark.parametrize(
    "sent", [{"date": "x"}, {"decimal": "x"}, {"x": 1}, {}, object(), {"array": 1}]
)
def test_a_parameter_of_another_form_is_refused(sent: object) -> None:
    with pytest.raises(Refused):
        parameter(sent)


def test_parameters_keep_their_types() -> None:
    assert parameter({"decimal": "1.10"}) == decimal.Decimal("1.10")
    assert parameter({"array": [1, {"date": "2026-01-02"}]}) == [1, datetime.date(2026, 1, 2)]
