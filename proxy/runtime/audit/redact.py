"""Literals out of SQL text, by Postgres' lexical rules and without a parser.

This file must not know statements: it follows the scanner only (PostgreSQL documentation, 4.1
"Lexical Structure", and `src/backend/parser/scan.l` for what the text leaves open), with
`standard_conforming_strings` on. Every string, bit string, dollar quote and number becomes `?`,
every comment a space. Names, keywords, operators and parameters stay. A text that ends inside a
quote or a comment cannot be lexed and has no redacted form: the caller stores its digest only.
"""

from __future__ import annotations

import re
from collections.abc import Callable

PLACEHOLDER = "?"

_SPACE = re.compile(r"[ \t\n\r\f\v]+")
_LINE_COMMENT = re.compile(r"--[^\n\r]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_IDENTIFIER = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")
# Possessive throughout: a quote that is not closed must fail, not match a shorter string.
_QUOTED_IDENTIFIER = re.compile(r'(?:[uU]&)?"(?:[^"]++|"")*+"')
_PARAMETER = re.compile(r"\$[0-9]+")
# Greedier than Postgres on purpose: swallowing a letter too many hides, one too few could show.
_NUMBER = re.compile(r"\.?[0-9](?:[eE][+-]?[0-9]|[A-Za-z0-9_.\x80-\U0010ffff])*")
_DOLLAR_TAG = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_PLAIN_STRING = re.compile(r"(?:[uU]&|[bBxXnN])?'(?:[^']++|'')*+'")
_ESCAPE_STRING = re.compile(r"[eE]'(?:[^'\\]++|''|\\.)*+'", re.DOTALL)
# A string goes on after white space with a newline, in the mode it began in (scan.l:
# quotecontinue).
_CONTINUATION = re.compile(
    r"[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*(?=')"
)
_PLAIN_REST = re.compile(r"'(?:[^']++|'')*+'")
_ESCAPE_REST = re.compile(r"'(?:[^'\\]++|''|\\.)*+'", re.DOTALL)


class _Unlexable(Exception):
    pass


def redact(text: str) -> str | None:
    """The text with each literal replaced by `?`; None if it cannot be lexed with certainty."""
    output: list[str] = []
    position = 0
    try:
        while position < len(text):
            for rule in _RULES:
                found = rule(text, position)
                if found is not None:
                    position, piece = found
                    output.append(piece)
                    break
            else:
                position, piece = _single(text, position)
                output.append(piece)
    except _Unlexable:
        return None
    return "".join(output)


def _single(text: str, position: int) -> tuple[int, str]:
    """An operator, bracket or comma. A quote here has no end: none of the rules took it."""
    character = text[position]
    if character in "'\"\0":
        raise _Unlexable
    return position + 1, character


def _space(text: str, position: int) -> tuple[int, str] | None:
    found = _SPACE.match(text, position)
    return None if found is None else (found.end(), found.group())


def _comment(text: str, position: int) -> tuple[int, str] | None:
    found = _LINE_COMMENT.match(text, position)
    if found is not None:
        return found.end(), " "
    if not text.startswith("/*", position):
        return None
    depth = 0
    while True:
        edge = _COMMENT_EDGE.search(text, position)
        if edge is None:
            raise _Unlexable
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
        if depth == 0:
            return position, " "


def _string(text: str, position: int) -> tuple[int, str] | None:
    found = _ESCAPE_STRING.match(text, position)
    rest = _ESCAPE_REST
    if found is None:
        if text[position : position + 2] in ("e'", "E'"):
            raise _Unlexable
        found = _PLAIN_STRING.match(text, position)
        rest = _PLAIN_REST
    if found is None:
        return None
    end = found.end()
    while (gap := _CONTINUATION.match(text, end)) is not None:
        more = rest.match(text, gap.end())
        if more is None:
            raise _Unlexable
        end = more.end()
    return end, PLACEHOLDER


def _dollar(text: str, position: int) -> tuple[int, str] | None:
    parameter = _PARAMETER.match(text, position)
    if parameter is not None:
        return parameter.end(), parameter.group()
    tag = _DOLLAR_TAG.match(text, position)
    if tag is None:
        return None
    end = text.find(tag.group(), tag.end())
    if end < 0:
        raise _Unlexable
    return end + len(tag.group()), PLACEHOLDER


def _name(text: str, position: int) -> tuple[int, str] | None:
    found = _QUOTED_IDENTIFIER.match(text, position) or _IDENTIFIER.match(text, position)
    return None if found is None else (found.end(), found.group())


def _number(text: str, position: int) -> tuple[int, str] | None:
    found = _NUMBER.match(text, position)
    return None if found is None else (found.end(), PLACEHOLDER)


# In this order: a string's prefix (E, U&, B, X, N) would otherwise be read as a name.
_RULES: tuple[Callable[[str, int], tuple[int, str] | None], ...] = (
    _space,
    _comment,
    _string,
    _dollar,
    _name,
    _number,
)
