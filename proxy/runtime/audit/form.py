"""Records that differ in a few values only, encoded once: the bytes of one with slots in it.

An intent of a statement that runs again differs from the one before in its time, or in its text; an
outcome in its numbers. A `Form` is made from such a record with `Slot`s in the places that vary; to
fill it costs one formatting operation. The bytes are those that encoding the whole record would
give, but for the number of digits behind a decimal point.

This file must not know files or what a record means.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from proxy.runtime.audit.appender import encode

_MARK_BITS = 60


class Slot:
    """A place for a value: `"%d"` for an integer, `"%.3f"` for a number, `"%b"` for JSON bytes."""

    __slots__ = ("conversion", "mark")

    def __init__(self, conversion: str) -> None:
        self.conversion = conversion.encode("ascii")
        # Drawn anew: no text of a client can hold it, so no text is taken for a slot.
        self.mark = (1 << _MARK_BITS) | secrets.randbits(_MARK_BITS)


class Form:
    """`payload` is a record whose values may be slots, each of them in one place.

    Raises ValueError for a record above the limit, as `encode` does.
    """

    __slots__ = ("_template",)

    def __init__(self, payload: dict[str, Any]) -> None:
        slots: list[Slot] = []
        template = encode(_marked(payload, slots)).replace(b"%", b"%%")
        for slot in slots:
            mark = b":%d" % slot.mark
            assert template.count(mark) == 1, "a mark is drawn to be unique"
            template = template.replace(mark, b":" + slot.conversion)
        self._template = template

    def filled(self, *values: int | float | bytes) -> bytes:
        """The record's bytes; `values` in the order of the keys as they are printed: sorted."""
        return self._template % values


def as_json(value: Any) -> bytes:
    """A value for a `"%b"` slot."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode("ascii")


def _marked(value: Any, slots: list[Slot]) -> Any:
    if isinstance(value, Slot):
        slots.append(value)
        return value.mark
    if isinstance(value, dict):
        return {key: _marked(item, slots) for key, item in value.items()}
    return value
