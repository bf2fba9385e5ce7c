"""Goal: a number follows from a name alone, as renumber.sql computes it, and no two objects share one.

Method: the rule against the same rule in SQL; names that meet are made by taking numbers away.
"""

from __future__ import annotations

import pytest

from proxy.catalog.numbering import (
    FIRST_NUMBER,
    array_type_name,
    chosen_name,
    number_of,
    numbers_of,
    object_name,
)
from proxy.runtime.embedded import Cluster

IN_SQL = """SELECT 16777217 + 2 * (('x' || left(encode(sha256(convert_to(
    $1 || ':' || $2, 'UTF8')), 'hex'), 8))::bit(32)::bigint % 1065353215)"""


@pytest.mark.parametrize("key", ["table public.a", 'table "Odd é".x', "type a[]"])
async def test_the_rule_is_that_of_sql(cluster: Cluster, key: str) -> None:
    superuser = await cluster.connect()
    for attempt in range(3):
        assert await superuser.fetchval(IN_SQL, str(attempt), key) == number_of(key, attempt)
    await superuser.close()


def test_numbers_of_names_that_meet_move_on_in_order_of_names() -> None:
    first = number_of("table a")
    numbers = numbers_of(["table a", "table b"], taken=[first])
    assert numbers == {"table a": number_of("table a", 1), "table b": number_of("table b")}
    assert all(number >= FIRST_NUMBER and number % 2 for number in numbers.values())


def test_names_of_array_types_avoid_those_taken() -> None:
    assert array_type_name("a", set()) == "_a"
    assert array_type_name("a", {"_a", "__a"}) == "___a"
    assert array_type_name("é" * 31 + "x", set()) == "_" + "é" * 31


def test_generated_names_are_cut_where_postgres_cuts_them() -> None:
    assert object_name("orders", "", "pkey") == "orders_pkey"
    assert object_name("a" * 60, "b" * 10, "key") == "a" * 48 + "_" + "b" * 10 + "_key"
    assert object_name("é" * 40, "", "pkey") == "é" * 29 + "_pkey"
    assert chosen_name("t", "", "pkey", {"t_pkey", "t_pkey1"}) == "t_pkey2"
