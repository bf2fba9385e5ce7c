"""Statements that are small on the wire and large in work: an answer or a refusal, and soon.

Goal: no text makes the gate compute for long, recurse out of its stack, or fail other than by a
fault (I10, I11). Method: shapes whose naive treatment is exponential, quadratic or recursive.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from proxy.faults import Fault
from tests.proxy.sql.fixture import guarded

CPU_SECONDS_MAX = 30.0  # each takes a fraction of one; what is exponential would take hours


def chain(levels: int, expression: str) -> str:
    """WITH queries each reading the one before, its column used as `expression` says."""
    parts = ["a0 AS (SELECT id AS x FROM orders)"]
    parts += [f"a{n} AS (SELECT {expression} AS x FROM a{n - 1})" for n in range(1, levels)]
    return f"WITH {', '.join(parts)} SELECT x FROM a{levels - 1} WHERE x = 3"


def forward(levels: int) -> str:
    parts = [f"a{n} AS (SELECT x FROM a{n + 1})" for n in range(levels)]
    return f"WITH RECURSIVE {', '.join(parts)}, a{levels} AS (SELECT 1 AS x) SELECT * FROM a0"


def stars_over_stars(levels: int) -> str:
    parts = ["a0 AS (SELECT * FROM orders)"]
    parts += [f"a{n} AS (SELECT p.*, q.* FROM a{n - 1} p, a{n - 1} q)" for n in range(1, levels)]
    return f"WITH {', '.join(parts)} SELECT * FROM a{levels - 1}"


def wide_chain(levels: int, width: int) -> str:
    parts = [f"a0 AS (SELECT {', '.join(f'1 AS c{n}' for n in range(width))})"]
    parts += [f"a{n} AS (SELECT * FROM a{n - 1})" for n in range(1, levels)]
    return f"WITH {', '.join(parts)} SELECT * FROM a{levels - 1}"


def star_within_star(levels: int) -> str:
    sql = "SELECT * FROM orders"
    for _ in range(levels):
        sql = f"SELECT *, * FROM ({sql}) q"
    return sql


def fan(levels: int) -> str:
    parts = ["a0 AS (SELECT id AS x FROM orders)"]
    parts += [f"a{n} AS (SELECT p.x FROM a{n - 1} p, a{n - 1} q)" for n in range(1, levels)]
    return f"WITH {', '.join(parts)} SELECT * FROM a{levels - 1} WHERE x / 0 = 1"


STATEMENTS: dict[str, Callable[[], str]] = {
    "doubling coalesce": lambda: chain(40, "coalesce(x, x)"),
    "doubling case": lambda: chain(40, "CASE WHEN x = x THEN x ELSE x END"),
    "doubling row": lambda: chain(40, "CASE WHEN (x, x) < (x, x) THEN x END"),
    "chain of 300": lambda: chain(300, "x"),
    "chain of 3000": lambda: chain(3000, "x"),
    "forward references": lambda: forward(400),
    "fan": lambda: fan(40),
    "joins": lambda: "SELECT 1 FROM " + ", ".join(f"orders o{n}" for n in range(300)),
    "members": lambda: f"SELECT id FROM orders WHERE id IN ({', '.join(map(str, range(100_000)))})",
    "subqueries": lambda: "SELECT " + ", ".join(["(SELECT max(id) FROM orders)"] * 3_000),
    "stars": lambda: "SELECT " + ", ".join("*" * 1_000) + " FROM orders, orders b WHERE 1 / b.id = 1",
    "stars over stars": lambda: stars_over_stars(40),
    "star within star": lambda: star_within_star(20),
    "a wide chain": lambda: wide_chain(200, 1_600),
    "conditions": lambda: "SELECT 1 FROM orders WHERE " + " OR ".join(["1 / id = 1"] * 5_000),
    "arms": lambda: " UNION ALL ".join(["SELECT id FROM orders"] * 3_000),
    "left recursion": lambda: "SELECT 1" + "+1" * 60_000,
    "left recursion of joins": lambda: "SELECT 1 FROM orders" + " CROSS JOIN orders" * 55_000,
    "left recursion of tests": lambda: "SELECT 1" + " IS NULL" * 100_000,
    "comments in comments": lambda: "/*" * 200_000 + "*/" * 200_000 + " SELECT 1",
    "signs": lambda: "SELECT 1 " + "+" * 500_000 + "1",
    "values": lambda: "VALUES " + ", ".join(f"({n}, 'x')" for n in range(40_000)),
}  # fmt: skip


def settled(sql: str) -> str:
    """The SQLSTATE that a statement is refused with, empty if it is guarded."""
    try:
        guarded(sql)
    except Fault as fault:
        return fault.sqlstate
    return ""


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_settled_soon(name: str) -> None:
    sql = STATEMENTS[name]()
    started = time.process_time()

    assert settled(sql) in ("", "54000", "54001", "54011", "0A000")
    assert time.process_time() - started < CPU_SECONDS_MAX
