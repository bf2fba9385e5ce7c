"""One thing that `sallyport doctor` looked at: how it is, and what to do about it.

This file must not know how anything is examined.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is what was looked at; `advice` is empty where nothing needs to be done."""

    subject: str
    level: Level
    text: str
    advice: str = ""

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return asdict(self)

    def __str__(self) -> str:
        mark = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}[self.level]
        advice = f"\n         -> {self.advice}" if self.advice else ""
        return f"{mark}  {self.subject}: {self.text}{advice}"
