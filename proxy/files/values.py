"""Values of a query's parameters, from the texts in which the gate sends them.

Each kind names one Python type, and with it one type of DuckDB. It must not know where they stand.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from typing import Any, Final

_KINDS: Final[dict[str, Callable[[str], object]]] = {
    "boolean": lambda text: text == "t",
    "integer": int,
    "numeric": decimal.Decimal,
    "double": float,
    "text": str,
    "date": datetime.date.fromisoformat,
    "timestamp": datetime.datetime.fromisoformat,
    "uuid": uuid.UUID,
}


def value_of(kind: str, content: Any) -> object:
    """The value; a list for a kind with `[]`. None is NULL. Raises ValueError, KeyError."""
    if content is None:
        return None
    if kind.endswith("[]"):
        return [value_of(kind[:-2], one) for one in content]
    return _KINDS[kind](content)
