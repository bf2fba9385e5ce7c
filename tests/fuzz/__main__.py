"""`make fuzz`: generated statements until time is up; any difference is a stop-the-line bug.

Half of the time the guarded SQL is run on both databases (`oracle`), half of it conversations are held
with two gates (`wire`).
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time

import structlog

from tests.fuzz import wire
from tests.fuzz.fixture import world
from tests.fuzz.gates import PLACES
from tests.fuzz.oracle import ACCEPTED_NODES, Oracle, TreeTally
from tests.fuzz.shapes import Shapes
from tests.servers.postgres import Server, running

STATEMENTS_PER_WORLD = 4_000  # then new data under the next seed
PROGRESS_SECONDS = 30.0
LOG_LEVEL_NONE = logging.CRITICAL  # two gates would write a line per statement


def main() -> int:
    """Run and print; exit status 1 on any difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--major", type=int, default=16, help="PostgreSQL version, 14 to 18")
    parser.add_argument("--statements", type=int, default=None, help="stop after so many instead")
    parser.add_argument("--only", choices=["sql", "wire"], help="one half, for the whole time")
    parser.add_argument(
        "--sources", type=int, default=1, choices=PLACES, help="over which the tables are spread"
    )
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**6)
    minutes = arguments.minutes if arguments.only else arguments.minutes / 2
    differences = 0
    with running(arguments.major) as server:
        if arguments.only != "wire":
            differences += _run_sql(server, seed, minutes, arguments.statements)
        if arguments.only != "sql":
            quiet = structlog.make_filtering_bound_logger(LOG_LEVEL_NONE)
            structlog.configure(wrapper_class=quiet)
            found = wire.run(
                server,
                seed,
                minutes=minutes,
                statements=arguments.statements,
                source_count=arguments.sources,
            )
            print(found.report(seed))
            differences += len(found.differences)
    return 1 if differences else 0


def _run_sql(server: Server, seed: int, minutes: float, statements: int | None) -> int:
    tally = TreeTally()
    deadline = time.monotonic() + minutes * 60
    while not _is_over(tally, deadline, statements):
        with world(server, seed) as current:
            _run(Oracle(current, tally), seed, deadline, statements)
        seed += 1
    print(report(tally, seed))
    return len(tally.differences)


def _is_over(tally: TreeTally, deadline: float, statements: int | None) -> bool:
    if statements is not None:
        return tally.generated >= statements
    return time.monotonic() >= deadline


def _run(oracle: Oracle, seed: int, deadline: float, statements: int | None) -> None:
    source = random.Random(seed)
    generator = Shapes(source)
    generator.has_json = oracle.world.source.server_version >= 160_000
    generator.has_json_functions = oracle.world.source.server_version >= 170_000
    told = time.monotonic()
    try:
        for _ in range(STATEMENTS_PER_WORLD):
            if _is_over(oracle.tally, deadline, statements) or len(oracle.tally.differences) >= 10:
                return
            one = generator.statement()
            oracle.check(one.sql, source, is_ordered=one.is_ordered)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                done, found = oracle.tally.generated, len(oracle.tally.differences)
                print(f"  {done} statements, {found} differences", flush=True)
    finally:
        oracle.close()


def report(tally: TreeTally, seed: int) -> str:
    """The figures as text."""
    lines = [
        f"{tally.generated} statements, last seed {seed}",
        f"accepted {tally.accepted} ({tally.accepted_share:.1%}), with a fence {tally.fenced}",
        f"raised an error on both sides {tally.errors}, timed out {tally.timeouts},"
        f" of another visible row {tally.reordered}",
        f"rows equal to the reference {tally.compared}",
        "refusals: " + "; ".join(f"{n}× {text}" for text, n in tally.refusals.most_common(8)),
        *_coverage(tally),
        f"differences {len(tally.differences)}",
    ]
    return "\n".join(lines + tally.differences[:10])


def _coverage(tally: TreeTally) -> list[str]:
    """A row for each node type that the gate accepts: in how many accepted statements it was."""
    nodes = (ACCEPTED_NODES | set(tally.nodes)) - {"ParamRef"}  # those are asked over the wire
    accepted = sorted(nodes, key=lambda name: -tally.nodes[name])
    rows = [f"  {name:28}{tally.nodes[name]:7}" for name in accepted]
    pairs = zip(rows[::2], [*rows[1::2], ""], strict=False)
    return ["node types in accepted statements:", *(left + right for left, right in pairs)]


if __name__ == "__main__":
    sys.exit(main())
