"""`traceparent` as the W3C writes it; nothing else is one."""

from __future__ import annotations

import pytest

from proxy.runtime.trace_parent import TraceParent, trace_parent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"00-{TRACE}-{SPAN}-01", TraceParent(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", TraceParent(TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-03", TraceParent(TRACE, SPAN, True)),
        (TRACE, TraceParent(TRACE)),
    ],
)
def test_read_and_told(text: str, found: TraceParent) -> None:
    assert trace_parent(text) == found
    assert trace_parent(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ticket 12",
        "0" * 32,
        TRACE.upper(),
        f"01-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_anything_else(text: str) -> None:
    assert trace_parent(text) is None
