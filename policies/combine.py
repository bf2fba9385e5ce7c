"""The combination rule: many rules, one decision. The heart of `policies/`.

This file must not know YAML, identities or time: it is given the roles and the set of rules that
hold now.

Rows.    A row is admitted when some grant of the principal's roles admits it (OR), every
restriction holds (AND), and no denial's condition does. Conditions that are unknown (SQL NULL)
admit nothing, and a denial that is unknown denies. Columns. A column exists when some grant of the
roles lists it and no denial names it: by role alone, never by time or claim values, so that the
catalog of a principal is stable. Values.  A value is clear in a row only if a grant *that admits
that row* shows the column clear. Otherwise the strictest mask of all the principal's grants applies
if a grant that admits the row lists the column, and NULL if none does. Role A seeing a row masked
and role B seeing other rows clear thus never gives the first row in clear. Types.   A masked column
has the declared type of its mask in every row: clear values are cast to it. The type, too, follows
from the roles alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies import expression as tree
from policies.claims import ClaimType
from policies.errors import DeniedReason, PolicyDenied
from policies.expression import FALSE, TRUE, Expression, cast, quote_identifier, to_sql
from policies.mask import Mask, MaskContext, strictest
from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn
from policies.rule import Denial, Grant, Restriction, Rule, TablePolicy, WindowedRule

# The mask's name where a column is NULL because no grant that admits the row lists it.
NOT_LISTED = "null"


@dataclass(frozen=True, slots=True)
class Applicable:
    """The rules of a table that are meant for a set of roles; `is_open` tells which hold now."""

    table: TablePolicy
    roles: frozenset[str]
    grants: tuple[Grant, ...]
    restrictions: tuple[Restriction, ...]
    denials: tuple[Denial, ...]

    @staticmethod
    def select(table: TablePolicy, roles: frozenset[str]) -> Applicable:
        """The rules of `table` that are meant for a principal with `roles`."""
        return Applicable(
            table,
            roles,
            tuple(rule for rule in table.grants if rule.applies_to(roles)),
            tuple(rule for rule in table.restrictions if rule.applies_to(roles)),
            tuple(rule for rule in table.denials if rule.applies_to(roles)),
        )

    @property
    def whole_denial(self) -> Denial | None:
        """The rule that denies the whole table, if there is one."""
        return next((rule for rule in self.denials if rule.is_whole), None)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that exist for the roles, in policy order; empty: no such table."""
        if self.whole_denial is not None:
            return ()
        denied = frozenset(name for rule in self.denials for name in rule.columns)
        listed = frozenset(name for grant in self.grants for name in grant.columns) - denied
        return tuple(name for name in self.table.columns if name in listed)

    def mask_of(self, column: str, order: Sequence[str]) -> Mask | None:
        """The strictest mask of all grants on the column; None when every grant shows it clear."""
        masks = [mask for grant in self.grants if (mask := _treatment(self.table, grant, column))]
        if not masks:
            return None
        chosen = strictest(list(dict.fromkeys(masks)), order)
        if chosen is None:  # the loader refuses such a policy; never guess if it did not
            raise PolicyDenied(DeniedReason.DENIED, f'masks of "{column}" cannot be ordered')
        return chosen

    def visible_columns(self, order: Sequence[str]) -> tuple[VisibleColumn, ...]:
        """The columns that exist, with their masks and the types that these declare."""
        return tuple(self._visible_column(name, order) for name in self.column_names)

    def _visible_column(self, name: str, order: Sequence[str]) -> VisibleColumn:
        comment = self.table.columns[name].comment
        mask = self.mask_of(name, order)
        if mask is None:
            return VisibleColumn(name, None, comment=comment)
        is_partly_clear = any(
            name in grant.columns and _treatment(self.table, grant, name) is None
            for grant in self.grants
        )
        return VisibleColumn(name, mask.type_name, mask.name, is_partly_clear, comment)


def _treatment(table: TablePolicy, grant: Grant, column: str) -> Mask | None:
    """The mask of `column` through `grant`, None: clear, or not listed (the caller knows which)."""
    if column not in grant.columns or column in grant.unmask:
        return None
    return grant.masks.get(column, table.columns[column].mask)


