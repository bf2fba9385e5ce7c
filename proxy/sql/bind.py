"""Resolve every name of a query against what the principal may see.

Input is a classified SELECT tree and a resolver of relation names; output is a `Bound`: every FROM
leaf, every output column, every column reference with the level it belongs to. Nothing is rewritten
here.

The scoping rules are PostgreSQL's own (`parse_relation.c`, `parse_clause.c`, `parse_cte.c`):
- a WITH query sees those before it; under RECURSIVE it sees all of its list and itself (attacks
  1–5);
- a subquery in FROM sees the levels outside its SELECT, and with LATERAL the items to its left;
- ORDER BY and DISTINCT ON prefer an output name over an input column, GROUP BY the other way round.

The shadow has already accepted the statement, so a name that is not found here means that the two
disagree, or that it is a hidden thing; both get PostgreSQL's answer for an absent object (I7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from postgast import pg_query_pb2 as pb

from proxy.catalog.virtual import VisibleRelation
from proxy.faults import Fault, LimitFault, NotFoundFault, UnsupportedFault
from proxy.sql import from_clause, label, tree
from proxy.sql.row import expand_rows
from proxy.sql.scope import (
    Bound,
    Cte,
    Entry,
    Item,
    ItemKind,
    Output,
    Query,
    Ref,
    RefKind,
    Scope,
    Select,
    SetOperation,
    Space,
)
from proxy.sql.shape import Shapes

TARGETS_MAX = 1_664  # entries of a select list, stars written out (MaxTupleAttributeNumber)
OUTPUTS_MAX = 50_000  # of all levels together: a star over stars over stars grows with each

Resolve = Callable[[str, str], VisibleRelation | None]  # (schema or "", name) -> what it is
Locate = Callable[[int], int]  # byte location -> character position


def bind(
    node: tree.Node,
    resolve: Resolve,
    locate: Locate = lambda location: location + 1,
    shapes: Shapes | None = None,
) -> Bound:
    """Bind a SelectStmt message (kept and referred to, not copied). `shapes` knows row types.

    Raises: NotFoundFault (42P01, 42703) for a name this principal does not have; UnsupportedFault.
    """
    binder = Binder(resolve, locate, shapes or Shapes())
    root = binder.query(node, None, CteScope(None))
    return Bound(
        node, root, binder.refs, binder.sublinks, binder.items, binder.kept,
        takes_rows_apart=binder.takes_rows_apart,
    )  # fmt: skip


class CteScope:
    """WITH names in force. Entries are bound on first use: RECURSIVE allows forward references."""

    def __init__(self, parent: CteScope | None) -> None:
        self.parent = parent
        self.pending: dict[str, Callable[[], Cte]] = {}
        self.bound: dict[str, Cte] = {}

    def find(self, name: str) -> Cte | None:
        scope: CteScope | None = self
        while scope is not None:
            if name in scope.bound:
                return scope.bound[name]
            if name in scope.pending:
                return scope.pending[name]()
            scope = scope.parent
        return None


class Binder:
    """One statement's binding in progress."""

    def __init__(self, resolve: Resolve, locate: Locate, shapes: Shapes) -> None:
        self.resolve = resolve
        self.locate = locate
        self.shapes = shapes
        self.takes_rows_apart = False
        self.outputs_left = OUTPUTS_MAX
        self.refs: dict[int, Ref] = {}
        self.sublinks: dict[int, Query] = {}
        self.items: list[Item] = []
        self.kept: list[tree.Node] = []  # an id() is a message's place only while its wrapper lives

    # Queries

    def query(self, node: tree.Node, parent: Scope | None, ctes: CteScope) -> Query:
        """Bind one SelectStmt of any shape; `parent` is the level it may correlate with."""
        inner, with_list = self._with(node, parent, ctes)
        if node.op != pb.SETOP_NONE:
            left = self.query(node.larg, parent, inner)
            right = self.query(node.rarg, parent, inner)
            return self._set_operation(node, left, right, with_list, parent, inner)
        select = Select(node, parent, ctes=with_list)
        if node.values_lists:
            return self._values(select, parent, inner)
        return self._select(select, parent, inner)

    def _set_operation(
        self,
        node: tree.Node,
        left: Query,
        right: Query,
        with_list: list[Cte],
        parent: Scope | None,
        ctes: CteScope,
    ) -> SetOperation:
        if len(left.outputs) != len(right.outputs):
            raise Fault(
                "each set operation query must have the same number of columns", sqlstate="42601"
            )
        outputs = [
            Output(name=one.name, arms=(one, two))
            for one, two in zip(left.outputs, right.outputs, strict=True)
        ]
        operation = SetOperation(node, left, right, outputs, ctes=with_list)
        holder = Select(node, parent)  # LIMIT may hold subqueries, never columns of this level
        scope = Scope(holder, [], parent)
        self.expressions([node.limit_count, node.limit_offset], scope, ctes)
        operation.sublinks = holder.sublinks
        return operation

    def _values(self, select: Select, parent: Scope | None, ctes: CteScope) -> Select:
        scope = Scope(select, [], parent)
        if any(_is_star(value) for row in select.node.values_lists for value in row.list.items):
            raise UnsupportedFault("a star in VALUES is not supported")
        for row in select.node.values_lists:
            self.expressions(row.list.items, scope, ctes)
        self.expressions([select.node.limit_count, select.node.limit_offset], scope, ctes)
        width = len(select.node.values_lists[0].list.items)
        select.labels = [f"column{number}" for number in range(1, width + 1)]
        rows = [row.list.items for row in select.node.values_lists]
        select.outputs = [
            Output(name=name, values=tuple(row[position] for row in rows))
            for position, name in enumerate(select.labels)
        ]
        return select

    def _select(self, select: Select, parent: Scope | None, ctes: CteScope) -> Select:
        node = select.node
        scope = Scope(select, select.spaces, parent)
        from_clause.bind_from(self, select, parent, ctes)
        for target in node.target_list:
            self._settle_row_star(target.res_target.val, scope)
        expand_rows(self, node, scope)
        self._targets(select, scope, ctes)
        self.expressions([node.where_clause, node.having_clause], scope, ctes)
        self.expressions([node.limit_count, node.limit_offset], scope, ctes)
        self.expressions(node.window_clause, scope, ctes)
        outputs = set(select.labels)
        for group in node.group_clause:
            self._group_key(group, scope, outputs, ctes)
        for order in node.sort_clause:
            self._output_first(order.sort_by.node, scope, outputs, ctes)
        for distinct in node.distinct_clause:
            self._output_first(distinct, scope, outputs, ctes)
        return select

    # WITH

    def _with(
        self, node: tree.Node, parent: Scope | None, ctes: CteScope
    ) -> tuple[CteScope, list[Cte]]:
        if not node.HasField("with_clause"):
            return ctes, []
        scope = CteScope(ctes)
        bound: list[Cte] = []
        is_recursive = node.with_clause.recursive
        expressions = [item.common_table_expr for item in node.with_clause.ctes]
        if is_recursive:
            for expression in expressions:
                scope.pending[expression.ctename] = partial(
                    self._cte, expression, parent, scope, bound, is_recursive=True
                )
        for expression in expressions:
            if expression.ctename not in scope.bound:
                self._cte(expression, parent, scope, bound, is_recursive=is_recursive)
        return scope, bound

    def _cte(
        self,
        expression: tree.Node,
        parent: Scope | None,
        scope: CteScope,
        bound: list[Cte],
        *,
        is_recursive: bool,
    ) -> Cte:
        scope.pending.pop(expression.ctename, None)
        if tree.kind(expression.ctequery) != "select_stmt":
            raise UnsupportedFault("data-modifying statements in WITH are not supported")
        node = expression.ctequery.select_stmt
        if is_recursive and node.op != pb.SETOP_NONE:
            cte = self._recursive_cte(expression, node, parent, scope)
        else:
            query = self.query(node, parent, scope)
            outputs = from_clause.renamed(query.outputs, expression.aliascolnames)
            cte = Cte(expression.ctename, query, outputs, is_recursive=False, node=expression)
            cte.outputs += _search_and_cycle(expression)
        scope.bound[expression.ctename] = cte
        bound.append(cte)
        return cte

    def _recursive_cte(
        self, expression: tree.Node, node: tree.Node, parent: Scope | None, outer: CteScope
    ) -> Cte:
        inner, with_list = self._with(node, parent, outer)
        left = self.query(node.larg, parent, inner)
        # Both terms put out the first term's column names and types; the values are already
        # computed.
        computed = [Output(output.name, typed_by=output) for output in left.outputs]
        outputs = from_clause.renamed(computed, expression.aliascolnames)
        outputs += _search_and_cycle(expression)
        cte = Cte(expression.ctename, left, outputs, is_recursive=True, node=expression)
        outer.bound[expression.ctename] = cte
        cte.is_open = True
        right = self.query(node.rarg, parent, inner)
        cte.is_open = False
        cte.query = self._set_operation(node, left, right, with_list, parent, inner)
        if not cte.is_self_read:  # RECURSIVE is only permission: PostgreSQL may inline this query
            cte.is_recursive = False
            cte.outputs = from_clause.renamed(cte.query.outputs, expression.aliascolnames)
        return cte

    # Target lists and expressions

    def _targets(self, select: Select, scope: Scope, ctes: CteScope) -> None:
        for position, target in enumerate(select.node.target_list):
            value = target.res_target.val
            if value.HasField("column_ref") and value.column_ref.fields[-1].HasField("a_star"):
                star = self._star(value.column_ref, scope)
                select.stars[position] = star
                select.labels += [entry.name for entry in star.entries]
                select.outputs += [
                    replace(entry.output, name=entry.name)
                    if entry.merged is None
                    else Output(entry.name, typed_by=entry.output)
                    for entry in star.entries
                ]
                if len(select.outputs) > TARGETS_MAX:
                    break
                continue
            self.expressions([value], scope, ctes)
            name = label.label(target.res_target)
            select.labels.append(name)
            select.outputs.append(Output(name, expression=value, query=select))
        self._demand_few(len(select.outputs))

    def _demand_few(self, count: int) -> None:
        """Raise Fault 54011 as PostgreSQL does (`free_parsestate`), 54001 for the whole."""
        if count > TARGETS_MAX:
            raise LimitFault(
                f"target lists can have at most {TARGETS_MAX} entries", sqlstate="54011"
            )
        self.outputs_left -= count
        if self.outputs_left < 0:
            raise LimitFault("statement too complex", sqlstate="54001")

    def _settle_row_star(self, value: tree.Node, scope: Scope) -> None:
        """`(alias).*` is `alias.*`; any other row is written out by its fields (`row`)."""
        parts = value.a_indirection.indirection
        if not parts or not parts[-1].HasField("a_star"):
            return
        names = tree.names(value.a_indirection.arg.column_ref.fields)
        is_alias = len(parts) == 1 and len(names) == 1 and names[0]
        if not is_alias or self._by_name(names[0], scope, value.a_indirection.arg.column_ref):
            return
        reference = tree.copy(value.a_indirection.arg)
        reference.column_ref.fields.append(parts[-1])
        value.Clear()
        value.CopyFrom(reference)

    def _group_key(self, node: tree.Node, scope: Scope, outputs: set[str], ctes: CteScope) -> None:
        if node.HasField("grouping_set"):
            for part in node.grouping_set.content:
                self._group_key(part, scope, outputs, ctes)
            return
        if node.HasField("row_expr") or node.HasField("list"):
            self.expressions([node], scope, ctes)
            return
        name = _bare_name(node)
        if name in outputs and not self._is_input(name, node, scope):
            return
        self.expressions([node], scope, ctes)

    def _is_input(self, name: str | None, node: tree.Node, scope: Scope) -> bool:
        assert name is not None
        return self._unqualified(name, scope.spaces, node.column_ref) is not None

    def _output_first(
        self, node: tree.Node, scope: Scope, outputs: set[str], ctes: CteScope
    ) -> None:
        name = _bare_name(node)
        if name is None or name not in outputs:
            self.expressions([node], scope, ctes)

    def expressions(self, nodes: Iterable[tree.Node], scope: Scope, ctes: CteScope) -> None:
        """Resolve every column reference and subquery below the given `Node` unions."""
        stack = [node for node in nodes if node.WhichOneof("node")]
        while stack:
            message = stack.pop()
            if message.DESCRIPTOR.name == "Node":
                message = tree.inner(message)
            match message.DESCRIPTOR.name:
                case "ColumnRef":
                    self._reference(message, scope)
                case "SubLink":
                    if message.HasField("testexpr"):
                        stack.append(message.testexpr)
                    self._sublink(message, message.subselect, scope, ctes)
                case "JsonArrayQueryConstructor":
                    self._sublink(message, message.query, scope, ctes)
                case "SelectStmt":
                    raise UnsupportedFault("a query in this place is not supported")
                case "RowExpr":
                    for argument in message.args:
                        if _is_star(argument):
                            self._whole_row_parts(argument.column_ref, scope)
                        else:
                            stack.append(argument)
                case "A_Indirection":
                    if any(part.HasField("a_star") for part in message.indirection):
                        raise UnsupportedFault("(expression).* is not supported")
                    stack.extend(tree.children(message))
                case _:
                    stack.extend(tree.children(message))

    def _sublink(
        self, message: tree.Node, subselect: tree.Node, scope: Scope, ctes: CteScope
    ) -> None:
        query = self.query(subselect.select_stmt, scope, ctes)
        self.sublinks[id(message)] = query
        self.kept.append(message)
        scope.select.sublinks.append(query)

    # Column references

    def _reference(self, message: tree.Node, scope: Scope) -> None:
        if message.fields[-1].HasField("a_star"):
            self._whole_row(message, tree.names(message.fields[:-1]), scope)
            return
        parts = tree.names(message.fields)
        if len(parts) == 1:
            found = self._by_name(parts[0], scope, message)
            if found is None:
                self._whole_row(message, parts, scope)
                return
            owner, entry = found
        else:
            space_owner, space = self._space(parts[:-1], scope, message)
            owner = space_owner
            matches = [entry for entry in space.entries if entry.name == parts[-1]]
            if len(matches) != 1:
                raise self._no_column(".".join(parts[-2:]), message, quote=False)
            entry = matches[0]
        self._record(Ref(message, RefKind.COLUMN, owner.select, entry=entry))

    def find(self, parts: tuple[str, ...], scope: Scope, message: tree.Node) -> Entry | Space:
        """What a reference names, nothing recorded. Raises Fault, NotFoundFault."""
        if len(parts) == 1:
            found = self._by_name(parts[0], scope, message)
            return found[1] if found is not None else self._space(parts, scope, message)[1]
        _, space = self._space(parts[:-1], scope, message)
        matches = [entry for entry in space.entries if entry.name == parts[-1]]
        if len(matches) != 1:
            raise self._no_column(".".join(parts[-2:]), message, quote=False)
        return matches[0]

    def _whole_row(self, message: tree.Node, parts: tuple[str, ...], scope: Scope) -> None:
        try:
            owner, space = self._space(parts, scope, message)
        except NotFoundFault:
            if len(parts) == 1:
                raise self._no_column(parts[0], message) from None
            raise
        self._record(Ref(message, RefKind.WHOLE_ROW, owner.select, space=space))

    def _whole_row_parts(self, message: tree.Node, scope: Scope) -> None:
        self._whole_row(message, tree.names(message.fields[:-1]), scope)
        self.refs[id(message)].is_expanded = True

    def _star(self, message: tree.Node, scope: Scope) -> Ref:
        if len(message.fields) == 1:
            visible = [space for space in scope.spaces if space.are_columns_visible]
            entries = [entry for space in visible for entry in space.entries]
            ref = Ref(message, RefKind.STAR, scope.select, entries=entries)
        else:
            owner, space = self._space(tree.names(message.fields[:-1]), scope, message)
            ref = Ref(message, RefKind.STAR, owner.select, space=space, entries=list(space.entries))
        self._record(ref)
        return ref

    def _record(self, ref: Ref) -> None:
        entries = ref.space.entries if ref.space is not None else ref.entries
        if any(entry.item is not None and entry.item.is_uncertain for entry in entries):
            raise UnsupportedFault(
                "the columns of this function are not known here", hint="Name them: f(…) AS a(x)."
            )
        self.refs[id(ref.message)] = ref
        ref.select.refs.append(ref)
        item = ref.space.item if ref.space else ref.entry.item if ref.entry else None
        if item is not None:
            item.refs.append(ref)

    def _by_name(
        self, name: str, scope: Scope | None, message: tree.Node
    ) -> tuple[Scope, Entry] | None:
        while scope is not None:
            entry = self._unqualified(name, scope.spaces, message)
            if entry is not None:
                return scope, entry
            scope = scope.parent
        return None

    def _unqualified(self, name: str, spaces: list[Space], message: tree.Node) -> Entry | None:
        matches = [
            entry
            for space in spaces
            if space.are_columns_visible
            for entry in space.entries
            if entry.name == name
        ]
        if len(matches) > 1:
            raise Fault(
                f'column reference "{name}" is ambiguous',
                sqlstate="42702",
                position=self.locate(message.location),
            )
        return matches[0] if matches else None

    def _space(
        self, parts: tuple[str, ...], scope: Scope | None, message: tree.Node
    ) -> tuple[Scope, Space]:
        schema = parts[-2] if len(parts) >= 2 else None
        while scope is not None:
            for space in scope.spaces:
                if not space.is_name_visible or space.name != parts[-1]:
                    continue
                if schema is None or space.schema == schema:
                    return scope, space
            scope = scope.parent
        raise NotFoundFault(
            f'missing FROM-clause entry for table "{parts[-1]}"',
            position=self.locate(message.location),
        )

    def _no_column(self, name: str, message: tree.Node, *, quote: bool = True) -> Fault:
        shown = f'"{name}"' if quote else name
        return NotFoundFault(
            f"column {shown} does not exist",
            sqlstate="42703",
            position=self.locate(message.location),
        )


def _is_star(node: tree.Node) -> bool:
    fields = node.column_ref.fields
    return len(fields) > 0 and fields[-1].HasField("a_star")


def _bare_name(node: tree.Node) -> str | None:
    if not node.HasField("column_ref") or len(node.column_ref.fields) != 1:
        return None
    field = node.column_ref.fields[0]
    return field.string.sval if field.HasField("string") else None


def _search_and_cycle(expression: tree.Node) -> list[Output]:
    added: list[Output] = []
    if expression.HasField("search_clause"):
        added.append(Output(expression.search_clause.search_seq_column))
    if expression.HasField("cycle_clause"):
        added.append(Output(expression.cycle_clause.cycle_mark_column))
        added.append(Output(expression.cycle_clause.cycle_path_column))
    return added


__all__ = ["Binder", "CteScope", "Item", "ItemKind", "Locate", "Resolve", "bind"]
