"""Rewrite a bound statement so that every relation in it is filtered, masked and, where needed,
fenced.

Each base relation becomes `(SELECT visible and masked columns FROM schema.relation WHERE filter) AS
alias`; a level that `fence` marked becomes a core closed by OFFSET 0 with the rest above it. Claims
are parameters after the client's own; where a protocol has none (COPY) `claim_literals` asks for
typed literals.

Two passes over a tree that this file owns. First references are renamed in place (a reference is
found by the identity of its message, which lasts until something is copied); then levels are
rebuilt from the inside out by copying. INVARIANT I2: `Rewritten` is constructed here only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postgast import pg_query_pb2 as pb

from policies.claims import ClaimType
from policies.model import RelationDecision, RelationKey
from proxy.faults import InternalFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.claim import ClaimSlot
from proxy.sql.fence import Fences, LevelFence
from proxy.sql.grouping import add_dependent_columns
from proxy.sql.guard_query import ClaimPlace, GuardShape, guard_query
from proxy.sql.scope import (
    Bound,
    Entry,
    Item,
    ItemKind,
    Output,
    Query,
    Ref,
    RefKind,
    Select,
    columns_read,
)
from proxy.sql.statistics import is_calm, restless_columns, without_statistics

Decide = Callable[[RelationKey], RelationDecision]

PARAMETERS_MAX = 65_535  # a Bind message counts its parameters in 16 bits


@dataclass(frozen=True, slots=True)
class GuardedRelation:
    """One relation of the statement and the decision that its guard carries out.

    `columns_read` are those that the statement uses, in table order, for the audit log.
    `is_stored`: reading it runs no code of the source, as reading a view or foreign table may.
    `restless`: columns that leave its own fence without their statistics.
    """

    key: RelationKey
    decision: RelationDecision
    columns_read: tuple[str, ...]
    is_only: bool
    is_stored: bool = False
    restless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A guarded statement, not yet verified.

    `node` the SelectStmt, `sql` its text, `guards` one per relation reference in no fixed order,
    `claim_slots` in parameter order after `parameter_count` parameters of the client's.
    """

    node: tree.Node
    sql: str
    guards: tuple[GuardedRelation, ...]
    claim_slots: tuple[ClaimSlot, ...]
    parameter_count: int
    pattern_parameters: frozenset[int]
    fence_count: int
    claim_literals: Mapping[str, str | None] | None = None


def guard(
    bound: Bound,
    fences: Fences,
    decide: Decide,
    *,
    parameter_count: int,
    pattern_parameters: frozenset[int] = frozenset(),
    claim_literals: Mapping[str, str | None] | None = None,
) -> Rewritten:
    """Rewrite `bound.node` in place and print it.

    `decide` gives the decision for a relation (raises what denies it). `claim_literals`: claim
    texts to print instead of parameters. Raises: UnsupportedFault, InternalFault, and whatever
    `decide` raises.
    """
    guarding = _Guarding(bound, fences, decide, parameter_count, claim_literals)
    guarding.rename_references()
    guarding.rebuild()
    if parameter_count + len(guarding.slots) > PARAMETERS_MAX:
        raise UnsupportedFault("too many parameters", sqlstate="54023")
    return Rewritten(
        bound.node,
        tree.print_tree(bound.node),
        tuple(guarding.guards),
        tuple(guarding.slots.values()),
        parameter_count,
        pattern_parameters,
        fences.count,
        claim_literals,
    )


