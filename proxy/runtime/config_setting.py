"""How a setting of `sallyport.yaml` is declared: a dataclass field that says what it means.

This file must not know any setting.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a field says about itself. Bounds are of the value, or of the length for a list."""

    text: str
    minimum: float | None = None
    maximum: float | None = None


def setting(
    meaning: str,
    *,
    default: object = MISSING,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """A dataclass field that can be written in the file. Without `default` it is required."""
    metadata = {"meaning": Meaning(meaning, minimum, maximum)}
    if dataclasses.is_dataclass(default) or default is MISSING:
        if default is MISSING:
            return dataclasses.field(metadata=metadata)
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)
