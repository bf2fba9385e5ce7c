"""`sallyport audit verify`: is the log whole and untouched, and where does each chain stand."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from proxy.commands.looking import audit_directory
from proxy.commands.outcome import (
    EXIT_OK,
    EXIT_PROBLEMS,
    CommandError,
    give,
    give_json,
    tell,
)
from proxy.demo.terminal import Progress
from proxy.runtime.audit import Anchor, ProcessReport, Report, verify


def run(arguments: argparse.Namespace) -> int:
    """Verify. An absent log is a problem too: nothing is proven about what is not there."""
    directory = audit_directory(arguments)
    anchors = None if arguments.anchors is None else _read_anchors(arguments.anchors)
    with Progress(sys.stderr).step(f"reading {directory}"):
        report = verify(directory, anchors=anchors)
    if arguments.json:
        give_json(_as_json(report))
    else:
        _show(report)
    if not report.processes:
        tell(f"no log lies in {directory}")
    is_proven = report.is_intact and bool(report.processes)
    return EXIT_OK if is_proven else EXIT_PROBLEMS


def _show(report: Report) -> None:
    for one in report.processes:
        position = "nothing yet" if one.anchor is None else f"{one.anchor.count}:{one.anchor.hash}"
        give(f"{one.process}: {one.records} records in {one.segments} segments, anchor {position}")
    for problem in report.problems:
        give(str(problem))
    if report.processes:
        give("intact" if report.is_intact else "NOT intact")


def _as_json(report: Report) -> dict[str, object]:
    return {
        "intact": report.is_intact and bool(report.processes),
        "processes": [_process_as_json(one) for one in report.processes],
        "problems": [
            {
                "process": one.process,
                "segment": one.segment,
                "record": one.record,
                "kind": one.kind,
                "detail": one.detail,
            }
            for one in report.problems
        ],
    }


def _process_as_json(one: ProcessReport) -> dict[str, object]:
    anchor = one.anchor
    return {
        "process": one.process,
        "records": one.records,
        "segments": one.segments,
        "recoveries": one.recoveries,
        "anchor": None if anchor is None else {"count": anchor.count, "hash": anchor.hash},
    }


def _read_anchors(file: Path) -> dict[str, Anchor]:
    """Anchors by process from the JSON of an earlier run. Raises CommandError, OSError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(one["process"]): Anchor(int(one["anchor"]["count"]), str(one["anchor"]["hash"]))
            for one in content["processes"]
            if one["anchor"] is not None
        }
    except (ValueError, TypeError, KeyError):
        raise CommandError(f"{file} is not the JSON of an earlier `audit verify`") from None
