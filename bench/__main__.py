"""`python -m bench`: one table of ratios. `python -m bench profile NAME`: where the time goes."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from bench import alone, crowd, figure, profile, stage, table
from bench.client import Broken
from bench.measure import Measure, Result, compare
from bench.shapes import MEASURES
from bench.stage import Options, Stage
from tests.servers.install import ServerUnavailable

ROUNDS = 7
ROUNDS_QUICK = 3
QUICK_SCALE = 0.4
GROUPS = (
    figure.Group("audit", alone.audit),
    figure.Group("decisions", alone.decisions),
    figure.Group("start", crowd.start),
    figure.Group("idle", crowd.idle),
    figure.Group("busy", crowd.busy),
    figure.Group("processor", crowd.processor),
)
OUTPUT = Path(__file__).with_name("latest.json")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    names = ", ".join(measure.name for measure in MEASURES)
    parser = argparse.ArgumentParser(prog="python -m bench", epilog=f"Measures: {names}")
    parser.add_argument("action", nargs="?", choices=["compare", "profile"], default="compare")
    parser.add_argument("name", nargs="?", help="the measure to profile")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="measures whose name begins so; repeatable"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, {ROUNDS_QUICK} with --quick")
    parser.add_argument("--workers", type=int, default=1, help="processes of the gate")
    parser.add_argument("--figures", action="store_true", help="also what has no peer")
    parser.add_argument("--audit", choices=["fast", "strict"], default="fast")
    parser.add_argument("--calls", action="store_true", help="profile: count calls (cProfile)")
    return parser


def chosen(prefixes: list[str] | None) -> list[Measure[Stage]]:
    """The measures asked for. Raises SystemExit when a prefix fits none."""
    for prefix in prefixes or []:
        names = [*(one.name for one in MEASURES), *(one.name for one in GROUPS)]
        if not any(name.startswith(prefix) for name in names):
            raise SystemExit(f"no measure is called {prefix}")
    return [
        measure
        for measure in MEASURES
        if prefixes is None or any(measure.name.startswith(prefix) for prefix in prefixes)
    ]


def run(options: argparse.Namespace) -> int:
    """Compare, print, write. Returns the exit code."""
    measures = chosen(options.only)
    rounds = options.rounds or (ROUNDS_QUICK if options.quick else ROUNDS)
    scale = QUICK_SCALE if options.quick else 1.0
    needs_bouncer = any(measure.needs_bouncer for measure in measures)
    results: list[Result] = []
    failures: list[str] = []
    _tell("PostgreSQL, two million rows and the gate are being started …")
    with ExitStack() as stack:
        for number, measure in enumerate(measures, 1):
            if number == 1:
                asked = Options(options.workers, options.audit, needs_bouncer)
                running = stack.enter_context(stage.opened(asked))
            _tell(f"{number}/{len(measures)} {measure.title}")
            try:
                results.append(compare(measure, running, rounds=rounds, seconds_scale=scale))
            except (Broken, ServerUnavailable) as error:
                failures.append(f"{measure.name}: {error}")
    settings: dict[str, object] = {
        "workers": options.workers,
        "audit": options.audit,
        "rounds": rounds,
        "quick": options.quick,
    }
    print(f"\n{table.machine()}; audit {options.audit}, {options.workers} gate process(es)\n")
    print("\n".join(table.lines(results)))
    figures = alone_and_crowd(options.only, options.audit, scale) if options.figures else []
    if figures:
        print("\n" + "\n".join(figure.lines(figures)))
    for failure in failures:
        print(f"void: {failure}")
    table.write_json(OUTPUT, results, settings, figures)
    return 1 if failures else 0


def alone_and_crowd(prefixes: list[str] | None, audit: str, scale: float) -> list[figure.Figure]:
    """The figures without a peer."""
    found: list[figure.Figure] = []
    for group in GROUPS:
        if prefixes is None or any(group.name.startswith(prefix) for prefix in prefixes):
            _tell(f"figures: {group.name}")
            found += group.measure(audit, scale)
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Entry point."""
    options = arguments().parse_args()
    if options.action == "profile":
        if options.name is None:
            raise SystemExit("which measure? python -m bench profile NAME")
        (measure,) = chosen([options.name])[:1]
        return profile.run(measure, is_counting=options.calls)
    if options.name is not None:
        raise SystemExit(f"unexpected argument: {options.name}; did you mean --only?")
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
