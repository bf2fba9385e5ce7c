"""The data rows: reading them, and the forms in which each statement is tried.

A row has `case` (its number within its file), `sql`, and optionally:
`expect`      `filtered` (accepted, no error; the default), `error STATE` (accepted, raises that),
              `refused [STATE]` (the gate says no), `any` (whatever: only the judgement counts);
`rows`, `columns`, `first`  number of rows, of columns, and the texts of the only row;
`twin`        a hidden name and an absent one: with either, the answer is word for word the same;
`parameters`, `oids`        the client's parameters and their types;
`since`       the first PostgreSQL version that has the feature;
`repeat`      instead of `sql`: open × times + core + close × times, after SELECT;
`is_alone`    not tried inside other statements: refused by the shadow, which is not here;
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Row:
    """One attack."""

    group: str
    number: int
    sql: str
    expect: str = "filtered"
    rows: int | None = None
    columns: int | None = None
    first: tuple[str | None, ...] | None = None
    twin: tuple[str, str] | None = None
    parameters: tuple[str | None, ...] = ()
    oids: tuple[int, ...] = ()
    since: int = 14
    is_alone: bool = False

    @property
    def name(self) -> str:
        return f"{self.group}-{self.number}-{self.sql[:60]}"

    @property
    def is_refused(self) -> bool:
        return self.expect.startswith("refused")

    @property
    def sqlstate(self) -> str:
        """The SQLSTATE that `expect` names, empty if none."""
        return self.expect.partition(" ")[2]


@cache
def rows() -> tuple[Row, ...]:
    """Every row of every file, in order."""
    return tuple(row for path in sorted(FOLDER.glob("*.yaml")) for row in _read(path))


def _read(path: Path) -> Iterator[Row]:
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        given = dict(entry)
        given.pop("note", None)
        repeat = given.pop("repeat", None)
        if repeat is not None:
            times = repeat["times"]
            body = repeat["open"] * times + repeat["core"] + repeat["close"] * times
            given["sql"] = f"SELECT {body}"
        for name in ("parameters", "oids", "first", "twin"):
            if name in given:
                given[name] = tuple(given[name])
        yield Row(
            group=path.stem,
            number=given.pop("case"),
            **given,
        )


# A statement inside another: the same must hold of it there. A line comment ends with its line.
WRAPPINGS = {
    "cte": "WITH wrapped AS ({0}\n) SELECT * FROM wrapped",
    "materialized": "WITH wrapped AS MATERIALIZED ({0}\n) SELECT count(*) FROM wrapped",
    "subquery": "SELECT * FROM ({0}\n) wrapped",
    "exists": "SELECT id FROM lookup l, accounts a WHERE a.id = 2 AND EXISTS ({0}\n)",
    "joined": "SELECT count(*) FROM accounts a LEFT JOIN ({0}\n) wrapped ON a.id = 2",
    "arm": "({0}\n) INTERSECT ({0}\n)",
    "copy": "COPY ({0}\n) TO STDOUT",
}
# What holds a statement without changing it: the query inside is decided as if it had come alone.
HOLDERS = ("PREPARE p AS {0}", "DECLARE c CURSOR FOR {0}", "DECLARE c CURSOR WITH HOLD FOR {0}")


def is_query(row: Row) -> bool:
    """Whether the row's statement may stand inside another."""
    text = re.sub(r"\A(?:\s|--[^\n]*\n|/\*.*?\*/)*", "", row.sql, flags=re.DOTALL).upper()
    return text.startswith(("SELECT", "WITH", "TABLE", "VALUES", "("))


def wrapped(row: Row) -> Iterator[tuple[str, str]]:
    """The row's statement in every form that its kind allows: name of the form and text."""
    if row.is_alone or not is_query(row):
        return
    for form, text in WRAPPINGS.items():
        if form != "copy" or not row.oids:
            yield form, text.format(row.sql)
