"""`python -m bench`: one table of ratios. `python -m bench profile NAME`: where the time goes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import alone, crowd, figure, profile, stage, table
from bench.client import Broken
from bench.figure import Figure
from bench.measure import Measure, Result, compare
from bench.shapes import MEASURES
from bench.stage import Options, Stage
from tests.servers.install import ServerUnavailable

ROUNDS = 5
ROUNDS_QUICK = 3
QUICK_SCALE = 0.4
MINUTES_MAX = 25.0
"""What has not begun by then is left out, and the table says so. A whole run takes 15 minutes."""
GROUPS = (
    figure.Group("audit", "audit log by itself", alone.audit),
    figure.Group("decisions", "decisions of large policies", alone.decisions),
    figure.Group("start", "start, memory at rest", crowd.start),
    figure.Group("processor", "processor time of pgbench", crowd.processor),
    figure.Group("busy", "many busy connections", crowd.busy),
    figure.Group("idle", "many idle connections", crowd.idle),
)
OUTPUT = Path(__file__).with_name("latest.json")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    names = ", ".join(one.name for one in (*MEASURES, *GROUPS))
    parser = argparse.ArgumentParser(prog="python -m bench", epilog=f"Rows: {names}")
    parser.add_argument("action", nargs="?", choices=["compare", "profile"], default="compare")
    parser.add_argument("name", nargs="?", help="the row to profile")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="rows whose name begins so; repeatable"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, {ROUNDS_QUICK} with --quick")
    parser.add_argument("--no-strict", action="store_true", help="without the column of that audit")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES_MAX, help=f"begin nothing after ({MINUTES_MAX:g})"
    )
    parser.add_argument("--calls", action="store_true", help="profile: count calls (cProfile)")
    return parser


def chosen(
    prefixes: list[str] | None,
) -> tuple[list[Measure[Stage]], list[figure.Group]]:
    """The rows asked for. Raises SystemExit when a prefix fits none."""
    every = [one.name for one in (*MEASURES, *GROUPS)]
    for prefix in prefixes or []:
        if not any(name.startswith(prefix) for name in every):
            raise SystemExit(f"no row is called {prefix}: {', '.join(every)}")

    def is_chosen(name: str) -> bool:
        return prefixes is None or any(name.startswith(prefix) for prefix in prefixes)

    return (
        [measure for measure in MEASURES if is_chosen(measure.name)],
        [group for group in GROUPS if is_chosen(group.name)],
    )


class Run:
    """One run of the benchmark: what it found, and what it could not."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.measures, self.groups = chosen(options.only)
        self.rounds: int = options.rounds or (ROUNDS_QUICK if options.quick else ROUNDS)
        self.scale = QUICK_SCALE if options.quick else 1.0
        self.has_strict = not options.no_strict
        self.results: list[Result] = []
        self.figures: list[Figure] = []
        self.void: list[str] = []
        self._end = time.monotonic() + options.minutes * 60

    def measure_all(self) -> None:
        """Everything that was asked for, one stage for all measures of as many processes."""
        for workers in sorted({measure.workers for measure in self.measures}):
            some = [measure for measure in self.measures if measure.workers == workers]
            if self._is_late([measure.title for measure in some]):
                continue
            needs_bouncer = any(measure.needs_bouncer for measure in some)
            with ExitStack() as stack:
                _tell(f"starting PostgreSQL, two million rows, and gates of {workers} process(es)")
                asked = Options(workers, self.has_strict, needs_bouncer)
                running = stack.enter_context(stage.opened(asked))
                for measure in self._in_time(some):
                    self._measure(measure, running)
        for group in self.groups:
            if self._is_late([group.title]):
                continue
            _tell(group.title)
            try:
                self.figures += group.measure(self.scale)
            except (Broken, ServerUnavailable, OSError) as error:
                self.void.append(f"{group.title}: {error}")

    def _measure(self, measure: Measure[Stage], running: Stage) -> None:
        try:
            self.results.append(
                compare(
                    measure,
                    running,
                    rounds=self.rounds,
                    seconds_scale=self.scale,
                    strict=running.strict,
                )
            )
        except (Broken, ServerUnavailable, OSError) as error:
            self.void.append(f"{measure.title}: {error}")

    def _in_time(self, measures: list[Measure[Stage]]) -> Iterator[Measure[Stage]]:
        for measure in measures:
            if not self._is_late([measure.title]):
                _tell(measure.title)
                yield measure

    def _is_late(self, titles: list[str]) -> bool:
        is_late = time.monotonic() >= self._end
        if is_late:
            self.void += [f"{title}: out of time" for title in titles]
        return is_late


def run(options: argparse.Namespace) -> int:
    """Compare, print, write. Returns the exit code."""
    before = table.machine()
    whole = Run(options)
    whole.measure_all()
    settings: dict[str, object] = {"rounds": whole.rounds, "quick": options.quick}
    print(f"\n{table.machine()} (before: {before.rpartition(', ')[2]}); {whole.rounds} rounds\n")
    print("\n".join(table.lines(whole.results, whole.figures)))
    for failure in whole.void:
        print(f"void: {failure}")
    table.write_json(OUTPUT, whole.results, settings, whole.figures)
    return 1 if whole.void else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Entry point."""
    options = arguments().parse_args()
    if options.action == "profile":
        if options.name is None:
            raise SystemExit("which row? python -m bench profile NAME")
        measures, groups = chosen([options.name])
        if measures:
            return profile.run(measures[0], is_counting=options.calls)
        return profile.run_group(groups[0], is_counting=options.calls)
    if options.name is not None:
        raise SystemExit(f"unexpected argument: {options.name}; did you mean --only?")
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
