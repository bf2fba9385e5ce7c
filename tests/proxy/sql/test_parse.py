"""Text to statements: slices, offsets, kinds, limits."""

from __future__ import annotations

import pytest

from proxy.faults import Fault, LimitFault, SyntaxFault
from proxy.sql import tree
from proxy.sql.parse import STATEMENTS_MAX, Kind, parse


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", Kind.QUERY), ("TABLE t", Kind.QUERY), ("VALUES (1)", Kind.QUERY),
        ("WITH a AS (SELECT 1) TABLE a", Kind.QUERY), ("COPY t TO STDOUT", Kind.COPY_TO),
        ("COPY t FROM STDIN", Kind.WRITE), ("BEGIN", Kind.BEGIN), ("START TRANSACTION", Kind.BEGIN),
        ("COMMIT", Kind.COMMIT), ("END", Kind.COMMIT), ("ABORT", Kind.ROLLBACK),
        ("SAVEPOINT a", Kind.SAVEPOINT), ("RELEASE a", Kind.RELEASE),
        ("ROLLBACK TO a", Kind.ROLLBACK_TO), ("PREPARE TRANSACTION 'x'", Kind.UTILITY),
        ("SET a = 1", Kind.SET), ("SET LOCAL a TO 1", Kind.SET), ("RESET a", Kind.RESET),
        ("RESET ALL", Kind.RESET), ("SHOW a", Kind.SHOW), ("DISCARD ALL", Kind.DISCARD),
        ("SET TRANSACTION READ WRITE", Kind.SET_TRANSACTION),
        ("SET TRANSACTION SNAPSHOT 'x'", Kind.UTILITY), ("PREPARE p AS SELECT 1", Kind.PREPARE),
        ("EXECUTE p", Kind.EXECUTE), ("DEALLOCATE p", Kind.DEALLOCATE), ("CLOSE c", Kind.CLOSE),
        ("DECLARE c CURSOR FOR SELECT 1", Kind.DECLARE), ("FETCH 1 FROM c", Kind.FETCH),
        ("MOVE 1 FROM c", Kind.FETCH), ("LISTEN a", Kind.LISTEN_NOTIFY), ("DO 'x'", Kind.UTILITY),
        ("EXPLAIN SELECT 1", Kind.EXPLAIN), ("EXPLAIN POLICY SELECT 1", Kind.EXPLAIN_POLICY),
        ("/* a */ -- b\n explain  policy SELECT 1", Kind.EXPLAIN_POLICY), ("", Kind.EMPTY),
        ("-- nothing", Kind.EMPTY), (";;", Kind.EMPTY),
    ],
)  # fmt: skip
def test_kinds(sql: str, kind: Kind) -> None:
    assert parse(sql)[0].kind is kind


def test_each_statement_is_the_clients_own_slice() -> None:
    sql = " SELECT 'ü' ;\n  SHOW x ; "
    statements = parse(sql)

    assert [one.text for one in statements] == ["SELECT 'ü'", "SHOW x"]
    assert all(sql[one.offset :].startswith(one.text) for one in statements)


def test_locations_become_character_positions() -> None:
    (first, second) = parse("SELECT 'üü', a; SELECT 'ü', b")

    location = second.node.target_list[1].res_target.val.column_ref.location
    assert second.position(location) == 13
    assert first.text == "SELECT 'üü', a"


def test_explain_policy_keeps_positions_of_the_whole_text() -> None:
    (statement,) = parse("EXPLAIN POLICY  SELECT a")

    assert statement.offset == 16
    assert statement.position(statement.node.target_list[0].res_target.location) == 8
    with pytest.raises(SyntaxFault) as caught:
        parse("EXPLAIN POLICY SELEC 1")
    assert caught.value.position == 16


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SELEC 1", "42601"),
        ("SELECT 1 /* open", "42601"),
        ("SELECT 'a\0b'", "22021"),
        ("SELECT '\ud800'", "22021"),
        ("SELECT a||(" * 1 + "a||(" * 6_000 + "1" + ")" * 6_001, "54001"),
        ("SELECT " + "1+" * 5_000 + "1", "54001"),
        ("SELECT " + "NOT " * 500 + "true", "54001"),
        ("SELECT 1" + " " * tree.STATEMENT_BYTES_MAX, "54000"),
        ("SELECT 1;" * (STATEMENTS_MAX + 1), "54000"),
        ("EXPLAIN POLICY SELECT 1; SELECT 2", "42601"),
        ("EXPLAIN POLICY DELETE FROM t", "42601"),
        ("INTERVAL", "42601"),
    ],
)
def test_bad_text_is_one_documented_fault(sql: str, sqlstate: str) -> None:
    with pytest.raises(Fault) as caught:
        parse(sql)

    assert caught.value.sqlstate == sqlstate


def test_deep_nesting_names_its_limit() -> None:
    with pytest.raises(LimitFault, match="too complex"):
        parse("SELECT " + "1+" * 60 + "1")
