"""The second lock: every kind of tampering with a guarded statement is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.faults import InternalFault
from proxy.sql import tree
from proxy.sql.guard import Rewritten
from proxy.sql.verify import verify
from tests.proxy.sql.fixture import guarded

SQL = "SELECT o.id, i.sku FROM orders o JOIN items i ON i.order_id = o.id WHERE o.note = $1"


def rewritten() -> Rewritten:
    return guarded(SQL, (25,)).rewritten


def tampered(old: str, new: str) -> Rewritten:
    """The statement with a piece of its text exchanged, tree and text in agreement."""
    made = rewritten()
    assert old in made.sql
    text = made.sql.replace(old, new, 1)
    node = tree.parse_tree(text).stmts[0].stmt.select_stmt
    return replace(made, sql=text, node=node)


def test_an_untouched_statement_passes() -> None:
    assert verify(rewritten()).rewritten.sql


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" WHERE tenant IN (SELECT m.tenant FROM org.members m WHERE m.u = $3::text) IS TRUE", ""),
        (") IS TRUE", ") IS NOT FALSE"),
        (") IS TRUE", ")"),
        ("m.u = $3::text", "m.u = $2::text"),
        ("m.u = $3::text", "m.u = $1"),
        ("m.u = $3::text", "m.u = 'bob'::text"),
        ("tenant IN", "tenant NOT IN"),
        ("ELSE 'x'::text END", "ELSE secret END"),
        ("FROM public.items)", "FROM public.people)"),
        ("FROM public.items)", "FROM archive.items)"),
        ("FROM public.items)", "FROM public.items, public.items)"),
        ("FROM public.items)", "FROM public.items LIMIT 1)"),
        ("FROM public.items)", "FROM ONLY public.items)"),
        ("FROM public.items)", "FROM items)"),
        ("(SELECT order_id, line, sku, qty FROM public.items)", "(SELECT 1 AS order_id, 2 AS sku)"),
        ("i.sku FROM", "(SELECT max(secret) FROM public.orders) FROM"),
        ("i.sku FROM", "(SELECT max(secret) FROM orders) FROM"),
        ("i.sku FROM", "pg_catalog.pg_read_file('x') FROM"),
        ("i.sku FROM", "lower(i.sku) FROM"),
        ("i.sku FROM", "evil.lower(i.sku) FROM"),
        ("i.sku FROM", "$2 FROM"),
        ("i.sku FROM", "current_user FROM"),
        ("o.note = $1", "o.note = $1 FOR UPDATE"),
        ("SELECT o.id", "WITH d AS (DELETE FROM public.items RETURNING sku) SELECT o.id"),
    ],
)
def test_tampering_is_refused(old: str, new: str) -> None:
    with pytest.raises(InternalFault):
        verify(tampered(old, new))


def test_text_and_tree_must_agree() -> None:
    made = rewritten()

    with pytest.raises(InternalFault, match="reads back"):
        verify(replace(made, sql=made.sql.replace("o.note = $1", "o.note <> $1")))


def test_two_statements_are_refused() -> None:
    made = rewritten()

    with pytest.raises(InternalFault):
        verify(replace(made, sql=made.sql + "; SELECT 1"))


def test_a_missing_guard_is_refused() -> None:
    made = rewritten()

    with pytest.raises(InternalFault, match="missing"):
        verify(replace(made, guards=(*made.guards, made.guards[0])))
