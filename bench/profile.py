"""Where a gate process spends its time during one row: `python -m bench profile NAME`.

How samples are taken is told in `sampling/sitecustomize.py`. Of a measure only our side runs.
"""

from __future__ import annotations

import json
import os
import pstats
import signal
import tempfile
from collections import Counter
from pathlib import Path

from bench import stage, table
from bench.figure import Group
from bench.measure import Measure
from bench.sampling.sitecustomize import CallCounter, Sampler
from bench.stage import Options, Stage

SECONDS = 6.0
GROUP_SCALE = 0.2
LINES = 35
ROOT = Path(__file__).resolve().parent.parent

Stacks = list[tuple[list[str], int]]


def run(measure: Measure[Stage], *, is_counting: bool) -> int:
    """Profile the gate while `measure` runs; prints two lists. Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="sallyport-profile-") as name:
        folder = Path(name)
        environment = _environment(folder, is_counting=is_counting)
        options = Options(
            measure.workers, needs_bouncer=measure.needs_bouncer, environment=environment
        )
        with stage.opened(options) as running, measure.opened(running) as (ours, _):
            ours(measure.seconds)  # caches are warm
            for path in folder.iterdir():
                os.kill(int(path.name), signal.SIGUSR1)
            figure = ours(SECONDS)
        print(f"{measure.title}: {figure:.3g} {measure.unit} while being profiled\n")
        _tell_all(folder, is_counting=is_counting)
    return 0


def run_group(group: Group, *, is_counting: bool) -> int:
    """Profile everything while a group's figures are measured: the gate where there is one, and
    this process where parts of the gate run in it. Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="sallyport-profile-") as name:
        folder = Path(name)
        environment = _environment(folder, is_counting=is_counting)
        os.environ |= {**environment, "SALLYPORT_BENCH_PROFILE_NOW": "1"}
        own = CallCounter() if is_counting else Sampler()
        own.begin()
        figures = group.measure(GROUP_SCALE)
        own.write(folder / "own")
        print("\n".join(table.lines([], figures)) + "\n")
        if len(list(folder.iterdir())) > 1:  # there was a gate: then this process was its clients
            for path in folder.glob("own.*"):
                path.unlink()
        _tell_all(folder, is_counting=is_counting)
    return 0


def _environment(folder: Path, *, is_counting: bool) -> dict[str, str]:
    found = {
        "SALLYPORT_BENCH_PROFILE": str(folder),
        "PYTHONPATH": str(Path(__file__).with_name("sampling")),
    }
    return {**found, "SALLYPORT_BENCH_PROFILE_CALLS": "1"} if is_counting else found


def _tell_all(folder: Path, *, is_counting: bool) -> None:
    if is_counting:
        _tell_calls(folder)
    else:
        _tell_samples(folder)


def _tell_samples(folder: Path) -> None:
    stacks: Stacks = []
    for path in folder.glob("*.json"):
        stacks += json.loads(path.read_text())
    total = sum(count for _, count in stacks)
    if not total:
        raise SystemExit("no samples: did the gate run at all?")
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for stack, count in stacks:
        own[stack[0]] += count
        files[_owner(stack)] += count
        for frame in set(stack):
            inclusive[frame] += count
    print(f"{total} samples of processor time\n\nin the function itself, C code included:")
    _tell(own, total)
    print("\nwith all that it called:")
    _tell(inclusive, total)
    print("\nby file of ours, libraries counted for their callers:")
    for file, count in files.most_common(LINES):
        print(f"{count / total:7.1%}  {file}")


def _owner(stack: list[str]) -> str:
    """The innermost file of the project on the stack."""
    for frame in stack:
        path = _short(frame.rsplit(":", 2)[0])
        if path.startswith(("proxy/", "policies/")):
            return path
    return "the event loop"


def _tell(counts: Counter[str], total: int) -> None:
    for frame, count in counts.most_common(LINES):
        path, line, function = frame.rsplit(":", 2)
        print(f"{count / total:7.1%}  {_short(path)}:{line} {function}")


def _short(path: str) -> str:
    if path.startswith(str(ROOT / "proxy")) or path.startswith(str(ROOT / "policies")):
        return str(Path(path).relative_to(ROOT))
    return "/".join(Path(path).parts[-2:])


def _tell_calls(folder: Path) -> None:
    for path in folder.glob("*.pstats"):
        profile = pstats.Stats(str(path))
        _tell_calls_by_file(profile)
        profile.sort_stats("tottime").print_stats(LINES)
        profile.sort_stats("cumulative").print_stats(LINES)


def _tell_calls_by_file(profile: pstats.Stats) -> None:
    """Calls say more than counted times: each costs about the same, and none is distorted."""
    files: Counter[str] = Counter()
    for (path, _, _), (_, calls, *_) in profile.stats.items():  # type: ignore[attr-defined]
        files[_short(path)] += calls
    total = sum(files.values())
    print(f"{total} calls, by file:")
    for file, calls in files.most_common(LINES):
        print(f"{calls / total:7.1%}  {'built in' if file == '~' else file}")
