"""The nouns of binding: queries, their FROM items, the columns they put out, and references to
them.

A `Select` is one query level: its FROM leaves are `Item`s, its output is a list of `Output`s, and
every column reference that was resolved *to this level* (from here or from a subquery below) is a
`Ref`. `SetOperation` and `Values` are the two other shapes of a query. All of them keep the
protobuf message they describe, and the message is mutated later by `guard`: identity of a message
is identity of a place in the statement.

This file must not know policies or how relations are filtered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from proxy.catalog.virtual import Column, VisibleRelation
from proxy.sql import tree


@dataclass(eq=False, slots=True)
class Output:
    """One output column of a query or FROM item.

    `type_oid` is 0 where it is not known here (the shadow knows it, this analysis need not).
    `column` is the stored column behind a relation's output; `expression` with `query` the target
    expression behind a subquery's. Neither: a value that its item has already computed, of the type
    of `typed_by` if that is set (the working table of WITH RECURSIVE has the types of its first
    term).
    """

    name: str
    type_oid: int = 0
    column: Column | None = None
    expression: tree.Node | None = None
    query: Select | None = None
    arms: tuple[Output, Output] | None = None
    typed_by: Output | None = None
    values: tuple[tree.Node, ...] = ()  # one expression per row of VALUES


class ItemKind(Enum):
    RELATION = auto()
    SUBQUERY = auto()
    CTE = auto()
    FUNCTION = auto()


@dataclass(eq=False, slots=True)
class Item:
    """One leaf of a FROM clause. `node` is the `Node` union that holds it in the statement."""

    kind: ItemKind
    node: tree.Node
    name: str
    outputs: list[Output]
    select: Select
    relation: VisibleRelation | None = None
    query: Query | None = None
    cte: Cte | None = None
    is_uncertain: bool = False  # a function whose columns are not known here
    is_working_table: bool = False  # the recursive term's reference to its own WITH query
    refs: list[Ref] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Merged:
    """A column merged by JOIN USING or NATURAL JOIN: visible unqualified, made of both sides."""

    left: Entry
    right: Entry


@dataclass(eq=False, slots=True)
class Entry:
    """A column as one namespace shows it: its name there, and what it is."""

    name: str
    output: Output
    item: Item | None
    merged: Merged | None = None


@dataclass(eq=False, slots=True)
class Space:
    """A nameable thing of a FROM clause (PostgreSQL: ParseNamespaceItem).

    `name` None: a join without alias. `are_columns_visible`: its columns answer to unqualified
    names.
    """

    name: str | None
    schema: str | None
    entries: list[Entry]
    item: Item | None
    is_name_visible: bool = True
    are_columns_visible: bool = True


class RefKind(Enum):
    COLUMN = auto()
    WHOLE_ROW = auto()
    STAR = auto()  # `*` or `alias.*` in a target list


@dataclass(eq=False, slots=True)
class Ref:
    """A resolved ColumnRef: `message` in the statement, the level it belongs to, what it names."""

    message: tree.Node
    kind: RefKind
    select: Select
    entry: Entry | None = None
    space: Space | None = None
    entries: list[Entry] = field(default_factory=list)
    is_expanded: bool = False  # `alias.*` as part of a row: its columns, not one value


@dataclass(eq=False, slots=True)
class Cte:
    name: str
    query: Query
    outputs: list[Output]
    is_recursive: bool
    node: tree.Node
    is_open: bool = False  # while its recursive term is being bound
    is_self_read: bool = False


@dataclass(eq=False, slots=True)
class Join:
    """A JoinExpr that must stay whole: outer, USING/NATURAL or aliased. Leaves are its items."""

    node: tree.Node
    items: list[Item]
    conditions: list[tree.Node]
    merged: list[Merged]
    nullable: list[Item]


@dataclass(eq=False, slots=True)
class Unit:
    """One independent part of a FROM clause: a leaf, or a join that must stay whole.

    Inner joins with ON are taken apart: their sides become units, their conditions conjuncts.
    """

    node: tree.Node
    items: list[Item]
    join: Join | None = None
    needs: set[int] = field(default_factory=set)  # id() of units of this level used laterally


@dataclass(eq=False, slots=True)
class Select:
    """One query level with a FROM clause, possibly empty."""

    node: tree.Node
    parent: Scope | None
    outputs: list[Output] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    join_conditions: list[tree.Node] = field(default_factory=list)  # of inner joins taken apart
    spaces: list[Space] = field(default_factory=list)
    refs: list[Ref] = field(default_factory=list)
    stars: dict[int, Ref] = field(default_factory=dict)  # target position -> star
    labels: list[str] = field(default_factory=list)
    ctes: list[Cte] = field(default_factory=list)
    sublinks: list[Query] = field(default_factory=list)

    @property
    def subqueries(self) -> Iterator[Query]:
        """Every query directly below this level: in WITH, in FROM, in expressions."""
        yield from (cte.query for cte in self.ctes)
        yield from (item.query for item in self.items if item.query is not None)
        yield from self.sublinks


@dataclass(eq=False, slots=True)
class SetOperation:
    node: tree.Node
    left: Query
    right: Query
    outputs: list[Output]
    ctes: list[Cte] = field(default_factory=list)
    sublinks: list[Query] = field(default_factory=list)  # in LIMIT and OFFSET

    @property
    def subqueries(self) -> Iterator[Query]:
        yield from (cte.query for cte in self.ctes)
        yield self.left
        yield self.right
        yield from self.sublinks


Query = Select | SetOperation


@dataclass(eq=False, slots=True)
class Scope:
    """Where a name is looked up: one level's spaces, then outwards."""

    select: Select
    spaces: list[Space]
    parent: Scope | None


