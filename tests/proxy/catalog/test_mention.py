"""Goal: a draft holds whatever a statement could name; what could name anything needs the whole class.

Method: texts, and the relations or the doubt that must come of them.
"""

from __future__ import annotations

import pytest

from proxy.catalog.mention import mentioned

RELATIONS = [("public", "orders"), ("sales", "orders"), ("public", "Odd name"), ("hr", "staff")]
ORDERS = frozenset(RELATIONS[:2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", frozenset()),
        ("SELECT * FROM orders", ORDERS),
        ("SELECT * FROM sales.orders JOIN absent USING (id)", ORDERS),
        ('WITH x AS (SELECT * FROM "Odd name") TABLE x', frozenset(RELATIONS[2:3])),
        ("SELECT EXISTS (SELECT FROM hr.staff s WHERE s.id = $1)", frozenset(RELATIONS[3:])),
        ("SELECT NULL::orders, ROW(1)::hr.staff[]", ORDERS | set(RELATIONS[3:])),
        ("SELECT staff(x) FROM (SELECT 1) x", frozenset(RELATIONS[3:])),
        ("SELEC", frozenset()),
        ("SELECT 'orders'::regclass", None),
        ("SELECT $1::regtype[]", None),
        ("SELECT pg_get_serial_sequence('orders', 'id')", None),
        ("SELECT has_table_privilege('orders', 'select')", None),
        ("SELECT col_description(1, 2)", None),
        ("SELECT relname FROM pg_class", None),
        ("SELECT 1 FROM information_schema.tables", None),
    ],
)
def test_mentions(text: str, expected: frozenset[tuple[str, str]] | None) -> None:
    assert mentioned(text, RELATIONS) == expected