class _Guarding:
    def __init__(
        self,
        bound: Bound,
        fences: Fences,
        decide: Decide,
        parameter_count: int,
        claim_literals: Mapping[str, str | None] | None,
    ) -> None:
        self.bound = bound
        self.fences = fences
        self.decide = decide
        self.parameter_count = parameter_count
        self.claim_literals = claim_literals
        self.slots: dict[str, ClaimSlot] = {}
        self.guards: list[GuardedRelation] = []
        self.cores: dict[int, _Core] = {}
        self.columns_read = columns_read(bound)
        self.prefix = _unused_prefix(bound.node)

    # First pass: names

    def rename_references(self) -> None:
        # Our aliases tell the depth of a level and the place in it, nothing global: two copies of
        # one expression, such as a select item and its GROUP BY key, must stay equal.
        levels = self.bound.levels()
        depths = _depths(self.bound)
        for select in levels:
            for place, item in enumerate(select.items):
                if item.kind is ItemKind.RELATION:
                    _settle_alias(item, f"{self.prefix}{depths[id(select)]}r{place}")
        for select in levels:
            add_dependent_columns(self.bound, select)
        for select in levels:
            plan = self.fences.levels.get(id(select))
            if plan is not None and plan.has_core:
                core = _Core(self.bound, select, plan, self.prefix, depths[id(select)])
                core.export_references()
                self.cores[id(select)] = core

    # Second pass: shape, innermost levels first

    def rebuild(self) -> None:
        for select in reversed(self.bound.levels()):
            for item in select.items:
                if item.kind is ItemKind.RELATION:
                    self._replace(item)
            core = self.cores.get(id(select))
            if core is not None:
                core.rebuild()

    def _replace(self, item: Item) -> None:
        assert item.relation is not None
        relation = item.node.range_var
        decision = self.decide(item.relation.relation.key)
        names = tuple(column.name for column in item.relation.columns)
        if names != tuple(column.name for column in decision.columns):
            raise InternalFault("catalog and policy disagree about the columns of a relation")
        is_only = not relation.inh
        read = tuple(name for name in names if name in self.columns_read.get(id(item), ()))
        base = item.relation.relation
        is_fenced = id(item) in self.fences.relations
        restless = restless_columns(base.columns) if is_fenced else frozenset()
        shape = GuardShape(base.schema, base.name, is_only, is_fenced, restless)
        query = guard_query(shape, decision, self._claim, is_shared=self.claim_literals is None)
        column_names = tree.names(relation.alias.colnames) if relation.HasField("alias") else ()
        tree.become_subselect(item.node, query, item.name, column_names)
        self.guards.append(
            GuardedRelation(base.key, decision, read, is_only, base.is_stored, restless)
        )

    def _claim(self, name: str, claim_type: ClaimType) -> ClaimPlace:
        """Where a claim's value comes from; its first use gives it its place."""
        if name not in self.slots:
            self.slots[name] = ClaimSlot(name, claim_type.name, claim_type.oid)
        if self.claim_literals is not None:
            return self.claim_literals[name]
        return self.parameter_count + 1 + list(self.slots).index(name)


class _Core:
    """The rebuilding of one fenced level: what the core exports, and what remains above it."""

    def __init__(
        self, bound: Bound, select: Select, plan: LevelFence, prefix: str, depth: int
    ) -> None:
        self.bound = bound
        self.select = select
        self.plan = plan
        self.prefix = prefix
        self.name = f"{prefix}{depth}"
        self.exports: dict[int | str, tuple[str, tree.Node]] = {}
        self.inside = {id(item) for unit in plan.inside for item in unit.items}
        self.star_targets: dict[int, list[tree.Node]] = {}

    def export_references(self) -> None:
        """Point every reference from outside the core to a column that the core exports."""
        places = [unit.node for unit in self.plan.inside] + self.plan.inside_conditions
        within = {
            id(message)
            for place in places
            for message in tree.walk(place)
            if message.DESCRIPTOR.name == "ColumnRef"
        }
        for ref in self.select.refs:
            if id(ref.message) in within:
                continue
            if ref.kind is RefKind.STAR:
                self._expand_star(ref)
            elif ref.kind is RefKind.WHOLE_ROW:
                self._export_row(ref)
            elif ref.entry is not None and self._is_inside(ref.entry):
                exported = self._export(ref.entry.output, address(self.select, ref.entry))
                _point(ref.message, self.name, exported)

    def _is_inside(self, entry: Entry) -> bool:
        if entry.merged is not None:
            return self._is_inside(entry.merged.left) and self._is_inside(entry.merged.right)
        return entry.item is not None and id(entry.item) in self.inside

    def _export(self, output: Output, source: tree.Node) -> str:
        known = self.exports.get(id(output))
        if known is None:
            if not is_calm(output, self.bound.refs):
                source = without_statistics(source)
            known = (self._next_name(), source)
            self.exports[id(output)] = known
        return known[0]

    def _next_name(self) -> str:
        """A column name that no label of the client can be: GROUP BY would prefer the column."""
        return f"{self.prefix}c{len(self.exports) + 1}"

    def _export_row(self, ref: Ref) -> None:
        space = ref.space
        assert space is not None
        if space.name is None or not all(self._is_inside(entry) for entry in space.entries):
            if any(self._is_inside(entry) for entry in space.entries):
                raise UnsupportedFault("a whole-row reference to this join is not supported")
            return
        if ref.is_expanded:
            raise UnsupportedFault(
                "a row made of alias.* is not supported here", hint="Name the columns."
            )
        key = f"row {id(space)}"
        if key not in self.exports:
            self.exports[key] = (self._next_name(), tree.column(space.name))
        _point(ref.message, self.name, self.exports[key][0])

    def _expand_star(self, ref: Ref) -> None:
        position = next((place for place, star in self.select.stars.items() if star is ref), None)
        if position is None:  # alias.* as a function argument is a whole row
            raise UnsupportedFault("a star in this place is not supported")
        targets = []
        for entry in ref.entries:
            source = address(self.select, entry)
            if self._is_inside(entry):
                value = tree.column(self.name, self._export(entry.output, source))
            else:
                value = source
            targets.append(tree.target(value, entry.name))
        self.star_targets[position] = targets

    def rebuild(self) -> None:
        """Move the inside units and conditions into the core; label what is left as it was."""
        node = self.select.node
        core = tree.select()
        tree.put_all(core.from_clause, (unit.node for unit in self.plan.inside))
        condition = tree.conjunction(self.plan.inside_conditions)
        if condition is not None:
            tree.put(core.where_clause, condition)
        core.target_list.extend(tree.target(source, name) for name, source in self.exports.values())
        core.limit_offset.CopyFrom(tree.integer(0))
        core.limit_option = pb.LIMIT_OPTION_COUNT
        remaining = [tree.subselect(core, self.name)]
        remaining += [tree.copy(unit.node) for unit in self.plan.outside]
        above = tree.conjunction([tree.copy(part) for part in self.plan.outside_conditions])
        targets = self._targets()
        del node.from_clause[:]
        tree.put_all(node.from_clause, remaining)
        node.ClearField("where_clause")
        if above is not None:
            tree.put(node.where_clause, above)
        del node.target_list[:]
        tree.put_all(node.target_list, targets)

    def _targets(self) -> list[tree.Node]:
        targets: list[tree.Node] = []
        for position, target in enumerate(self.select.node.target_list):
            if position in self.star_targets:
                targets += self.star_targets[position]
                continue
            kept = tree.copy(target)
            if not kept.res_target.name:
                kept.res_target.name = self.select.labels[len(targets)]
            targets.append(kept)
        return targets


