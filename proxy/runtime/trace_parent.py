"""Where a piece of work belongs in a trace: W3C Trace Context, `traceparent` (3.2.2, version 00).

This file must not know who tells it. It is the client's own claim: recorded and passed on, never
decided by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PARENT = re.compile(
    r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
)
_TRACE = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """Hexadecimal ids, lower case. `span_id` empty: the trace alone is known."""

    trace_id: str
    span_id: str = ""
    is_sampled: bool = True

    def __str__(self) -> str:
        flags = _SAMPLED if self.is_sampled else 0
        return f"00-{self.trace_id}-{self.span_id}-{flags:02x}" if self.span_id else self.trace_id


def trace_parent(text: str) -> TraceParent | None:
    """What a `traceparent`, or a trace id alone, says; None for anything else."""
    found = _PARENT.fullmatch(text)
    if found is not None:
        is_sampled = bool(int(found["flags"], 16) & _SAMPLED)
        return TraceParent(found["trace"], found["span"], is_sampled)
    return TraceParent(text) if _TRACE.fullmatch(text) else None
