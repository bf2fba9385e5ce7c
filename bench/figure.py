"""Figures that stand alone: what the gate does by itself, without a peer to be compared with.

This file must not know how a figure is measured (`alone.py`, `crowd.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

HEADINGS = ("figure", "unit", "value", "reach", "met")


@dataclass(frozen=True, slots=True)
class Figure:
    """`reach` None: it is told, and has no aim. `at_least`: which way lies better."""

    name: str
    title: str
    unit: str
    value: float
    reach: float | None = None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether it reaches what is aimed at, None without an aim."""
        if self.reach is None:
            return None
        return self.value >= self.reach if self.at_least else self.value <= self.reach

    def as_json(self) -> dict[str, object]:
        """For `latest.json`."""
        return {**asdict(self), "is_met": self.is_met}


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that are measured together. `measure` gets the audit mode and a scale for times."""

    name: str
    measure: Callable[[str, float], list[Figure]]


def lines(figures: Sequence[Figure]) -> list[str]:
    """A Markdown table."""
    rows = [HEADINGS, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(HEADINGS))]
    told = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [told[0], rule, *told[1:]]


def _cells(figure: Figure) -> tuple[str, ...]:
    sign = "≥" if figure.at_least else "≤"
    reach = "told" if figure.reach is None else f"{sign} {figure.reach:g}"
    met = {None: "–", True: "yes", False: "no"}[figure.is_met]
    return (figure.title, figure.unit, f"{figure.value:,.3g}", reach, met)
