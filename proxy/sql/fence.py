"""Where a fence stands: decided for every level before anything is changed.

INVARIANT I4. PostgreSQL evaluates a query's conditions in the order that it finds cheapest, moves
them below joins and into subqueries, and may run a FROM item only if another gave a row. So an
expression that can raise tells of hidden rows if it can run before the row filter, or only when a
hidden row exists. The theory, one level (SELECT) at a time:

*Exposed* are conditions (WHERE, ON, HAVING without aggregates), keys (GROUP BY, ORDER BY, DISTINCT,
window and aggregate ordering). Not exposed: the outermost select list and aggregate arguments,
which run when all filters of the level have run. An output of a subquery that is unsafe makes each
expression that uses it unsafe: data flow.

*Quiet* is a FROM unit that cannot raise while it produces its rows; any other is *noisy*.

A level needs a fence when an exposed expression is unsafe, when a noisy unit stands beside another
unit, or when the level around it demands one (*forced*). Then its quiet units and safe conditions
become one inner query closed by OFFSET 0, the *core*; noisy units and unsafe conditions stand above
it, and noisy subqueries are forced in turn. One fence around the joined core keeps indexes and join
orders (pitfall 6).

Where an outer join (or USING, which merges columns) with an unsafe part cannot be taken apart, each
of its relations gets a fence of its own. Views, foreign tables and tables with virtual generated
columns always carry their own, for their columns are expressions of the source.

This file must not know policies, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postgast import pg_query_pb2 as pb

from proxy.sql import tree
from proxy.sql.level import contains_aggregate, flat_keys, is_aggregate, is_output_key
from proxy.sql.safety import Safety
from proxy.sql.scope import (
    Bound,
    Item,
    ItemKind,
    Output,
    Query,
    RefKind,
    Select,
    SetOperation,
    Unit,
    ref_items,
)


@dataclass(eq=False, slots=True)
class LevelFence:
    """The plan of one level. Without `has_core` the FROM clause keeps its shape."""

    select: Select
    has_core: bool = False
    inside: list[Unit] = field(default_factory=list)
    outside: list[Unit] = field(default_factory=list)
    inside_conditions: list[tree.Node] = field(default_factory=list)
    outside_conditions: list[tree.Node] = field(default_factory=list)


@dataclass(slots=True)
class Fences:
    """The plan of a statement: a LevelFence per Select, and the relations fenced one by one."""

    levels: dict[int, LevelFence] = field(default_factory=dict)
    relations: set[int] = field(default_factory=set)  # id() of items

    @property
    def count(self) -> int:
        return sum(level.has_core for level in self.levels.values()) + len(self.relations)


def place_fences(bound: Bound, safety: Safety) -> Fences:
    """Decide every level of a bound statement."""
    return _Placing(bound, safety).run()


class _Placing:
    def __init__(self, bound: Bound, safety: Safety) -> None:
        self.bound = bound
        self.safety = safety
        self.fences = Fences()
        self.forced: dict[int, bool] = {}
        self.pending: list[Query] = []

    def run(self) -> Fences:
        self._demand(self.bound.root, is_forced=False)
        while self.pending:
            query = self.pending.pop()
            is_forced = self.forced[id(query)]
            for cte in query.ctes:  # one that nobody reads never runs; it still gets its guards
                self._demand(cte.query, is_forced=False)
            for sublink in query.sublinks:
                self._demand(sublink, is_forced=not self.safety.is_quiet(sublink))
            if isinstance(query, SetOperation):
                self._set_operation(query, is_forced=is_forced)
            else:
                self.fences.levels[id(query)] = self._level(query, is_forced=is_forced)
        for item in self.bound.items:
            if item.kind is ItemKind.RELATION and not self.safety.is_quiet_item(item):
                self.fences.relations.add(id(item))
        return self.fences

    def _demand(self, query: Query, *, is_forced: bool) -> None:
        known = self.forced.get(id(query))
        if known is None or (is_forced and not known):
            self.forced[id(query)] = is_forced
            self.pending.append(query)

    def _set_operation(self, query: SetOperation, *, is_forced: bool) -> None:
        node = query.node
        is_plain = node.op == pb.SETOP_UNION and node.all and not node.sort_clause
        # Arms of different types are cast to a common one, below what the operation does with rows.
        exposed = not is_plain and not all(map(self._is_harmless_output, query.outputs))
        for arm in (query.left, query.right):
            self._demand(arm, is_forced=is_forced or exposed)

    # One level

    def _level(self, select: Select, *, is_forced: bool) -> LevelFence:
        plan = LevelFence(select)
        noisy = self._noisy_units(select)
        conditions = [
            part
            for condition in [select.node.where_clause, *select.join_conditions]
            for part in tree.conjuncts(condition)
        ]
        unsafe = {id(part) for part in conditions if not self.safety.is_safe(part)}
        needs_fence = (
            is_forced
            or bool(unsafe)
            or (bool(noisy) and len(select.units) > 1)
            or not self._are_keys_harmless(select)
        )
        plan.inside = [unit for unit in select.units if id(unit) not in noisy]
        plan.outside = [unit for unit in select.units if id(unit) in noisy]
        plan.has_core = needs_fence and any(self._has_guard(unit) for unit in plan.inside)
        for unit in plan.outside:
            self._fence_unit(unit, is_forced=needs_fence)
        for unit in plan.inside:
            for query in _queries(unit):
                self._demand(query, is_forced=False)
        if plan.has_core:
            outside_items = {id(item) for unit in plan.outside for item in unit.items}
            for part in conditions:
                stays_out = id(part) in unsafe or self._reads(part, select, outside_items)
                (plan.outside_conditions if stays_out else plan.inside_conditions).append(part)
        return plan

    def _fence_unit(self, unit: Unit, *, is_forced: bool) -> None:
        """A noisy unit stands above the core: what it reads must be fenced within it."""
        if unit.join is None:
            for query in _queries(unit):
                self._demand(query, is_forced=is_forced)
            return
        for item in unit.items:
            if item.kind is ItemKind.RELATION:
                self.fences.relations.add(id(item))
        for query in _queries(unit):
            self._demand(query, is_forced=True)

    def _noisy_units(self, select: Select) -> set[int]:
        noisy = {id(unit) for unit in select.units if not self._is_quiet_unit(unit)}
        while True:  # what reads a noisy unit laterally must stand above it as well
            more = {
                id(unit) for unit in select.units if id(unit) not in noisy and unit.needs & noisy
            }
            if not more:
                return noisy
            noisy |= more

    def _is_quiet_unit(self, unit: Unit) -> bool:
        if not all(map(self.safety.is_quiet_item, unit.items)):
            return False
        if unit.join is None:
            return True
        return all(map(self.safety.is_safe, unit.join.conditions)) and all(
            self.safety.is_total_merge(merged) for merged in unit.join.merged
        )

    def _has_guard(self, unit: Unit) -> bool:
        return any(_reads_relation(item) for item in unit.items)

    def _reads(self, node: tree.Node, select: Select, items: set[int]) -> bool:
        """Whether the expression reads one of these items of this level, at any depth."""
        if not items:
            return False
        for message in tree.walk(node):
            if message.DESCRIPTOR.name != "ColumnRef":
                continue
            ref = self.bound.refs.get(id(message))
            if ref is None or ref.select is not select:
                continue
            if any(id(item) in items for item in ref_items(ref)):
                return True
        return False

    # Keys

    def _are_keys_harmless(self, select: Select) -> bool:
        node = select.node
        keys = flat_keys(node.group_clause)
        keys += [order.sort_by.node for order in node.sort_clause]
        keys += [key for key in node.distinct_clause if key.WhichOneof("node")]
        is_distinct = node.distinct_clause and not node.distinct_clause[0].WhichOneof("node")
        if is_distinct and not all(map(self._is_harmless_output, select.outputs)):
            return False
        if not all(self._is_harmless_key(key, select) for key in keys):
            return False
        if not self._is_harmless_having(node.having_clause, select):
            return False
        places = [*node.target_list, *node.sort_clause, *node.window_clause, node.having_clause]
        return all(self._are_inner_keys_safe(place, select) for place in places)

    def _is_harmless_key(self, key: tree.Node, select: Select) -> bool:
        if not is_output_key(key, select):
            return self._is_harmless_expression(key, select)
        if key.HasField("a_const"):
            position = key.a_const.ival.ival
            named = select.outputs[position - 1 : position] if position >= 1 else []
        else:
            name = key.column_ref.fields[0].string.sval
            named = [output for output in select.outputs if output.name == name]
        return bool(named) and all(map(self._is_harmless_output, named))

    def _is_harmless_output(self, output: Output) -> bool:
        if output.expression is not None and output.query is not None:
            return self._is_harmless_expression(output.expression, output.query)
        if output.arms is not None:
            is_one_type = self.safety.output_type(output) != 0
            return is_one_type and all(map(self._is_harmless_output, output.arms))
        return self.safety.output_is_safe(output)

    def _is_harmless_expression(self, node: tree.Node, select: Select) -> bool:
        """Safe, or computed from an aggregate or window function, hence after all filters."""
        if self.safety.is_safe(node):
            return True
        return contains_aggregate(node, select, self.bound.refs, or_window=True)

    def _is_harmless_having(self, node: tree.Node, select: Select) -> bool:
        """As `_is_harmless_expression`, of every part: the planner tries parts on statistics.

        `sum(x) > 3` is computed from an aggregate; in `doc @? '…' OR count(*) > 3` one half is not.
        """
        kind = tree.kind(node)
        if kind in ("", "string") or self.safety.is_safe(node):
            return True
        message = tree.inner(node)
        if kind not in ("list", "case_when"):
            if not contains_aggregate(node, select, self.bound.refs, or_window=True):
                return False
            if kind == "func_call" and (message.HasField("over") or is_aggregate(message)):
                return True
        return all(self._is_harmless_having(part, select) for part in tree.unions(message))

    def _are_inner_keys_safe(self, place: tree.Node, select: Select) -> bool:
        """ORDER BY and DISTINCT inside aggregates, PARTITION and ORDER BY of windows: sort keys
        too."""
        for message in tree.walk(place):
            keys: list[tree.Node] = []
            if message.DESCRIPTOR.name == "WindowDef":
                keys += message.partition_clause
                keys += [order.sort_by.node for order in message.order_clause]
            elif message.DESCRIPTOR.name == "FuncCall":
                keys += [order.sort_by.node for order in message.agg_order]
                if message.agg_distinct:
                    keys += message.args
            elif message.DESCRIPTOR.name == "JsonAggConstructor":  # JSON_ARRAYAGG(… ORDER BY …)
                keys += [order.sort_by.node for order in message.agg_order]
            if not all(self._is_harmless_expression(key, select) for key in keys):
                return False
        return True


def _queries(unit: Unit) -> list[Query]:
    found: list[Query] = []
    for item in unit.items:
        if item.query is not None:
            found.append(item.query)
        if item.cte is not None and not item.is_working_table:
            found.append(item.cte.query)
    return found


def _reads_relation(item: Item, seen: set[int] | None = None) -> bool:
    seen = set() if seen is None else seen
    if item.kind is ItemKind.RELATION:
        return True
    pending: list[Query] = [item.query] if item.query is not None else []
    if item.cte is not None:
        pending.append(item.cte.query)
    while pending:
        query = pending.pop()
        if id(query) in seen:
            continue
        seen.add(id(query))
        if isinstance(query, Select) and any(_reads_relation(below, seen) for below in query.items):
            return True
        pending.extend(query.subqueries)
    return False


__all__ = ["Fences", "LevelFence", "RefKind", "place_fences"]
