"""Every limit of one tool call, with its unit and the reason for its value.

This file must not know tools. An operator may change those of `ToolLimits` (`mcp.limits`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """What one call may take and return."""

    rows_max: int = 200
    """Rows of one result: more is rarely read by a model, and costs its context."""

    bytes_max: int = 64_000
    """JSON bytes of the rows of one result: about 16,000 tokens."""

    statement_ms_max: int = 30_000
    """Run time of one statement; an agent waits for it."""

    unconfirmed_rows_max: int = 1_000_000
    """Visible rows of the tables that a statement reads: with more it needs a confirmation."""


TEXT_CHARACTERS_MAX = 2_000
"""Of one value in a result; the rest is counted, not shown."""

SAMPLE_ROWS = 3
SAMPLE_TEXT_CHARACTERS_MAX = 80
"""A sample shows what values look like, not what they say."""

TABLES_LISTED_MAX = 200
"""Tables in an overview; `search` narrows it."""

TABLES_DETAILED_MAX = 10
"""Tables described in full by one call: each costs three statements."""

COUNT_ROWS_MAX = 100_000
"""`describe` counts visible rows up to here."""

COUNT_MS_MAX = 2_000
"""Longest time to count the visible rows of one table: longer is an answer of its own."""

SIZES_REMEMBERED_MAX = 1_000
SIZE_SECONDS_MAX = 300.0
"""How many counted sizes are kept, and for how long: they only decide whether to ask."""

CONNECT_SECONDS_MAX = 15.0
"""To reach the gate and log in."""

FETCH_ROWS_MAX = 200
FETCH_ROWS_FIRST = 10
"""Rows asked for at once: few at first, for nobody knows yet how large they are."""

STATEMENT_CHARACTERS_MAX = 100_000
"""Of one statement's text; the gate's own limit is larger."""
