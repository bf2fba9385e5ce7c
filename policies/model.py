"""What a decision is about and what it looks like: relation keys, columns, row filters.

This file must not know how rules are written (`rule.py`) or combined (`decide.py`). SQL in a
decision is an expression over *bare, quoted column names of the base relation*, `claim('name')`
calls, `pg_catalog` functions, and, inside a subquery, a lookup table under an alias of its own.
Hidden columns may occur: the expression is evaluated beside the base relation, before anything of
the principal's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.claims import ClaimType


@dataclass(frozen=True, slots=True, order=True)
class RelationKey:
    """A relation by its full, exact name: source, schema and name as the source stores them."""

    source: str
    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.source}.{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class VisibleColumn:
    """A column that exists for a set of roles.

    `type_name`: declared by a mask, None: its own. `mask`: the name of the mask that it gets in
    some row, None: clear in all; `is_partly_clear`: some rule shows it clear, too. `comment` as
    the policy has it, None: the source's own.
    """

    name: str
    type_name: str | None
    mask: str | None = None
    is_partly_clear: bool = False
    comment: str | None = None

    def told(self, source_comment: str | None) -> str | None:
        """What the catalog says of the column: the comment, and its mask in words."""
        comment = source_comment if self.comment is None else self.comment
        if self.mask is None:
            return comment or None
        words = "masked in some rows" if self.is_partly_clear else "masked"
        mask = f"{words}: {self.mask}"
        return f"{comment} ({mask})" if comment else mask


@dataclass(frozen=True, slots=True)
class ColumnDecision:
    """How one visible column is shown.

    `expression` None: the column as it is; otherwise SQL (see the module). `type_name` the declared
    result type of the expression, None: the column's own. `mask` the mask's name, None when nothing
    is masked in any row (an expression without a mask is a cast to the type that all of the
    principal's roles agree on).
    """

    name: str
    expression: str | None
    type_name: str | None
    mask: str | None


@dataclass(frozen=True, slots=True)
class RelationDecision:
    """What a principal gets of one relation.

    `row_filter` SQL boolean, `true` and `false` possible. `claims` names every `claim('…')` in
    filter and masks, key slots included (`PolicySet.claim_value` gives the values). `rules` the
    names of the rules applied, `lookups` the relations that the filter or a mask reads besides the
    base relation. `row_limit` (rows) and `byte_limit` (bytes) cap one statement's result, None: no
    cap. `valid_until` (unix seconds) is the instant after which the decision must be made again,
    None: only when identity or policy change.
    """

    key: RelationKey
    columns: tuple[ColumnDecision, ...]
    row_filter: str
    claims: frozenset[str]
    rules: tuple[str, ...]
    row_limit: int | None = None
    byte_limit: int | None = None
    comment: str | None = None
    lookups: frozenset[RelationKey] = frozenset()
    valid_until: float | None = None
    claim_types: Mapping[str, ClaimType] = field(default_factory=dict)