def address(select: Select, entry: Entry) -> tree.Node:
    """How a column of a namespace can be named at its level: `alias.column`, or a merged bare
    name."""
    if entry.merged is not None:
        for side in (entry.merged.left, entry.merged.right):
            if side.output is entry.output:  # not FULL: the merged column is one side's own
                return address(select, side)
    else:
        for space in select.spaces:
            if space.name is None or not space.is_name_visible:
                continue
            named = [other for other in space.entries if other.name == entry.name]
            if any(other is entry for other in named):
                if len(named) > 1:
                    raise UnsupportedFault(
                        "columns of one name in one subquery are not supported here"
                    )
                return tree.column(space.name, entry.name)
    return tree.column(entry.name)


def _point(message: tree.Node, *parts: str) -> None:
    """Rewrite a ColumnRef in place."""
    del message.fields[:]
    message.fields.extend(tree.name_list(parts))


def _settle_alias(item: Item, unique: str) -> None:
    """References like `schema.table.column` cannot name a subquery: give the item a name of its
    own.

    The same where two items of one level have one name in different schemas.
    """
    twins = [other for other in item.select.items if other.name == item.name and other is not item]
    qualified = [ref for ref in item.refs if len(ref.message.fields) > 2]
    if not twins and not qualified and not any(_is_schema_star(ref) for ref in item.refs):
        return
    for space in item.select.spaces:
        if space.item is item:
            space.name = unique
    for ref in item.refs:
        if ref.kind is RefKind.COLUMN and len(ref.message.fields) > 1:
            assert ref.entry is not None
            _point(ref.message, unique, ref.entry.name)
        elif ref.kind is RefKind.WHOLE_ROW:
            _point(ref.message, unique)
        elif ref.kind is RefKind.STAR and ref.space is not None:
            star = tree.copy(ref.message.fields[-1])
            _point(ref.message, unique)
            ref.message.fields.append(star)
    item.name = unique


def _is_schema_star(ref: Ref) -> bool:
    return ref.kind in (RefKind.STAR, RefKind.WHOLE_ROW) and len(ref.message.fields) > 2


def _depths(bound: Bound) -> dict[int, int]:
    """How many queries stand around each query."""
    depths: dict[int, int] = {}
    pending: list[tuple[Query, int]] = [(bound.root, 0)]
    while pending:
        query, depth = pending.pop()
        depths[id(query)] = max(depth, depths.get(id(query), 0))
        pending.extend((below, depth + 1) for below in query.subqueries)
    return depths


def _unused_prefix(node: tree.Node) -> str:
    """A prefix for our own aliases that occurs nowhere in the statement."""
    text = node.SerializeToString()
    number = 0
    while f"sp{number}_".encode() in text:
        number += 1
    return f"sp{number}_"
