"""The trace id that a client's tools wrote into a comment beside its SQL.

The comment's form is sqlcommenter's (https://google.github.io/sqlcommenter/spec): pairs of key and
quoted value, of which `traceparent` is read (W3C Trace Context, 3.2.2, version 00). It stands at
the end of the text, or at its start. It is the client's own claim: recorded, never decided by.

This file must not know SQL: a comment in the middle of a text is not looked for.
"""

from __future__ import annotations

import re

COMMENT_CHARACTERS_MAX = 4_096
"""A longer comment is not looked through."""

_PARENT = re.compile(
    r"(?:^|,)\s*traceparent='00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}'\s*(?:,|$)"
)
_KEY = "traceparent"


def trace_id(text: str) -> str | None:
    """The 32 hexadecimal digits of the trace that a query string belongs to, None for none."""
    if _KEY not in text:
        return None
    return _of_comment(_last_comment(text)) or _of_comment(_first_comment(text))


def _last_comment(text: str) -> str:
    end = text.rstrip().rstrip("; \t\r\n")
    if not end.endswith("*/"):
        return ""
    start = end.rfind("/*", max(len(end) - COMMENT_CHARACTERS_MAX, 0))
    return "" if start < 0 else end[start + 2 : -2]


def _first_comment(text: str) -> str:
    start = text.lstrip()
    if not start.startswith("/*"):
        return ""
    end = start.find("*/", 2, COMMENT_CHARACTERS_MAX)
    return "" if end < 0 else start[2:end]


def _of_comment(comment: str) -> str | None:
    """As the W3C demands, ids of zeros only are invalid."""
    found = _PARENT.search(comment.strip())
    if found is None or not found["trace"].strip("0") or not found["span"].strip("0"):
        return None
    return found["trace"]
