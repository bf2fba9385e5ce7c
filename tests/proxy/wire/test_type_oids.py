"""OIDs inside binary values: found wherever they stand, and nothing else is touched.

The property is held against a real server, which prints a value in binary, takes it back under the
other numbers, and must read the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from proxy.wire.errors import InvalidValue
from proxy.wire.type_oids import DEPTH_MAX, Shape, TypeNumbers, renumbered
from tests.servers.postgres import Server

TYPES = (
    "CREATE TYPE {0}.leaf AS (a int, b text);"
    "CREATE TYPE {0}.node AS (l {0}.leaf, ls {0}.leaf[], n int[])"
)


@pytest.fixture(scope="module")
def connection(postgres_server: Server) -> Iterator[psycopg.Connection]:
    """Two schemas with the same types, as two servers would have them."""
    with postgres_server.database("numbers"):
        dsn = postgres_server.dsn_of("numbers")
        with psycopg.connect(dsn, autocommit=True) as found:
            for name in ("here", "there"):
                found.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
                found.execute(TYPES.format(name))
            yield found


def oid(connection: psycopg.Connection, name: str) -> int:
    row = connection.execute("SELECT %s::regtype::oid", [name]).fetchone()
    assert row is not None
    return int(row[0])


def numbers(connection: psycopg.Connection, source: str, target: str) -> TypeNumbers:
    shapes = {
        oid(connection, f"{source}.{name}"): shape
        for name, shape in (
            ("leaf", Shape.RECORD), ("leaf[]", Shape.ARRAY),
            ("node", Shape.RECORD), ("node[]", Shape.ARRAY),
        )
    }  # fmt: skip
    told = {
        oid(connection, f"{source}.{name}"): oid(connection, f"{target}.{name}")
        for name in ("leaf", "leaf[]", "node", "node[]")
    }
    return TypeNumbers(shapes, told)


LEAF = st.none() | st.tuples(
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=20),
)
NODE = st.none() | st.tuples(LEAF, st.none() | st.lists(LEAF, max_size=4), st.just([1, 2]))


def literal(value: object) -> str:
    """SQL of a value, without types: casts around it say them."""
    match value:
        case None:
            return "NULL"
        case tuple():
            return f"ROW({', '.join(map(literal, value))})"
        case []:
            return "'{}'"
        case list():
            return f"ARRAY[{', '.join(map(literal, value))}]"
        case str():
            escaped = value.replace("'", "''")
            return f"'{escaped}'"
        case _:
            return str(value)


@given(nodes=st.lists(NODE, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_value_of_one_server_is_read_by_the_other(
    connection: psycopg.Connection, nodes: list[object]
) -> None:
    built = []
    for node in nodes:
        if node is None:
            built.append("NULL::here.node")
            continue
        leaf, leaves, plain = node  # type: ignore[misc]
        fields = f"{literal(leaf)}::here.leaf, {literal(leaves)}::here.leaf[], {literal(plain)}"
        built.append(f"ROW({fields})::here.node")
    value = f"ARRAY[{', '.join(built)}]"
    array = oid(connection, "here.node[]")
    cursor = connection.cursor(binary=True)
    row = cursor.execute(sql.SQL("SELECT array_send({0}), {0}::text").format(sql.SQL(value)))
    sent, shown = row.fetchone()  # type: ignore[misc]
    there = renumbered(bytes(sent), array, numbers(connection, "here", "there"))

    target = oid(connection, "there.node[]")
    answer = connection.pgconn.exec_params(
        b"SELECT $1::text", [there], param_types=[target], param_formats=[1]
    )
    assert answer.error_message == b""
    assert answer.get_value(0, 0) == shown.encode()
    back = renumbered(there, target, numbers(connection, "there", "here"))
    assert back == bytes(sent)


SIMPLE = TypeNumbers({20000: Shape.RECORD, 20001: Shape.ARRAY}, {20000: 30000, 20001: 30001})


@given(st.binary(max_size=80))
def test_garbage_is_a_documented_error(data: bytes) -> None:
    for kind in (20000, 20001, 2249, 2287):
        found = None
        try:
            renumbered(data, kind, SIMPLE)
        except InvalidValue as error:
            found = error.sqlstate
        assert found in (None, "22P03", "0A000")


def test_what_has_no_shape_is_left_alone() -> None:
    assert renumbered(b"anything", 25, SIMPLE) == b"anything"
    assert renumbered(b"anything", 20002, SIMPLE) == b"anything"


def test_the_elements_number_may_be_given() -> None:
    empty = struct.pack(">iiI", 0, 0, 2249)
    assert renumbered(empty, 2287, SIMPLE, element=31000) == struct.pack(">iiI", 0, 0, 31000)


@pytest.mark.parametrize("kind", [Shape.OPAQUE, None])
def test_what_only_one_side_has_is_refused(kind: Shape | None) -> None:
    known = TypeNumbers({} if kind is None else {20005: kind}, {} if kind is None else {20005: 1})
    row = struct.pack(">iIi", 1, 20005, 1) + b"x"
    with pytest.raises(InvalidValue) as caught:
        renumbered(row, 2249, known)

    assert caught.value.sqlstate == "0A000"


def test_nesting_is_bounded() -> None:
    value = struct.pack(">i", 0)
    for _ in range(DEPTH_MAX + 2):
        value = struct.pack(">iIi", 1, 2249, len(value)) + value
    with pytest.raises(InvalidValue) as caught:
        renumbered(value, 2249, SIMPLE)

    assert caught.value.sqlstate == "22P03"
