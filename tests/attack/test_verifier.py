"""The second lock against a first one that is picked: relations smuggled in beside good guards.

Goal: each rule of the verifier holds alone, not because another rule happens to refuse as well.
Method: every expected guard stays where it is; only something is added.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.faults import InternalFault
from proxy.sql import tree
from proxy.sql.verify import verify
from tests.proxy.sql.fixture import guarded

SQL = "SELECT o.id, 7 AS seven FROM orders o WHERE o.note = $1"

SMUGGLED = [
    ("7 AS", "(SELECT h.id FROM public.hidden h, public.hidden k) AS", "outside its guard"),
    ("7 AS", "(SELECT h.id FROM public.hidden h JOIN public.hidden k ON true) AS",
     "outside its guard"),
    ("7 AS", "(SELECT 1 FROM hidden) AS", "outside its guard"),
    ("7 AS", "(SELECT pg_catalog.count(*) FROM (WITH hidden AS (SELECT 1) SELECT 1) q, hidden) AS",
     "outside its guard"),
    ("7 AS", "(WITH a AS (SELECT 1 FROM later), later AS (SELECT 1) SELECT 1 FROM a) AS",
     "outside its guard"),
    ("7 AS", "(SELECT 1 FROM main.public.hidden h, (SELECT 1) k) AS", "outside its guard"),
    ("7 AS", "(SELECT id FROM public.hidden) AS", "differs"),
    ("7 AS", "(TABLE public.hidden) AS", "differs"),
    ("7 AS", "$3 AS", "parameter"),
    ("7 AS", "pg_catalog.pg_read_file('x') AS", "function"),
    ("7 AS", "lower('x') AS", "function"),
    ("7 AS", "session_user AS", "identity"),
    ("o.note = $1", "o.note = $1 FOR SHARE", "LockingClause"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "reason"), SMUGGLED)
def test_what_is_smuggled_in_is_found(old: str, new: str, reason: str) -> None:
    made = guarded(SQL, (25,)).rewritten
    assert old in made.sql
    text = made.sql.replace(old, new, 1)
    node = tree.parse_tree(text).stmts[0].stmt.select_stmt

    with pytest.raises(InternalFault, match=reason):
        verify(replace(made, sql=text, node=node))