def combine(
    applicable: Applicable,
    *,
    order: Sequence[str],
    is_open: Callable[[WindowedRule], bool],
    claim_type: Callable[[str], ClaimType],
    valid_until: float | None,
) -> RelationDecision:
    """The decision for a principal with the roles of `applicable`. Raises PolicyDenied.

    `is_open` tells whether a rule's time window is open, `claim_type` gives the type of a claim or
    key slot, `valid_until` (unix seconds) goes into the decision.
    """
    _require_existing(applicable)
    _require_open(applicable, is_open)
    active = tuple(grant for grant in applicable.grants if is_open(grant))
    builder = _Builder(applicable, active, order)
    filters = builder.row_filter()
    columns = tuple(builder.column(name) for name in applicable.column_names)
    row_rules: tuple[Rule, ...] = (*active, *applicable.restrictions, *applicable.denials)
    return RelationDecision(
        key=applicable.table.key,
        columns=columns,
        row_filter=to_sql(filters),
        claims=frozenset(builder.claims),
        rules=tuple(rule.name for rule in row_rules),
        row_limit=_smallest([applicable.table.row_limit, *(rule.row_limit for rule in row_rules)]),
        byte_limit=_smallest(
            [applicable.table.byte_limit, *(rule.byte_limit for rule in row_rules)]
        ),
        comment=applicable.table.comment,
        lookups=frozenset(builder.lookups),
        valid_until=valid_until,
        claim_types={name: claim_type(name) for name in sorted(builder.claims)},
    )


def _require_existing(applicable: Applicable) -> None:
    denial = applicable.whole_denial
    if denial is not None:
        raise PolicyDenied(DeniedReason.DENIED, "a rule denies the table", rule=denial.name)
    if not applicable.column_names:
        raise PolicyDenied(DeniedReason.NO_RULE, "no rule grants the table to these roles")


def _require_open(applicable: Applicable, is_open: Callable[[WindowedRule], bool]) -> None:
    closed: list[WindowedRule] = [rule for rule in applicable.restrictions if not is_open(rule)]
    if not any(is_open(grant) for grant in applicable.grants):
        closed.extend(applicable.grants)
    if closed:
        raise PolicyDenied(
            DeniedReason.OUTSIDE_TIME_WINDOW,
            "outside the hours in which the rule holds",
            rule=closed[0].name,
        )


def _smallest(limits: Sequence[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


class _Builder:
    """Builds filter and columns, and remembers which claims and lookups the SQL mentions."""

    def __init__(
        self, applicable: Applicable, active: tuple[Grant, ...], order: Sequence[str]
    ) -> None:
        self._applicable = applicable
        self._active = active
        self._order = order
        self.claims: set[str] = set()
        self.lookups: set[RelationKey] = set()

    def _used(self, node: Expression) -> Expression:
        self.claims |= tree.claims_of(node)
        self.lookups |= tree.lookups_of(node)
        return node

    def _decided(self, node: Expression) -> Expression:
        return tree.simplify(node, self._applicable.roles)

    def row_filter(self) -> Expression:
        """(grant OR grant …) AND restriction … AND NOT denial …"""
        granted = tree.disjunction(tuple(self._decided(rule.where.node) for rule in self._active))
        required = [self._decided(rule.where.node) for rule in self._applicable.restrictions]
        refused = [
            tree.negation(self._decided(rule.where.node))
            for rule in self._applicable.denials
            if not rule.columns
        ]
        return self._used(tree.conjunction((granted, *required, *refused)))

    def _admitted(self, grants: Sequence[Grant]) -> Expression:
        return tree.disjunction(tuple(self._decided(grant.where.node) for grant in grants))

    def column(self, name: str) -> ColumnDecision:
        """One column by the rule of values and types above."""
        mask = self._applicable.mask_of(name, self._order)
        type_name = mask.type_name if mask else None
        listing = [grant for grant in self._active if name in grant.columns]
        clear: list[Grant] = []
        masked: list[Grant] = []
        for grant in listing:
            treatment = _treatment(self._applicable.table, grant, name)
            (clear if treatment is None else masked).append(grant)
        value = quote_identifier(name)
        shown = cast(value, type_name) if type_name else value
        clear_rows = self._admitted(clear)
        if len(clear) == len(self._active) or clear_rows == TRUE:
            return ColumnDecision(name, shown if type_name else None, type_name, None)
        arms = []
        if clear_rows != FALSE:
            arms.append(f"WHEN {to_sql(self._used(clear_rows))} THEN {shown}")
        otherwise = "NULL"
        if mask is not None and masked:
            masked_sql = self._mask_sql(mask, name)
            masked_rows = self._admitted(masked)
            if len(listing) == len(self._active) or masked_rows == TRUE:
                otherwise = masked_sql
            elif masked_rows != FALSE:
                arms.append(f"WHEN {to_sql(self._used(masked_rows))} THEN {masked_sql}")
        label = mask.name if mask is not None and masked else NOT_LISTED
        if arms:
            return ColumnDecision(
                name, f"CASE {' '.join(arms)} ELSE {otherwise} END", type_name, label
            )
        if otherwise == "NULL":
            otherwise = f"CASE WHEN false THEN {shown} END"
        return ColumnDecision(name, otherwise, type_name, label)

    def _mask_sql(self, mask: Mask, name: str) -> str:
        context = MaskContext(self._applicable.table.key, name, self._applicable.roles)
        self.claims |= mask.claims(context)
        self.lookups |= mask.lookups()
        return mask.sql(context)
