"""Walks over bound queries."""

from __future__ import annotations

from proxy.sql.scope import RefKind, Select, entry_items, ref_items
from tests.proxy.sql.fixture import bound


def test_levels_come_outer_first() -> None:
    statement = bound("SELECT (SELECT 1 FROM items) FROM (SELECT id FROM orders) q")
    levels = statement.levels()

    assert levels[0] is statement.root
    assert len(levels) == 3


def test_a_reference_to_a_merged_column_reads_both_sides() -> None:
    root = bound("SELECT line FROM items a FULL JOIN items b USING (line)").root
    assert isinstance(root, Select)
    (ref,) = [ref for ref in root.refs if ref.kind is RefKind.COLUMN]

    assert {item.name for item in ref_items(ref)} == {"a", "b"}
    assert ref.entry is not None
    assert len(entry_items(ref.entry)) == 2
