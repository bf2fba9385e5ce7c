"""Types by OID: the table, what is not a number or a time, parameters, literals.

Vectors were read from PostgreSQL 18, which printed 6,800 random values as this code does.
"""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import types
from proxy.wire.errors import InvalidValue
from tests.proxy.wire import strategies

VECTORS = [
    (types.BOOL_OID, b"\x01", "t"),
    (types.BOOL_OID, b"\0", "f"),
    (types.BYTEA_OID, b"\xde\xad\0", "\\xdead00"),
    (types.BYTEA_OID, b"", "\\x"),
    (types.CHAR_OID, b"a", "a"),
    (types.CHAR_OID, b"\0", ""),
    (types.CHAR_OID, b"\xff", "\\377"),
    (types.NAME_OID, b"pg_class", "pg_class"),
    (types.TEXT_OID, "grüße".encode(), "grüße"),
    (types.VARCHAR_OID, b"a b", "a b"),
    (types.BPCHAR_OID, b"a  ", "a  "),
    (types.JSON_OID, b'{"a": 1.50}', '{"a": 1.50}'),
    (types.JSONB_OID, b'\x01{"a": [null, true]}', '{"a": [null, true]}'),
    (
        types.UUID_OID,
        bytes.fromhex("a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    (types.INT4_OID, b"\xff\xff\xff\xfe", "-2"),
    (1007, b"\0\0\0\x01\0\0\0\0\0\0\0\x17\0\0\0\x01\0\0\0\x01\0\0\0\x04\0\0\0\x05", "{5}"),
]


@pytest.mark.parametrize(("oid", "data", "text"), VECTORS)
def test_vectors_both_ways(oid: int, data: bytes, text: str) -> None:
    assert types.binary_to_text(oid, data) == text
    assert types.text_to_binary(oid, text) == data


def test_the_table_is_consistent() -> None:
    assert len(types.BUILTIN_TYPES) == len(types.ELEMENT_TYPES) == 23
    assert not types.BUILTIN_TYPES.keys() & types.ELEMENT_TYPES.keys()
    for oid, entry in types.BUILTIN_TYPES.items():
        assert entry.oid == oid
        assert types.ELEMENT_TYPES[entry.array_oid] is entry


@pytest.mark.parametrize(
    ("oid", "size"),
    [(types.BOOL_OID, 1), (types.NAME_OID, 64), (types.UUID_OID, 16), (types.TEXT_OID, -1),
     (types.INTERVAL_OID, 16), (types.TIMETZ_OID, 12), (1007, -1), (99_999, -1)],
)  # fmt: skip
def test_sizes_are_those_of_pg_type(oid: int, size: int) -> None:
    assert types.type_size(oid) == size


@pytest.mark.parametrize("function", [types.binary_to_text, types.text_to_binary])
def test_a_type_beyond_the_table_is_refused(function: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        function(2205, b"" if function is types.binary_to_text else "")  # type: ignore[operator]

    assert caught.value.sqlstate == "0A000"


FIXED = [entry for entry in types.BUILTIN_TYPES.values() if entry.size > 0 and entry.name != "name"]


@pytest.mark.parametrize("entry", FIXED, ids=lambda entry: entry.name)
def test_a_binary_value_of_a_wrong_length_is_refused(entry: types.BuiltinType) -> None:
    for data in (b"", bytes(entry.size - 1), bytes(entry.size + 1)):
        with pytest.raises(InvalidValue) as caught:
            types.binary_to_text(entry.oid, data)
        assert caught.value.sqlstate == "22P03"


ALL_OIDS = sorted([*types.BUILTIN_TYPES, *types.ELEMENT_TYPES])
DOCUMENTED = {"22P02", "22P03", "22003", "22008", "22021", "42804", "42622", "0A000", "54000"}


@given(st.sampled_from(ALL_OIDS), st.binary(max_size=40))
def test_any_bytes_are_a_value_or_the_documented_error(oid: int, data: bytes) -> None:
    outcome: str | InvalidValue
    try:
        outcome = types.binary_to_text(oid, data)
    except InvalidValue as error:
        outcome = error

    if isinstance(outcome, InvalidValue):
        assert outcome.sqlstate in DOCUMENTED
    else:
        # What we print, we read, and it means the same.
        assert types.binary_to_text(oid, types.text_to_binary(oid, outcome)) == outcome


@given(st.sampled_from(ALL_OIDS), st.text(max_size=30))
def test_any_text_is_a_value_or_the_documented_error(oid: int, text: str) -> None:
    outcome: bytes | InvalidValue
    try:
        outcome = types.text_to_binary(oid, text)
    except InvalidValue as error:
        outcome = error

    if isinstance(outcome, InvalidValue):
        assert outcome.sqlstate in DOCUMENTED
    else:
        assert types.text_to_binary(oid, types.binary_to_text(oid, outcome)) == outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", b"\x01"), ("T", b"\x01"), (" yes ", b"\x01"), ("on", b"\x01"), ("1", b"\x01"),
     ("fal", b"\0"), ("N", b"\0"), ("of", b"\0"), ("off", b"\0"), ("0", b"\0")],
)  # fmt: skip
def test_words_for_booleans(text: str, expected: bytes) -> None:
    assert types.text_to_binary(types.BOOL_OID, text) == expected


@pytest.mark.parametrize(
    ("oid", "text"),
    [
        (types.BOOL_OID, "o"),
        (types.BOOL_OID, ""),
        (types.BOOL_OID, "truest"),
        (types.BYTEA_OID, "\\xabc"),
        (types.BYTEA_OID, "\\9"),
        (types.BYTEA_OID, "\\400"),
        (types.UUID_OID, "a0eebc99"),
        (types.UUID_OID, "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (types.JSON_OID, "{"),
        (types.JSON_OID, "NaN"),
        (types.JSON_OID, "[" * 100_000),
        (types.JSONB_OID, ""),
    ],
)
def test_text_that_is_not_of_the_type(oid: int, text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        types.text_to_binary(oid, text)

    assert caught.value.sqlstate == "22P02"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("abc", b"abc"),
        ("a\\\\b", b"a\\b"),
        ("\\001\\377", b"\x01\xff"),
        ("\\xAB", b"\xab"),
        ("é", "é".encode()),
    ],
)
def test_both_input_forms_of_bytea(text: str, data: bytes) -> None:
    assert types.text_to_binary(types.BYTEA_OID, text) == data


@pytest.mark.parametrize(
    "text", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
             "a0eebc999c0b4ef8bb6d6bb9bd380a11"],
)  # fmt: skip
def test_input_forms_of_uuid(text: str) -> None:
    value = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")

    assert types.text_to_binary(types.UUID_OID, text) == value.bytes


def test_names_are_cut_between_characters_on_input_and_refused_in_binary() -> None:
    assert types.text_to_binary(types.NAME_OID, "é" * 40) == ("é" * 31).encode()
    with pytest.raises(InvalidValue) as caught:
        types.binary_to_text(types.NAME_OID, b"x" * 64)
    assert caught.value.sqlstate == "42622"


def test_jsonb_has_a_version() -> None:
    with pytest.raises(InvalidValue, match="jsonb version"):
        types.binary_to_text(types.JSONB_OID, b"\x02{}")


# --- parameters -----------------------------------------------------------------------------------


def test_a_parameter_becomes_text_whichever_format_it_came_in() -> None:
    assert types.parameter_text(types.INT4_OID, types.TEXT_FORMAT, b"5") == "5"
    assert types.parameter_text(types.INT4_OID, types.BINARY_FORMAT, b"\0\0\0\x05") == "5"
    assert types.parameter_text(types.INT4_OID, types.BINARY_FORMAT, None) is None


@pytest.mark.parametrize("data", [b"\xff", b"a\0b"])
def test_a_text_parameter_must_be_utf8_without_nul(data: bytes) -> None:
    with pytest.raises(InvalidValue) as caught:
        types.parameter_text(types.TEXT_OID, types.TEXT_FORMAT, data)

    assert caught.value.sqlstate == "22021"


def test_no_error_shows_a_value() -> None:
    for oid in types.BUILTIN_TYPES:
        with pytest.raises(InvalidValue) as caught:
            types.text_to_binary(oid, "hunter2\0")
        assert "hunter2" not in caught.value.message


# --- literals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("", "''"),
        ("plain", "'plain'"),
        ("O'Hara", "'O''Hara'"),
        ("' OR 1=1 --", "''' OR 1=1 --'"),
        ("a\\b", r"E'a\\b'"),
        ("\\'; DROP TABLE x; --", r"E'\\''; DROP TABLE x; --'"),
        ("line\nbreak", "'line\nbreak'"),
        ("\u02bc\u2019", "'\u02bc\u2019'"),  # no other quote counts in UTF-8
    ],
)
def test_literals(text: str, literal: str) -> None:
    assert types.quote_literal(text) == literal


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_what_no_literal_can_carry_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        types.quote_literal(text)

    assert caught.value.sqlstate == "22021"


def read_literal(literal: str, *, backslash_escapes: bool) -> str:
    """Read a literal as Postgres' scanner does; AssertionError if anything follows its end."""
    escapes = backslash_escapes or literal.startswith("E")
    body = literal.removeprefix("E")
    assert body.startswith("'")
    text, position = "", 1
    while True:
        character = body[position]
        if character == "'":
            if body[position + 1 : position + 2] != "'":
                break
            position += 1
        elif character == "\\" and escapes:
            position += 1
            character = body[position]
            assert character == "\\", "only doubled backslashes are written"
        text += character
        position += 1
    assert position == len(body) - 1, "something follows the literal"
    return text


@given(st.text("'\\aE\n\"$", max_size=12) | strategies.text, st.booleans())
def test_a_literal_means_its_text_under_either_setting(text: str, escapes: bool) -> None:
    assert read_literal(types.quote_literal(text), backslash_escapes=escapes) == text
