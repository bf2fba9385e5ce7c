"""Where something was written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """`file` as given to the loader, `line` from 1; 0: the whole file."""

    file: str
    line: int
