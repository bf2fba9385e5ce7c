"""`python -m bench.catalog`: what many tables and roles cost the catalog: time, memory, disk.

A source of `--tables` tables of `--columns` columns with keys and comments, made up in memory; one
all-seeing class over it; and `--roles` roles that see a twentieth of the tables each, in classes of
their own of which `--classes` are kept. No peer is measured beside: these are times of one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from policies.model import RelationKey, VisibleColumn
from proxy.catalog.shadow import Shadow, shadow_cluster
from proxy.catalog.virtual import ClassCatalog, Column, Relation, SourceCatalog, class_catalog
from proxy.faults import LimitFault
from proxy.runtime.embedded import Cluster

SCHEMAS = 20
"""Tables are spread over so many schemas, and a role sees the tables of one."""

TABLE = "schema_1.table_1"
ONE_BY_ONE_MAX = 20
"""So many roles are measured one after the other before all come at once."""

ALL_COLUMNS = "SELECT count(*) FROM information_schema.columns"
BI_SCAN = (
    "SELECT c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),"
    " col_description(c.oid, a.attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.relkind = 'r' AND a.attnum > 0 AND c.relnamespace > 16384"
)

_TYPES = (
    (23, "integer"),
    (25, "text"),
    (1700, "numeric(12,2)"),
    (1184, "timestamp with time zone"),
)


Timed = Callable[[str, Awaitable[object], int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    tables: int
    columns: int
    roles: int
    classes: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result; `unit` is s, ms or MB."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name:<58} {self.value:>10.2f} {self.unit}"


def source(size: Size) -> SourceCatalog:
    """The made-up source."""
    columns = tuple(
        Column(
            f"column_{number}",
            *_TYPES[number % len(_TYPES)],
            number + 1,
            not_null=number == 0,
            comment=f"What column {number} holds, in a sentence",
        )
        for number in range(size.columns)
    )
    relations = [
        Relation(
            "main",
            f"schema_{number % SCHEMAS}",
            f"table_{number}",
            "r",
            columns,
            oid=20_000 + number,
            primary_key=("column_0",),
            comment=f"One row for each thing of kind {number}",
            fingerprint=str(number),
        )
        for number in range(size.tables)
    ]
    return SourceCatalog("main", 160_014, {relation.key: relation for relation in relations})


def role_catalog(catalog: SourceCatalog, role: int | None) -> ClassCatalog:
    """What one role sees: a schema, and of its first table a column less than anybody else; None
    sees everything."""
    visible: dict[RelationKey, list[VisibleColumn]] = {}
    for key, relation in catalog.relations.items():
        if role is not None and key.schema != f"schema_{role % SCHEMAS}":
            continue
        hidden = None if role is None or visible else f"column_{1 + role // SCHEMAS}"
        visible[key] = [
            VisibleColumn(column.name, None) for column in relation.columns if column.name != hidden
        ]
    return class_catalog([catalog], visible)


class _Told(list[Figure]):
    """Figures, printed as they come: the whole takes minutes."""

    def append(self, figure: Figure) -> None:
        print(figure, flush=True)
        super().append(figure)


async def figures(size: Size, directory: Path) -> list[Figure]:
    """Measure everything, once, and print it."""
    catalog = source(size)
    found = _Told()

    async def timed(name: str, work: Awaitable[object], count: int = 1, unit: str = "s") -> None:
        started = time.perf_counter()
        await work
        spent = (time.perf_counter() - started) / count
        found.append(Figure(name, spent * (1_000 if unit == "ms" else 1), unit))

    started = time.perf_counter()
    everything = role_catalog(catalog, None)
    found.append(Figure("all-seeing class: computed", time.perf_counter() - started, "s"))
    text = f"SELECT * FROM {TABLE} WHERE column_0 = $1"
    for state in ("cold", "after a restart"):
        async with shadow_cluster(directory / "shadow") as cluster:
            shadow = Shadow(cluster, "analytics", size.classes)
            await timed(f"shadow started, {state}", shadow.start())
            asked = await shadow.class_for(everything)
            name = f"all-seeing class: first %s statement, {state}"
            await timed(name % "data", asked.describe(text, (), ()))
            await timed(name % "catalog", asked.run(f"SELECT '{TABLE}'::regclass"))
            if state == "cold":
                texts = [f"{text} AND column_0 <> {number}" for number in range(100)]
                described = _each(asked.describe(one, (), ()) for one in texts)
                await timed("a new statement described, warm", described, 100, "ms")
                await timed("information_schema.columns counted", asked.run(ALL_COLUMNS))
                await timed("all columns with comments (BI scan)", asked.run(BI_SCAN))
                found.append(Figure("disk of one class", _disk(directory), "MB"))
            else:
                await _measure_roles(shadow, catalog, size, timed)
                found.append(Figure("memory of the shadow (PSS)", _memory(cluster), "MB"))
                found.append(Figure("disk of all classes kept", _disk(directory), "MB"))
            await shadow.close()
    return found


async def _measure_roles(shadow: Shadow, catalog: SourceCatalog, size: Size, timed: Timed) -> None:
    """Each role asks one statement: its class is made, and the oldest goes beyond the cap."""
    refused: list[LimitFault] = []

    async def read(role: int) -> None:
        asked = await shadow.class_for(role_catalog(catalog, role))
        schema = role % SCHEMAS
        try:
            await asked.describe(f"SELECT * FROM schema_{schema}.table_{schema}", (), ())
        except LimitFault as fault:
            refused.append(fault)

    async def told(role: int) -> None:
        asked = await shadow.class_for(role_catalog(catalog, role))
        await asked.run("SELECT count(*) FROM pg_class")

    name = f"a role's class ({size.tables // SCHEMAS} tables): first %s statement"
    few = range(min(size.roles, ONE_BY_ONE_MAX))
    await timed(name % "data", _each(read(role) for role in few), len(few))
    await timed(name % "catalog", _each(told(role) for role in few), len(few))
    everybody = asyncio.gather(*(read(role) for role in range(size.roles)))
    await timed(f"{size.roles} roles at once: until the last has its answer", everybody, 1)
    print(f"of {size.roles} at once, {len(refused)} were told to try again", flush=True)


async def _each(works: Iterable[Awaitable[object]]) -> None:
    for work in works:
        await work


def _disk(directory: Path) -> float:
    files = (directory / "shadow" / "data" / "base").rglob("*")
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file()) / 1e6


def _memory(cluster: Cluster) -> float:
    """Proportional set size of the server's processes (proc(5), smaps_rollup)."""
    parent = cluster.process_id
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            if f"\nPPid:\t{parent}\n" in text or status.parent.name == str(parent):
                lines = (status.parent / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue  # it ended meanwhile
    return total / 1e3


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.catalog", description=__doc__)
    parser.add_argument("--tables", type=int, default=2_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--roles", type=int, default=200)
    parser.add_argument("--classes", type=int, default=64)
    given = parser.parse_args()
    size = Size(given.tables, given.columns, given.roles, given.classes)
    with TemporaryDirectory(prefix="sallyport-bench-") as directory:
        asyncio.run(figures(size, Path(directory)))


if __name__ == "__main__":
    main()
