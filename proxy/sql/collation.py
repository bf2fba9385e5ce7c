"""Which collations take part in an expression: two that meet raise, on the row that gets there.

`column < other_column` over two different collations parses and plans, and fails with "could not
determine which collation to use" when it is evaluated: a tale about a hidden row. So texts are
compared safely only where at most one collation beside the database's default takes part, and none
is nondeterministic (LIKE on such a column raises too).
Source of the rules: PostgreSQL documentation, section 24.2.1.
"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.catalog.virtual import Column
from proxy.sql import tree
from proxy.sql.infer import Types
from proxy.sql.scope import Bound, Output

NAME_OID = 19  # the type `name` has the collation "C", whatever the database's is


class Collations(Types):
    """Questions about the texts of one bound statement."""

    def __init__(self, bound: Bound, parameter_oids: tuple[int, ...]) -> None:
        super().__init__(bound, parameter_oids)
        self._columns_behind: dict[int, list[Column]] = {}

    def has_one_collation(self, nodes: Iterable[tree.Node]) -> bool:
        """Whether at most one collation beside the default takes part, a deterministic one."""
        given = list(nodes)
        columns = [column for node in given for column in self.columns_in(node)]
        has_name = any(self.type_of(node) == NAME_OID for node in given)
        return agree(columns, has_name=has_name)

    def columns_in(self, node: tree.Node) -> list[Column]:
        found: dict[int, Column] = {}
        for message in tree.walk(node):
            if message.DESCRIPTOR.name == "ColumnRef":
                ref = self.bound.refs.get(id(message))
                if ref is not None and ref.entry is not None:
                    found |= {id(own): own for own in self.columns_behind(ref.entry.output)}
        return list(found.values())

    def columns_behind(self, output: Output) -> list[Column]:
        """The stored columns whose values may be, or be part of, this output."""
        known = self._columns_behind.get(id(output))
        if known is None:
            self._columns_behind[id(output)] = []  # WITH RECURSIVE: the first term tells it all
            known = self._columns_behind[id(output)] = self._find_columns(output)
        return known

    def _find_columns(self, output: Output) -> list[Column]:
        if output.column is not None:
            return [output.column]
        found = self.columns_in(output.expression) if output.expression is not None else []
        for part in (*(output.arms or ()), *([output.typed_by] if output.typed_by else [])):
            found = found + self.columns_behind(part)
        for value in output.values:
            found = found + self.columns_in(value)
        return list({id(column): column for column in found}.values())


def agree(columns: list[Column], *, has_name: bool = False) -> bool:
    """Whether all are deterministic and no two collations meet: else a comparison of texts raises,
    and only when a row reaches it (PostgreSQL documentation, section 24.2.1)."""
    found = {
        (column.collation, column.type_oid if column.type_kind == "d" else 0)
        for column in columns
        if column.collation is not None or column.type_kind == "d"
    }
    if has_name or any(column.base_type_oid == NAME_OID for column in columns):
        found.add(("C", 0))
    return len(found) <= 1 and all(column.is_deterministic for column in columns)
