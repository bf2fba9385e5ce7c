"""One-dimensional arrays: quoting, bounds, hostile counts, hostile literals."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import type_arrays, types
from proxy.wire.errors import InvalidValue
from tests.proxy.wire import strategies

TEXTS = 1009
INTS = 1007


def header(dimensions: int = 1, flags: int = 0, oid: int = 25) -> bytes:
    return struct.pack(">iiI", dimensions, flags, oid)


def binary(*elements: bytes | None, lower: int = 1) -> bytes:
    parts = [header(flags=int(None in elements)), struct.pack(">ii", len(elements), lower)]
    for element in elements:
        length = -1 if element is None else len(element)
        parts.append(struct.pack(">i", length) + (element or b""))
    return b"".join(parts)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (header(0), "{}"),
        (binary(b"a", b"b"), "{a,b}"),
        (binary(b"a b", b"", None, b"NULL", b"null"), '{"a b","",NULL,"NULL","null"}'),
        (binary(b'q"q', b"b\\b", b"a,b", b"{}"), '{"q\\"q","b\\\\b","a,b","{}"}'),
        (binary("\u00a0".encode()), "{\u00a0}"),  # white space to Unicode, not to Postgres
        (binary(b"a", b"b", lower=-1), "[-1:0]={a,b}"),
        (binary(b"\t"), '{"\t"}'),
    ],
)
def test_vectors_both_ways(data: bytes, text: str) -> None:
    assert types.binary_to_text(TEXTS, data) == text
    assert types.text_to_binary(TEXTS, text) == data


@given(st.lists(st.none() | strategies.text, max_size=6))
def test_any_texts_survive(elements: list[str | None]) -> None:
    encoded = [None if element is None else element.encode() for element in elements]
    data = binary(*encoded) if elements else header(0)

    assert types.text_to_binary(TEXTS, types.binary_to_text(TEXTS, data)) == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" { 1 , 2 } ", "{1,2}"),
        ("{null,NULL}", "{NULL,NULL}"),
        ("{ }", "{}"),
        ("[1:2]={1,2}", "{1,2}"),
        ('{"1"}', "{1}"),
    ],
)
def test_literals_are_read_as_postgres_reads_them(text: str, expected: str) -> None:
    assert types.binary_to_text(INTS, types.text_to_binary(INTS, text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "{", "}", "{1", "1}", "{1,}", "{,1}", "{1 2", '{"1}', '{"1"2}', "{1}x", "{{1}}", "{1}{2}",
     "[1:3]={1,2}", "[1:2]{1,2}", "{" + " " * 50_000 + '"x}', "{" + '"' * 9_999 + "}"],
)  # fmt: skip
def test_literals_that_do_not_parse(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        types.text_to_binary(INTS, text)

    assert caught.value.sqlstate == "22P02"


@pytest.mark.parametrize(
    ("data", "sqlstate"),
    [
        (b"", "22P03"),
        (header(-1), "22P03"),
        (header(1, 2), "22P03"),
        (header(0) + b"x", "22P03"),
        (header(1), "22P03"),
        (header(1) + struct.pack(">ii", 2**31 - 1, 1), "22P03"),  # a count that would allocate
        (header(1) + struct.pack(">ii", -1, 1), "22P03"),
        (header(1) + struct.pack(">ii", 1, 2**31 - 1) + b"\0\0\0\0", "22P03"),
        (header(1) + struct.pack(">iii", 1, 1, 5) + b"abc", "22P03"),
        (header(1) + struct.pack(">iii", 1, 1, -2), "22P03"),
        (binary(b"a") + b"x", "22P03"),
        (header(2) + bytes(16), "0A000"),
        # The element type is the client's word: another one than the array's is refused.
        (struct.pack(">iiIii", 1, 0, 23, 0, 1), "42804"),
    ],
)
def test_binary_that_does_not_add_up(data: bytes, sqlstate: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        types.binary_to_text(TEXTS, data)

    assert caught.value.sqlstate == sqlstate


def test_elements_are_checked_too() -> None:
    with pytest.raises(InvalidValue) as caught:
        types.text_to_binary(INTS, "{1,99999999999}")
    assert caught.value.sqlstate == "22003"


def test_small_values_cannot_become_an_endless_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type_arrays, "VALUE_TEXT_CHARACTERS_MAX", 300_000)
    long = b"\0\x01\x7f\xff\0\0\0\0\0\x01"
    data = header(oid=types.NUMERIC_OID) + struct.pack(">ii", 3, 1)
    data += (struct.pack(">i", len(long)) + long) * 3

    with pytest.raises(InvalidValue) as caught:
        types.binary_to_text(1231, data)
    assert caught.value.sqlstate == "54000"
