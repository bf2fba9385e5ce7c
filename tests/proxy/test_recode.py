"""Which columns and parameters are looked into, and which are left alone."""

from __future__ import annotations

import struct

import pytest

from proxy.catalog.class_database import Oids
from proxy.catalog.virtual import ClassCatalog, TypeDefinition
from proxy.faults import UnsupportedFault
from proxy.recode import Recoder, recoder
from proxy.sources.base import Arguments
from proxy.wire.backend import FieldDescription
from proxy.wire.batch import RowBatch

MOOD, PLACE, LEVEL, SPAN = 17000, 17010, 17020, 17030
"""The source's numbers; an array's is one higher, the shadow's 10,000."""

ROW, ROWS = 29000, 29001
TYPES = {
    MOOD: TypeDefinition(MOOD, "s", "mood", "e", MOOD + 1),
    PLACE: TypeDefinition(PLACE, "s", "place", "c", PLACE + 1),
    LEVEL: TypeDefinition(LEVEL, "s", "level", "d", LEVEL + 1, base_type_oid=PLACE),
    SPAN: TypeDefinition(SPAN, "s", "span", "r", SPAN + 1),
}
OIDS = Oids(
    described={("main", SPAN): 25},
    sources={("main", oid + 10_000 + n): oid + n for oid in TYPES for n in (0, 1)},
    row_arrays={ROWS: ROW},
)


def made(fields: tuple[int, ...], parameters: tuple[int, ...] = ()) -> Recoder | None:
    catalog = ClassCatalog("k", {}, {"main": TYPES})
    columns = [FieldDescription("c", 0, 0, oid, -1) for oid in fields]
    return recoder(catalog, OIDS, "main", columns, parameters)


def looked_into(*fields: int) -> list[int]:
    found = made(fields)
    return [] if found is None else [one.number for one in found.in_binary((1,))]


def test_only_what_tells_numbers_is_looked_into() -> None:
    own = 10_000
    assert looked_into(23, 1007, MOOD + own, SPAN + own) == [3]
    assert looked_into(MOOD + 1 + own, PLACE + own, PLACE + 1 + own, LEVEL + own) == [0, 1, 2, 3]
    assert looked_into(23, ROW, ROWS, 2249, 2287) == [1, 2, 3, 4]
    assert made((23, 20, MOOD + own), (23, MOOD + own)) is None


def test_text_results_are_never_touched() -> None:
    found = made((PLACE + 10_000, 25))
    assert found is not None
    assert found.in_binary(()) == found.in_binary((0,)) == found.in_binary((0, 1)) == ()
    assert [one.number for one in found.in_binary((1, 0))] == [0]


def test_text_is_asked_for_where_it_may_stand_in() -> None:
    found = made((23, 25, PLACE + 10_000))
    assert found is not None
    assert found.formats((1,)) == (1, 0, 1)
    assert found.formats((1, 1, 0)) == (1, 0, 0)
    assert found.formats((0,)) == (0,)
    assert found.formats(()) == ()


def test_rows_come_out_as_described() -> None:
    found = made((23, MOOD + 1 + 10_000))
    assert found is not None
    inside = struct.pack(">iiIii", 1, 0, MOOD, 1, 1) + struct.pack(">i", 2) + b"ok"
    batch = RowBatch.of([(b"\0\0\0\1", inside), (None, None)])
    told = inside.replace(struct.pack(">I", MOOD), struct.pack(">I", MOOD + 10_000))

    assert (
        found.recoded(batch, found.in_binary((1,)))
        == RowBatch.of([(b"\0\0\0\1", told), (None, None)]).data
    )


def test_arguments_go_the_other_way() -> None:
    found = made((23,), (23, MOOD + 1 + 10_000))
    assert found is not None
    inside = struct.pack(">iiI", 0, 0, MOOD + 1 + 10_000 - 1)
    for formats in ((1,), (1, 1), (0, 1)):
        given = Arguments((b"\0\0\0\1", inside), formats)
        assert found.arguments(given).values[1] == struct.pack(">iiI", 0, 0, MOOD)
    text = Arguments((b"1", b"{ok}"), ())
    assert found.arguments(text) is text
    assert found.arguments(Arguments((None, None), (1,))).values == (None, None)


@pytest.mark.parametrize("garbage", [b"", b"\0\0\0\1", b"\xff" * 12])
def test_garbage_is_told_as_such(garbage: bytes) -> None:
    found = made((23,), (PLACE + 1 + 10_000,))
    assert found is not None
    with pytest.raises(UnsupportedFault) as caught:
        found.arguments(Arguments((garbage,), (1,)))

    assert caught.value.sqlstate == "22P03"
