"""GROUP BY primary key (pitfall 16): dependent columns are added, and only where the rule applies."""

from __future__ import annotations

import pytest

from proxy.faults import UnsupportedFault
from tests.proxy.sql.fixture import guarded


def group_by(sql: str) -> str:
    return guarded(sql).rewritten.sql.rsplit(" GROUP BY ", 1)[1]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT o.id, o.note FROM orders o GROUP BY o.id", "o.id, o.note"),
        ("SELECT o.note, o.tenant FROM orders o GROUP BY o.id", "o.id, o.note, o.tenant"),
        ("SELECT o.id, max(o.note) FROM orders o GROUP BY o.id", "o.id"),
        ("SELECT o.id FROM orders o GROUP BY o.id ORDER BY o.note", "o.id, o.note ORDER BY o.note"),
        ("SELECT i.sku FROM items i GROUP BY i.order_id, i.line", "i.order_id, i.line, i.sku"),
        ("SELECT i.order_id FROM items i GROUP BY i.order_id", "i.order_id"),
        (
            "SELECT (SELECT count(*) FROM items WHERE sku = o.note) FROM orders o GROUP BY o.id",
            "o.id, o.note",
        ),
    ],
)
def test_dependent_columns_are_added(sql: str, expected: str) -> None:
    assert group_by(sql) == expected


def test_a_column_that_cannot_be_grouped_is_refused_clearly() -> None:
    with pytest.raises(UnsupportedFault) as caught:
        guarded("SELECT o.raw FROM orders o GROUP BY o.id")

    assert caught.value.sqlstate == "0A000"
    assert '"raw"' in caught.value.message
