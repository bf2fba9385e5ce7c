"""Results as a table for eyes, and as JSON. This file must not know how they came about."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.figure import Figure
from bench.measure import Compared, Result

HEADINGS = (
    "measure", "unit", "ours", "strict", "peer", "", "ratio", "strict", "reach", "met", "spread"
)  # fmt: skip


def machine() -> str:
    """What it ran on, as far as figures depend on it."""
    cores = len(os.sched_getaffinity(0))
    python = f"Python {platform.python_version()}"
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{cores} cores, {platform.machine()}, {platform.system()}, {python}, load {load}"


def lines(results: Sequence[Result], figures: Sequence[Figure] = ()) -> list[str]:
    """A Markdown table, its columns aligned for terminals, too."""
    table = [HEADINGS, *map(_cells, results), *map(_cells_of_figure, figures)]
    widths = [max(len(row[index]) for row in table) for index in range(len(HEADINGS))]
    told = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in table
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    notes = [f"{result.title}: {result.note}" for result in results if result.note]
    return [told[0], rule, *told[1:], *([""] if notes else []), *notes]


def _cells(result: Result) -> tuple[str, ...]:
    is_added = result.compared == Compared.ADDED_AT_MOST.value
    sign = "≥" if result.compared == Compared.RATIO_AT_LEAST.value else "≤"

    def relation(value: float | None) -> str:
        if value is None:
            return ""
        return f"{value:+.2f} {result.unit}" if is_added else f"{value:.2f}×"

    limit = f"{sign} " + (f"+{result.limit:g} {result.unit}" if is_added else f"{result.limit:g}×")
    verdict = ("yes" if result.is_met else "no") + (", noisy" if result.is_noisy else "")
    return (
        result.title,
        result.unit,
        _figure(result.ours),
        _figure(result.strict),
        _figure(result.peer),
        result.peer_name,
        relation(result.relation),
        relation(result.strict_relation),
        limit,
        verdict,
        f"{relation(result.lowest)} … {relation(result.highest)}",
    )


def _cells_of_figure(figure: Figure) -> tuple[str, ...]:
    reach = "told"
    if figure.reach is not None:
        reach = f"{'≥' if figure.at_least else '≤'} {figure.reach:,g}"
    met = {None: "–", True: "yes", False: "no"}[figure.is_met]
    ratio = f"{figure.value / figure.peer:.2f}×" if figure.peer else ""
    spread = ""
    if figure.lowest is not None and figure.highest is not None:
        spread = f"{_figure(figure.lowest)} … {_figure(figure.highest)}"
    return (
        figure.title,
        figure.unit,
        _figure(figure.value),
        "",
        _figure(figure.peer),
        figure.peer_name,
        ratio,
        "",
        reach,
        met + (", noisy" if figure.is_noisy else ""),
        spread,
    )


def _figure(value: float | None) -> str:
    if value is None:
        return ""
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
