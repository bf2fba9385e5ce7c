"""EXPLAIN POLICY tells names of rules and masks, never their text."""

from __future__ import annotations

from types import SimpleNamespace

from policies.model import ColumnDecision, RelationDecision, RelationKey
from proxy import explain


def guarded(*decisions: RelationDecision) -> object:
    guards = tuple(SimpleNamespace(key=one.key, decision=one) for one in decisions)
    return SimpleNamespace(guards=guards, parts=())


def decision(row_filter: str, **changes: object) -> RelationDecision:
    return RelationDecision(
        key=RelationKey("main", "shop", "orders"),
        columns=(
            ColumnDecision("id", None, None, None),
            ColumnDecision("note", "left(hidden_column, 1)", "text", "short"),
        ),
        row_filter=row_filter,
        claims=frozenset(),
        rules=("by-region", "not-secret"),
        **changes,  # type: ignore[arg-type]
    )


def lines(*decisions: RelationDecision) -> list[str]:
    found = explain.rows(guarded(*decisions), "0123456789abcdef")  # type: ignore[arg-type]
    return [line for (line,) in found]


def test_names_and_no_texts() -> None:
    told = lines(decision("hidden_column = 7", row_limit=10, byte_limit=20))

    assert told == [
        "policy 0123456789ab", "shop.orders", "  rules: by-region, not-secret",
        "  rows: those that the rules admit", "  column note: masked by short",
        "  at most 10 rows", "  at most 20 bytes",
    ]  # fmt: skip
    assert "hidden_column" not in "\n".join(told)


def test_all_rows_no_rows_and_no_table() -> None:
    assert "  rows: all" in lines(decision("true"))
    assert "  rows: none" in lines(decision("false"))
    assert lines()[-1] == "no table is read"


def test_a_relation_read_twice_is_told_once() -> None:
    assert lines(decision("true"), decision("true")).count("shop.orders") == 1


def test_several_sources_are_told_with_what_each_is_asked() -> None:
    part = SimpleNamespace(
        guarded=SimpleNamespace(source="crm"),
        asked="SELECT id FROM people",
        table="t2",
        keys=SimpleNamespace(table="t1"),
    )
    whole = SimpleNamespace(guards=(), parts=(part,))
    found = [line for (line,) in explain.rows(whole, "v1")]  # type: ignore[arg-type]
    assert found[-1] == "  t2 from crm: SELECT id FROM people, with the keys of t1 if few"
