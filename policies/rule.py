"""Rules as they are after loading: tables, columns, grants, restrictions, denials.

This file must not know YAML or how rules combine (`combine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from policies.errors import Place
from policies.expression import TRUE, Expression, Role, walk
from policies.mask import CustomMask, Mask
from policies.model import RelationKey
from policies.window import ALWAYS, Window

Effect = Literal["grant", "restrict", "deny"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition and the text it was written as."""

    node: Expression = TRUE
    text: str = "true"


ALWAYS_TRUE = Condition()


@dataclass(frozen=True, slots=True)
class Rule:
    """What every rule has. `roles` None: everybody. Limits cap one statement's result (rows,
    bytes).
    """

    name: str
    place: Place
    roles: frozenset[str] | None
    where: Condition = ALWAYS_TRUE
    row_limit: int | None = None
    byte_limit: int | None = None

    def applies_to(self, roles: frozenset[str]) -> bool:
        """True when a principal with these roles is meant."""
        return self.roles is None or not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True)
class WindowedRule(Rule):
    """A rule that holds at certain times only."""

    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Grant(WindowedRule):
    """Rows that some roles may read, with these columns; `unmask` and `masks` change their
    treatment.
    """

    columns: frozenset[str] = frozenset()
    unmask: frozenset[str] = frozenset()
    masks: Mapping[str, Mask] = field(default_factory=dict)
    effect: Effect = "grant"


@dataclass(frozen=True, slots=True)
class Restriction(WindowedRule):
    """A condition that every row must also meet, for some roles or for everybody."""

    effect: Effect = "restrict"


@dataclass(frozen=True, slots=True)
class Denial(Rule):
    """Wins over everything: the whole table, some `columns`, or rows where the condition holds."""

    columns: frozenset[str] = frozenset()
    effect: Effect = "deny"

    @property
    def is_whole(self) -> bool:
        """True when the table does not exist for the roles meant."""
        return not self.columns and self.where.node == TRUE


@dataclass(frozen=True, slots=True)
class ColumnPolicy:
    """A listed column. `mask` already includes those of its `tags`; None: shown as it is."""

    name: str
    place: Place
    mask: Mask | None = None
    tags: frozenset[str] = frozenset()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """Everything the policy says about one relation. Columns not in `columns` do not exist.

    `absent` names columns that were seen and left out on purpose.
    """

    key: RelationKey
    place: Place
    columns: Mapping[str, ColumnPolicy]
    absent: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    denials: tuple[Denial, ...] = ()
    comment: str | None = None
    row_limit: int | None = None
    byte_limit: int | None = None

    @property
    def rules(self) -> tuple[Grant | Restriction | Denial, ...]:
        """All rules: grants, restrictions, denials."""
        return (*self.grants, *self.restrictions, *self.denials)

    def in_order(self, names: Sequence[str]) -> TablePolicy:
        """The same with `columns` in the order of `names`; itself where they are."""
        place = {name: number for number, name in enumerate(names)}
        ordered = sorted(self.columns, key=lambda name: place.get(name, len(place)))
        if ordered == list(self.columns):
            return self
        return replace(self, columns={name: self.columns[name] for name in ordered})

    def masks(self) -> dict[str, tuple[Mask, ...]]:
        """For each column, every distinct mask that some principal may get on it."""
        found: dict[str, tuple[Mask, ...]] = {}
        for name, column in self.columns.items():
            candidates = [column.mask] if column.mask else []
            candidates += [grant.masks[name] for grant in self.grants if name in grant.masks]
            if candidates:
                found[name] = tuple(dict.fromkeys(candidates))
        return found

    def mentioned_roles(self) -> frozenset[str]:
        """The roles that can make a difference to a decision about this table."""
        roles: set[str] = set()
        for rule in self.rules:
            roles |= rule.roles or frozenset()
            roles |= _roles_in(rule.where.node)
        for masks in self.masks().values():
            for mask in masks:
                if isinstance(mask, CustomMask):
                    roles |= _roles_in(mask.body)
        return frozenset(roles)


def _roles_in(node: Expression) -> frozenset[str]:
    return frozenset(found.name for found in walk(node) if isinstance(found, Role))
