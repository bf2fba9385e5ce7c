"""Texts that differ in lifted literals only, told without a parser.

`template.lift` finds, in the tree, the literals that are compared with a column; statements that
differ in them only are decided as one. Here the same is found in the text, so that what a client
writes again with another value need not be parsed again. It must not know trees or decisions.

Why the result is the parser's. A text is read only if it is plain: ASCII, and without any character
that begins a comment, a quoted name, a parameter, a dollar quote or an escape. In such a text each
run of digits that touches no letter, digit, dot or quote is one integer to PostgreSQL's lexer, and
one of at most nine digits is one it takes for int4 (scan.l, process_integer_literal); each pair of
quotes that touches no letter, `&` or quote is one string constant. So two texts with the same
*skeleton*, that is, equal but for what stands in these places, give the same tokens but for the
values of these constants, and the grammar looks at no value of a constant that is compared with a
column. The places that were not lifted (LIMIT 10, GROUP BY 1) must be equal. `recipe` trusts none
of this about the text that it is made of: it demands that the tree has each lifted literal where
the text has it, with that value. Strings that lie beside each other, which SQL joins into one, fail
there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from proxy.sql.template import Template

TEXT_CHARACTERS_MAX = 4_096
"""A longer text is generated, and rarely like another."""

_LITERAL = re.compile(
    r"""((?<![\w.$'])(?:0|[1-9][0-9]{0,8})(?![\w.'])|(?<![\w&'])'[^'\\]*'(?!['\w]))""", re.ASCII
)
_NOT_PLAIN = re.compile(r"""["$\\`]|--|/\*|[^\x20-\x7e\n\t]""")


@dataclass(frozen=True, slots=True)
class Shape:
    """A plain text taken apart. `skeleton` holds a mark of the kind of each literal."""

    skeleton: str
    literals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which of a skeleton's literals are lifted, in the order of the template's parameters."""

    lifted: tuple[int, ...]

    def fixed(self, shape: Shape) -> tuple[str, ...]:
        """The other literals: they must be the same for the same decision."""
        chosen = set(self.lifted)
        return tuple(one for number, one in enumerate(shape.literals) if number not in chosen)

    def values(self, shape: Shape) -> tuple[bytes, ...]:
        """What the template's parameters are in this text, as text."""
        return tuple(_value(shape.literals[number]).encode("ascii") for number in self.lifted)


def shape_of(text: str) -> Shape | None:
    """Take a text apart; None for one that is not plain, or has no literals."""
    if len(text) > TEXT_CHARACTERS_MAX or _NOT_PLAIN.search(text) is not None:
        return None
    parts = _LITERAL.split(text)
    literals = parts[1::2]
    if not literals:
        return None
    # NUL stands in no plain text, so a mark is never mistaken for a part of it.
    parts[1::2] = ["\0'" if one[0] == "'" else "\0" for one in literals]
    return Shape("".join(parts), tuple(literals))


def recipe(text: str, shape: Shape, template: Template) -> Recipe | None:
    """Where the template's values stand in the text that it was lifted from; None when the text
    does not show each of them in its place."""
    places = {found.start(): number for number, found in enumerate(_LITERAL.finditer(text))}
    lifted: list[int] = []
    for location, value in zip(template.locations, template.values, strict=True):
        number = places.get(location)
        if number is None or _value(shape.literals[number]).encode("ascii") != value:
            return None
        lifted.append(number)
    return Recipe(tuple(lifted)) if len(set(lifted)) == len(lifted) else None


def _value(literal: str) -> str:
    return literal[1:-1] if literal[0] == "'" else literal
