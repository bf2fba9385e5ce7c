"""Results as a table for eyes, and as JSON. This file must not know how they came about."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.figure import Figure
from bench.measure import Compared, Result

HEADINGS = ("measure", "unit", "ours", "peer", "", "ratio", "reach", "met", "spread")


def machine() -> str:
    """What it ran on, as far as figures depend on it."""
    cores = len(os.sched_getaffinity(0))
    python = f"Python {platform.python_version()}"
    return f"{cores} cores, {platform.machine()}, {platform.system()}, {python}"


def lines(results: Sequence[Result]) -> list[str]:
    """A Markdown table, its columns aligned for terminals, too."""
    table = [HEADINGS, *(_cells(result) for result in results)]
    widths = [max(len(row[index]) for row in table) for index in range(len(HEADINGS))]
    told = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in table
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [told[0], rule, *told[1:]]


def _cells(result: Result) -> tuple[str, ...]:
    is_added = result.compared == Compared.ADDED_AT_MOST.value
    sign = "≥" if result.compared == Compared.RATIO_AT_LEAST.value else "≤"

    def relation(value: float) -> str:
        return f"{value:+.2f} {result.unit}" if is_added else f"{value:.2f}×"

    limit = f"{sign} " + (f"+{result.limit:g} {result.unit}" if is_added else f"{result.limit:g}×")
    verdict = ("yes" if result.is_met else "no") + (", noisy" if result.is_noisy else "")
    spread = f"{relation(result.lowest)} … {relation(result.highest)}"
    figures = (_figure(result.ours), _figure(result.peer))
    ratio = relation(result.relation)
    return (result.title, result.unit, *figures, result.peer_name, ratio, limit, verdict, spread)


def _figure(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.3g}"


def write_json(
    path: Path,
    results: Sequence[Result],
    settings: dict[str, object],
    figures: Sequence[Figure] = (),
) -> None:
    """Write everything, for comparing runs."""
    content = {
        "machine": machine(),
        "settings": settings,
        "results": [result.as_json() for result in results],
        "figures": [figure.as_json() for figure in figures],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
