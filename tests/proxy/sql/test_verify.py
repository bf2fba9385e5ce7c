"""The second lock: every kind of tampering with a guarded statement is noticed."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest

from proxy.faults import InternalFault
from proxy.sql import tree
from proxy.sql.allow import AllowList
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
        ("o.note = $1", "o.note @#@ $1"),
        ("o.note = $1", "o.note OPERATOR(evil.=) $1"),
        ("o.note = $1", "o.note OPERATOR(evil.=) ANY (ARRAY[$1])"),
        ("o.note = $1", "o.note OPERATOR(evil.=) ANY (SELECT $1)"),
        ("o.note = $1", "o.note = $1 ORDER BY o.note USING OPERATOR(evil.<)"),
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


def test_a_guard_that_is_spelled_otherwise_is_compared_as_a_tree() -> None:
    made = rewritten()
    spelled = made.sql.replace("(SELECT order_id, line", "( SELECT  order_id,line")

    assert spelled != made.sql
    assert verify(replace(made, sql=spelled))
    with pytest.raises(InternalFault, match="differs"):
        verify(replace(made, sql=spelled.replace("sku, qty FROM", "qty, sku FROM")))


def test_the_text_of_a_guard_elsewhere_is_none() -> None:
    """It stands in a literal, as many bytes before the other guard's first output as in a guard."""
    made = rewritten()
    guard = "(SELECT order_id, line, sku, qty FROM public.items)"
    text = made.sql.replace(guard, f"(SELECT '{guard}'::text AS order_id FROM public.items)")

    with pytest.raises(InternalFault, match="differs"):
        verify(replace(made, sql=text, node=tree.parse_tree(text).stmts[0].stmt.select_stmt))


def test_only_what_the_tree_says_is_printed() -> None:
    made = rewritten()
    text = made.sql.replace("public.items", "archive.items")
    node = tree.parse_tree(text).stmts[0].stmt.select_stmt

    with pytest.raises(InternalFault, match="reads back"):
        verify(replace(made, node=node))


def test_two_statements_are_refused() -> None:
    made = rewritten()

    with pytest.raises(InternalFault):
        verify(replace(made, sql=made.sql + "; SELECT 1"))


def test_a_missing_guard_is_refused() -> None:
    made = rewritten()

    with pytest.raises(InternalFault, match="missing"):
        verify(replace(made, guards=(*made.guards, made.guards[0])))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*), random() FROM orders WHERE id BETWEEN 1 AND 3",
        "SELECT note::int[], now() - interval '1 day' FROM orders",
    ],
)
def test_what_is_built_in_leaves_nothing_behind(sql: str) -> None:
    assert guarded(sql).verified.leaves_nothing


def test_a_view_may_run_what_nobody_reviewed() -> None:
    assert not guarded("SELECT n FROM vp").verified.leaves_nothing


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("i.sku FROM", "ours.touched(i.sku) FROM"),
        ("i.sku FROM", "(i.sku OPERATOR(ours.<<@>>) i.sku) FROM"),
        ("i.sku FROM", "i.sku::ours.odd FROM"),
    ],
)
def test_what_an_extension_brings_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    allowed = AllowList()
    allowed.extend(
        functions={"touched": "ours"}, operators={"<<@>>": "ours"}, types={"odd": "ours"}
    )
    monkeypatch.setattr("proxy.sql.verify.CLASSIFICATION", allowed)
    assert not verify(tampered(old, new)).leaves_nothing
    assert verify(rewritten()).leaves_nothing


VOLATILE_AND_REVIEWED = {
    "array_sample", "array_shuffle", "clock_timestamp", "gen_random_uuid", "random",
    "random_normal", "timeofday", "timezone", "uuidv4", "uuidv7",
}  # fmt: skip
"""They draw random numbers or read the clock, and leave nothing behind in the connection."""


def test_no_function_that_leaves_a_trace_is_allowed() -> None:
    """INVARIANT I12: a connection is not reset after what is built in and allowed. Functions that
    change something are marked volatile (PostgreSQL documentation, 38.7)."""
    text = resources.files("proxy.sql.classification").joinpath("functions.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines()]
    names = {name: number for number, name in enumerate(rows[0])}
    found = {
        row[names["name"]]
        for row in rows[1:]
        if row[names["verdict"]] == "allowed" and row[names["volatility"]] == "v"
    }
    assert found == VOLATILE_AND_REVIEWED
