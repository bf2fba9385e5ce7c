"""The place in a trace that a client's tools wrote into a comment beside its SQL.

The comment's form is sqlcommenter's (https://google.github.io/sqlcommenter/spec): pairs of key and
quoted value, of which `traceparent` is read (W3C Trace Context, 3.2.2, version 00). It stands at
the end of the text, or at its start. It is the client's own claim: recorded, never decided by.

This file must not know SQL: a comment in the middle of a text is not looked for.
"""

from __future__ import annotations

import re

from proxy.runtime.trace_parent import trace_parent

COMMENT_CHARACTERS_MAX = 4_096
"""A longer comment is not looked through."""

_PARENT = re.compile(r"(?:^|,)\s*traceparent='(?P<parent>[0-9a-f-]{55})'\s*(?:,|$)")
_KEY = "traceparent"


def trace_of(text: str) -> str | None:
    """The `traceparent` of a query string, None for none that is well-formed."""
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
    found = _PARENT.search(comment.strip())
    parent = None if found is None else trace_parent(found["parent"])
    return None if parent is None else str(parent)
