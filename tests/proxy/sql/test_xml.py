"""XML in queries: found wherever it stands, named as its columns are, printed so that it reads back."""

from __future__ import annotations

import pytest

from proxy.sql import tree
from proxy.sql.identity import make_printable
from proxy.sql.xml import needs_stand_ins, uses_xml, with_stand_ins
from tests.proxy.sql.fixture import guarded


def query(sql: str) -> tree.Node:
    return tree.parse_tree(sql).stmts[0].stmt.select_stmt


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT xmlelement(name a)",
        "SELECT a IS DOCUMENT FROM t",
        "SELECT xmlserialize(content a AS text) FROM t",
        "SELECT * FROM xmltable('/a' PASSING a COLUMNS b int)",
        "SELECT '<a/>'::xml",
        "SELECT xml '<a/>'",
        "SELECT NULL::pg_catalog.xml[]",
        "SELECT xml(a) FROM t",
        "SELECT 1 FROM t ORDER BY xpath('/a', b)",
        "SELECT 1 WHERE xmlexists('/a' PASSING b)",
        "SELECT xmlagg(a) FROM t",
        "WITH w AS (SELECT xmlcomment(a) FROM t) SELECT 1 FROM w",
    ],
)
def test_xml_is_found(sql: str) -> None:
    assert uses_xml(query(sql))


def test_names_alone_are_no_xml() -> None:
    assert not uses_xml(query("SELECT xml, xpath AS xmlagg, 'xml' FROM xmltable"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t, XMLTABLE('/a' PASSING ((a)::xml) COLUMNS b int) y",
        "SELECT * FROM t, XMLTABLE('/a' PASSING (a || b) COLUMNS b int PATH 'a' || 'b') y",
        "SELECT * FROM t, LATERAL XMLTABLE('/a' PASSING (CASE WHEN b THEN a END) COLUMNS b int) y",
        "SELECT xmlexists('/a' PASSING ((a || b)::xml))",
        "SELECT xmlexists(('/a' || x) PASSING xmlparse(content a))",
        "SELECT * FROM LATERAL JSON_TABLE(a, '$' COLUMNS (x int)) j",
    ],
)
def test_what_the_printer_gets_wrong_is_written_otherwise(sql: str) -> None:
    node = query(sql)
    make_printable(node)

    assert tree.same_tree(query(tree.print_tree(node)), node)


def test_elements_keep_the_names_of_their_columns() -> None:
    """The unsafe condition makes a fence, whose columns have names of the gate's own."""
    sql = (
        "SELECT xmlforest(note, o.id AS k), xmlelement(name x, xmlattributes(o.note))"
        " FROM orders o WHERE note::int > 1"
    )
    text = guarded(sql).rewritten.sql

    assert "xmlforest(sp0_0.sp0_c2 AS note, sp0_0.sp0_c1 AS k)" in text
    assert "xmlattributes(sp0_0.sp0_c2 AS note)" in text


def test_stand_ins_reach_every_depth_and_change_nothing_else() -> None:
    node = query(
        "SELECT xmlconcat(xmlelement(name a, xmlpi(name b, c)), d) FROM t"
        " WHERE (SELECT xmlforest(e)::text FROM u) = 'x'"
    )
    before = tree.print_tree(node)
    found = with_stand_ins(node)

    assert needs_stand_ins(node)
    assert not needs_stand_ins(found)
    assert tree.print_tree(node) == before
    assert found.target_list[0].res_target.name == "xmlconcat"
    columns = {
        message.fields[-1].string.sval
        for message in tree.walk(found)
        if message.DESCRIPTOR.name == "ColumnRef"
    }
    assert columns == {"c", "d", "e"}


def test_what_holds_no_names_needs_no_stand_in() -> None:
    assert not needs_stand_ins(query("SELECT xmlparse(content a), b IS DOCUMENT FROM t"))