@dataclass(slots=True)
class Bound:
    """A bound statement: the tree (ours to change), its root query, every reference by message."""

    node: tree.Node
    root: Query
    refs: dict[int, Ref]
    sublinks: dict[int, Query]
    items: list[Item]
    kept: list[tree.Node]
    takes_rows_apart: bool = False  # `(expression).*` was written out

    def levels(self) -> list[Select]:
        """Every Select of the statement, outer ones first."""
        found: list[Select] = []
        pending: list[Query] = [self.root]
        while pending:
            query = pending.pop()
            if isinstance(query, Select):
                found.append(query)
            pending.extend(query.subqueries)
        return found


def columns_read(bound: Bound) -> dict[int, set[str]]:
    """For each relation item, by id(): the stored columns that the statement names or takes whole.

    A star or a whole row reads every visible column; JOIN USING reads what it compares.
    """
    read: dict[int, set[str]] = {}
    entries: list[Entry] = []
    for ref in bound.refs.values():
        entries += [ref.entry] if ref.entry is not None else []
        entries += ref.space.entries if ref.space is not None else ref.entries
    for level in bound.levels():
        for unit in level.units:
            for merged in unit.join.merged if unit.join is not None else ():
                entries += [merged.left, merged.right]
    while entries:
        entry = entries.pop()
        if entry.merged is not None:
            entries += [entry.merged.left, entry.merged.right]
        elif entry.item is not None and entry.output.column is not None:
            read.setdefault(id(entry.item), set()).add(entry.output.column.name)
    return read


def ref_items(ref: Ref) -> list[Item]:
    """Every FROM leaf that a reference reads."""
    entries = [ref.entry] if ref.entry else []
    entries += ref.space.entries if ref.space else ref.entries
    found: dict[int, Item] = {}
    for entry in entries:
        for item in entry_items(entry):
            found[id(item)] = item
    return list(found.values())


def entry_items(entry: Entry) -> list[Item]:
    """The leaves behind one namespace column: two or more where JOIN USING merged it."""
    if entry.merged is not None:
        return entry_items(entry.merged.left) + entry_items(entry.merged.right)
    return [entry.item] if entry.item is not None else []
