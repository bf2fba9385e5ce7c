"""What a text would cost the parser's library, told before anything is parsed: depth and time.

PostgreSQL's grammar is left-recursive: `1+1+1…` becomes one level deeper with each operator and
costs the parser no stack. Whoever walks such a tree does need stack, and the parser's library walks
it in C, without a limit of its own: some 20,000 levels overflow the stack of a process. So a long
text is counted first. Levels of right recursion (brackets, NOT, CASE) need no count: the parser's
own stack ends after 10,000 (YYMAXDEPTH in `gram.c`) with an error.

What is counted is a bound, not the depth: each token that is no mere name, constant or connective
may add a level to what stands left of it in the same list item of the same bracket. Items of a
list, and parts of AND and OR, lie beside each other.

Time: the lexer is linear but for runs of operator characters. Of each it takes as much as it can
and gives back what does not belong to the token (`{xcstart}` and `{operator}` in `scan.l`), so one
of n characters with n comment starts, or n signs, is read n times over.

This file must not know the parser: it reads tokens and characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from postgast import pg_query_pb2 as pb

LINKS_MAX = 4_000  # levels that left recursion may add to the 10,000 of the parser's own stack
TOKENS_MAX = 80_000  # of one query string; each is a node or two to build before any is counted
REREAD_CHARACTERS_MAX = 10_000_000  # by the lexer, some 10 ns each

_RUN = re.compile(r"[-+*/<>=~!@#%^&|`?]{32,}")

_PLAIN = frozenset(
    {
        pb.IDENT, pb.UIDENT, pb.FCONST, pb.SCONST, pb.USCONST, pb.BCONST, pb.XCONST, pb.ICONST,
        pb.PARAM, pb.SQL_COMMENT, pb.C_COMMENT, pb.AND, pb.OR, pb.WHEN, pb.THEN, pb.AS, pb.NULL_P,
        pb.TRUE_P, pb.FALSE_P, ord("."),
    }
)  # fmt: skip
_SET_OPERATIONS = frozenset({pb.UNION, pb.INTERSECT, pb.EXCEPT})
_OPENING = frozenset(map(ord, "(["))
_CLOSING = frozenset(map(ord, ")]"))
_COMMA, _SEMICOLON = ord(","), ord(";")


def is_too_deep(tokens: Iterable[int]) -> bool:
    """Whether the tree of these tokens might have more than `LINKS_MAX` levels of left recursion.

    `tokens` are the grammar's token numbers, in order.
    """
    around: list[tuple[int, int]] = []
    links = arms = outer = 0  # of this list item, of this bracket, of all brackets around it
    for token in tokens:
        if token in _PLAIN:
            continue
        if token == _COMMA:
            links = 0  # arms of a set operation hold lists themselves
        elif token == _SEMICOLON:
            links = arms = 0
        elif token in _OPENING:
            around.append((links, arms))
            outer += links + arms
            links = arms = 0
        elif token in _CLOSING:
            if around:  # else the parser will say what is wrong
                links, arms = around.pop()
                outer -= links + arms
        else:
            if token in _SET_OPERATIONS:
                arms += 1
            else:
                links += 1
            if outer + links + arms > LINKS_MAX:
                return True
    return False


def is_reread(text: str) -> bool:
    """Whether the lexer would read more than `REREAD_CHARACTERS_MAX` characters again and again.

    Lines of dashes, and banners of asterisks, are read once.
    """
    cost = 0
    for run in _RUN.findall(text):
        if "+" in run or run.count("/*") > 1:
            cost += len(run) ** 2
    return cost > REREAD_CHARACTERS_MAX
